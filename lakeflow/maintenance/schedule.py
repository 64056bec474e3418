"""When a lake is compacted without anybody asking: as it grows, when its client closes."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

from lakeflow.exceptions import LakeflowException
from lakeflow.log.positions import is_complete
from lakeflow.printable import without_password
from lakeflow.system_errors import loading, plain

if TYPE_CHECKING:
    from lakeflow.lake import Lake

_EVENTS_A_SEGMENT = 8
"""Events of the control log that count as one segment, since they are small."""

_logger = logging.getLogger(__name__)


class AutoCompaction:
    """Compacts a lake in the background, one compaction at a time, as its settings say.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._place = without_password(lake.fs.uri)
        self._next_at = lake.settings.auto_compact_bytes
        self.reset()
        if lake.settings.auto_compact and lake.fs.can_write:
            lake.on_append(self._grown)
            lake.on_close(self._closing)
            lake.on_fork(self.reset)

    def reset(self) -> None:
        """Begin anew in a forked child, which has no thread."""
        self._thread: threading.Thread | None = None

    def _grown(self, written_bytes: int) -> None:
        if written_bytes < self._next_at:
            return
        # It counts on from now, also while a compaction is under way: that one leaves to the
        # next what is logged after it has begun.
        self._next_at = written_bytes + self._lake.settings.auto_compact_bytes
        if self._thread is None or not self._thread.is_alive():
            # A daemon does not keep a process alive; a client that is closed waits for it.
            thread = threading.Thread(
                target=self._compact, name="lakeflow-compact", daemon=True
            )
            # Where none can be started, the next one may: what is logged is safe.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def _closing(self) -> None:
        if self._thread is not None:
            self._thread.join()
        # A client that has only read leaves the lake alone; it may not even be one's own.
        if not self._lake.written_bytes:
            return
        # The fold can then take in the last segment as a whole, and a vacuum delete it.
        self._lake.seal()
        self.compact_if_due()

    def compact_if_due(self) -> None:
        """Compact the lake if its log has become long, and nobody has said not to."""
        settings = self._lake.settings
        if not (settings.auto_compact and self._lake.fs.can_write):
            return
        try:
            listing = self._lake.listing()
        except LakeflowException as error:
            _logger.warning("cannot look at %s: %s", self._place, plain(error))
            return
        events = sum(map(is_complete, listing.unfolded))
        segments = len(listing.unfolded) - events + events // _EVENTS_A_SEGMENT
        if (
            listing.unfolded_bytes >= settings.auto_compact_bytes
            or segments >= settings.auto_compact_segments
        ):
            self._compact()

    def _compact(self) -> None:
        try:
            # It imports DuckDB, which a job that only logs should not pay for.
            with loading("what compacts"):
                from lakeflow.maintenance.compact import compact_lake

            compact_lake(self._lake, wait=False)
        except (LakeflowException, OSError) as error:
            # Logging goes on without: what is logged is safe, and the next one may succeed.
            _logger.warning("cannot compact %s: %s", self._place, plain(error))
