"""Defects of the program: where one showed itself, and nothing of what it was working on.

An exception's own text may quote a record, so neither the log nor the screen gets it.
"""

import logging


def place(problem: BaseException) -> str:
    """Return module and line where a defect showed itself: enough to report it, and nothing of a record."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "unknown"


class Untold(logging.Filter):
    """Takes the exception out of a log record, and leaves its kind and place."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, without its traceback."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            record.msg, record.args = "a defect: %s at %s", (type(error).__name__, place(error))
        record.exc_info = record.exc_text = None
        return True
