"""What a sync did."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class SyncReport:
    """What a sync has brought from one lake to another.

    Attributes:
        records: Records of the log, each what one call has logged.
        stored: Records that only the tables had any more.
        log_bytes: What was written to the log of the target.
        files: Files of artifacts that were sent.
        file_bytes: Their size.
        left: Records that were left: those that are none, or of experiments that are gone.
        problems: What could not be brought as it is: files that are recorded and are not there
            any more, or have other content; versions of models whose numbers others have.
    """

    records: int = 0
    stored: int = 0
    log_bytes: int = 0
    files: int = 0
    file_bytes: int = 0
    left: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the target has all that the source had when the sync began."""
        return not self.left and not self.problems
