"""Evaluation of simultaneous translation: data, runs under SimulEval, scores, reports.

The command line is `seamless_server.commands.evaluate`; docs/evaluation.md is the guide. Its
libraries come with the extra ``evaluation``; importing this package without them is a
`DependencyError` that says so.
"""

from seamless_server.errors import require_evaluation

require_evaluation()
