"""Progress of a run in lines for people at a terminal.

Belongs here: which of Dagster's log records are for people, and their words. Does not belong here: where the lines go.
"""

import logging
from collections.abc import Callable

import dagster as dg


class _ProgressHandler(logging.Handler):
    """Shows what assets log (`context.log`) and which assets are done; drops Dagster's own engine messages."""

    def __init__(self, show: Callable[[str], None], level: int) -> None:
        super().__init__(level)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, when it is for people."""
        meta = getattr(record, "dagster_meta", {}) or {}
        event = meta.get("dagster_event")
        if event is None:
            self._show(f"    [dim]{meta.get('orig_message', record.getMessage())}[/]")
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.event_specific_data
            verdict = "[green]passed[/]" if evaluation.passed else "[bold red]FAILED[/]"
            self._show(f"    check {evaluation.asset_key.to_user_string()}:{evaluation.check_name} {verdict}")
        elif event.event_type_value == "STEP_SUCCESS":
            seconds = event.step_success_data.duration_ms / 1000
            self._show(f"    {event.step_key.replace('__', '/')} [dim]{seconds:.1f} s[/]")
        elif event.event_type_value == "STEP_FAILURE":
            self._show(f"    [bold red]{event.step_key.replace('__', '/')} failed[/]")


def progress_logger(show: Callable[[str], None]) -> dg.LoggerDefinition:
    """A logger for jobs.

    Args:
        show: takes each line, with rich's markup.
    """

    @dg.logger(None, description="Progress for people at a terminal.")
    def progress(context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("platform_assets_progress", level=logging.DEBUG)
        logger.addHandler(_ProgressHandler(show, logging.INFO if context is None else logging.DEBUG))
        return logger

    return progress
