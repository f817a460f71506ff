setup:
	@echo "being written"
