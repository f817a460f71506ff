"""One module a command of ``seamless-server``; each adds itself to the app in ``register``."""
