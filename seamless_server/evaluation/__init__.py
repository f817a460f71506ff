"""Evaluation of simultaneous translation: data, runs under SimulEval, scores, reports.

The command line is `seamless_server.commands.evaluate`; docs/evaluation.md is the guide.
"""
