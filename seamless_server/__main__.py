"""``python -m seamless_server`` is the command ``seamless-server``."""

from seamless_server.cli import main

if __name__ == "__main__":
    main()
