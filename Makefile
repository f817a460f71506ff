# Everything one does with this checkout. `make` alone lists the targets.
# PYTHON=python3.12 chooses the interpreter, ARGS="..." passes arguments on.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup serve test test-fast lint format evaluate train-mini bench gpu-check screenshots doctor soak mutants lock audit docker-check clean

BIN := .venv/bin
APP := streaming-react-app
ARGS ?=

EVALUATE_EMBEDDED := --task s2tt --model SeamlessStreaming-mini --tgt-lang spa,fra,deu \
  --data training/held_out/manifest.tsv --ref-field 'text_{lang}' \
  --sweep decision_threshold=0.3,0.7,0.95,0.99 --output evaluations/SeamlessStreaming-mini

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 18

setup: ## Prepare .venv and the web page (a second run takes seconds)
	@scripts/setup.sh

serve: setup ## Start the server with the best model present: make serve ARGS="--port 8000"
	@$(BIN)/seamless-server serve $(ARGS)

test: lint ## Run all that CI runs: lint, then all tests (Python, web page, Chromium)
	@scripts/system_packages.sh chromium redis-server nginx-light
	@$(BIN)/python scripts/run_tests.py $(ARGS)

test-fast: setup ## Run the quick tests of Python and web page, for daily work (below two minutes)
	@$(BIN)/python scripts/run_tests.py --fast $(ARGS)

lint: setup ## Check style, types, generated types and the Dockerfile
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/hadolint Dockerfile
	@if [ -d $(APP)/node_modules ]; then cd $(APP) && npm run --silent lint; fi

format: setup ## Put all code into the common format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@if [ -f $(APP)/package.json ]; then cd $(APP) && npm run --silent format; fi

evaluate: setup ## Score the embedded model on held-out speech, or ARGS="--task s2tt --data ..."
	@$(BIN)/seamless-server evaluate $(or $(ARGS),$(EVALUATE_EMBEDDED))

bench: setup ## Compare the ways of computing on this machine in ten minutes, beside committed ratios
	@$(BIN)/seamless-server bench all $(ARGS)

gpu-check: setup ## Measure this machine's GPU in steps of half an hour in all; a second run goes on
	@$(BIN)/seamless-server bench gpu-check $(ARGS)

train-mini: ## Train the small embedded model anew (hours on two cores)
	@EXTRAS=dev,evaluation,cluster,train scripts/setup.sh
	@scripts/system_packages.sh espeak-ng libflite1 festival festvox-kdlpc16k festvox-us-slt-hts \
	  wine wine64 gcc-mingw-w64-x86-64 pocketsphinx-testdata npm \
	  asterisk-core-sounds-en-g722 asterisk-core-sounds-es-g722 asterisk-core-sounds-fr-g722 \
	  asterisk-core-sounds-it-g722 asterisk-core-sounds-ru-g722 asterisk-moh-opsound-g722
	@$(BIN)/python -m training $(ARGS)

screenshots: setup ## Take the documentation's pictures of the running page
	@scripts/system_packages.sh chromium
	@cd $(APP) && npm run --silent screenshots

doctor: setup ## Show what this machine has and lacks
	@$(BIN)/seamless-server doctor $(ARGS)

soak: setup ## Everything at once for half an hour: make soak ARGS="--minutes 2"
	@scripts/system_packages.sh redis-server
	@$(BIN)/python -m tests.soak $(ARGS)

lock: setup ## Resolve constraints.txt anew for all supported Pythons
	@$(BIN)/python scripts/lock.py

mutants: setup ## Put small mistakes into the code and count what tests notice (goes on where it was)
	@$(BIN)/python scripts/mutants.py $(ARGS)

audit: setup ## Look all locked packages up in the advisory databases (pip-audit, npm audit)
	@$(BIN)/python scripts/audit.py

docker-check: setup ## Lint the Dockerfile and replay it without a container engine (minutes)
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/python scripts/replay_dockerfile.py --serve $(ARGS)

.PHONY: cluster cluster-bars
cluster: setup ## Start 2 fronts, 2 engines and Redis on this machine: make cluster ARGS="--engines 3"
	@scripts/system_packages.sh redis-server
	@$(BIN)/python -m scripts.cluster $(ARGS)

cluster-bars: setup ## Kill, hang and replace parts of a cluster under load (minutes)
	@scripts/system_packages.sh redis-server
	@$(BIN)/python -m benchmarks.cluster_bars $(ARGS)

clean: ## Remove what setup, builds and tests made (not downloaded checkpoints)
	@rm -rf .venv $(APP)/node_modules $(APP)/dist $(APP)/test-results $(APP)/playwright-report
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
