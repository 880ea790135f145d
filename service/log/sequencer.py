"""The background thread that gives committed entries their place in the log, and publishes."""

import logging
import threading
from types import TracebackType
from typing import Self

from service.log.log import Log

_logger = logging.getLogger(__name__)


class Sequencer:
    """Catches up every ``interval`` seconds, and at once when told that an entry was committed.

    Attributes:
        problem: The last failure, or nothing when the last round went well. A round that fails is tried again.
    """

    def __init__(self, log: Log, interval: float = 0.5) -> None:
        self._log, self._interval = log, interval
        self._wake, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="log-sequencer", daemon=True)
        self.problem: Exception | None = None

    def start(self) -> None:
        """Begin. A sequencer starts once."""
        self._thread.start()

    def nudge(self) -> None:
        """Look for new entries now instead of at the next interval."""
        self._wake.set()

    def stop(self) -> None:
        """Catch up one last time, and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._interval)
            self._wake.clear()
            self._round()
        self._round()

    def _round(self) -> None:
        try:
            self._log.catch_up()
            self.problem = None
        except Exception as problem:  # noqa: BLE001  # the thread must outlive a database that is away for a moment
            self.problem = problem
            _logger.error("the access log is behind: %s", type(problem).__name__)  # noqa: TRY400  # a trace has values
