"""SimulEval agents of SeamlessStreaming: they hold a session's state and decide READ or WRITE."""

from seamless_server.errors import require_simuleval

require_simuleval()
