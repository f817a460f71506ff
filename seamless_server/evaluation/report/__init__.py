"""Self-contained HTML reports."""

from seamless_server.evaluation.report.build import (
    ReportOptions,
    comparison_report,
    experiment_report,
    run_report,
)

__all__ = ["ReportOptions", "comparison_report", "experiment_report", "run_report"]
