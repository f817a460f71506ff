"""Engines in other processes and on other machines, placed and restarted by Ray Serve."""

import os

# Read by Ray when it is imported. Who may talk to its ports can run anything there: that is to be
# those alone who have its token.
os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
