"""What a compaction, a copy or a check says of itself: how far it is, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lakeflow.maintenance.vacuum import VacuumReport

if TYPE_CHECKING:
    from collections.abc import Collection

    from lakeflow.tables.data_file import DataFile


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a compaction or a copy is.

    Attributes:
        step: What is being done.
        done_bytes: Bytes of log that are folded, or bytes that are at the target.
        total_bytes: Bytes to fold or to copy.
    """

    step: str
    done_bytes: int
    total_bytes: int


@dataclass(slots=True)
class CopyReport:
    """What a copy of a lake has sent.

    Attributes:
        files: Files that were not there yet.
        bytes: Their size.
    """

    files: int = 0
    bytes: int = 0


Problem = Literal["missing", "changed", "unreadable", "unrecorded"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A file of artifacts that is not what is recorded of it.

    Attributes:
        problem: ``missing``; ``changed``, in size or SHA-256; ``unreadable``; or
            ``unrecorded``: it is there, and nobody has logged it.
        run_id: The run; empty for a file of a logged model or of a model version.
        path: Its path below the artifacts of the run or model, or below the source of the
            version; empty for all of them.
        detail: What differs, for people.
        model_id: The logged model; empty for any other file.
    """

    problem: Problem
    run_id: str
    path: str
    detail: str
    model_id: str = ""


@dataclass(slots=True)
class VerificationReport:
    """What a look at the files of artifacts has found.

    Attributes:
        runs: Runs whose artifacts were looked at.
        files: Files that are recorded of them.
        bytes: Their size, as recorded.
        findings: The files that are not what is recorded: those of logged models, then those
            of runs, by id and path.
        models: Logged models whose files were looked at.
    """

    runs: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    models: int = 0

    @property
    def is_good(self) -> bool:
        """Whether everything that was logged is there; other files may be there too."""
        return all(each.problem == "unrecorded" for each in self.findings)

    def count(self, problem: Problem) -> int:
        """Return how many files have a problem."""
        return sum(each.problem == problem for each in self.findings)


@dataclass(slots=True)
class ModelReport:
    """What a look at the files of a model version has found.

    Attributes:
        name: Name of the model.
        version: Number of the version.
        location: Where its files are.
        file_count: Files that it had when it was registered; None if nobody has logged them
            to a lake, so that nothing is known of them.
        files: Those of them that are recorded; fewer where its registration was broken off.
        bytes: Their size, as recorded.
        findings: The files that are not what is recorded, and those that are not recorded.
        signature: ``none``; ``unchecked``, there was no key to check it with; ``valid``; or
            ``invalid``.
        signature_detail: Why it is invalid, for people.
    """

    name: str
    version: int
    location: str
    file_count: int | None = None
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    signature: Literal["none", "unchecked", "valid", "invalid"] = "none"
    signature_detail: str = ""

    @property
    def is_recorded(self) -> bool:
        """Whether all its files are recorded, so that there is something to compare with."""
        return self.file_count is not None and self.files == self.file_count

    @property
    def is_good(self) -> bool:
        """Whether its files are those that were registered, and no others.

        And whether the signature is valid, where it was checked.
        """
        return self.is_recorded and not self.findings and self.signature != "invalid"


@dataclass(slots=True)
class TableReport:
    """What happened to one table.

    Attributes:
        rows: Rows written, stored ones that were rewritten included.
        files_added: New files.
        files_removed: Files they replace.
        bytes_written: Size of the new files.
        seconds: Time it took.
    """

    rows: int = 0
    files_added: int = 0
    files_removed: int = 0
    bytes_written: int = 0
    seconds: float = 0.0

    def add(
        self, added: Collection[DataFile], removed: Collection[DataFile], seconds: float
    ) -> None:
        """Count one commit: the files it added and removed, and how long it took."""
        self.rows += sum(file.rows for file in added)
        self.files_added += len(added)
        self.files_removed += len(removed)
        self.bytes_written += sum(file.size for file in added)
        self.seconds += seconds


@dataclass(slots=True)
class CompactionReport:
    """What a compaction did, or with ``dry_run`` would do.

    Attributes:
        folds: Numbers of the folds that were finished.
        log_bytes: Bytes of log folded; what there is to fold in a dry run.
        log_segments: Segments they were in.
        records: Records folded.
        rejected: Lines that did not parse and were set aside in ``rejected/``.
        orphans: Things that were changed and that nothing has made: their first record is in
            neither log nor tables.
        seconds: Time it took.
        tables: What happened to each table.
        vacuum: What was deleted.
        is_dry_run: Whether nothing was done.
    """

    folds: list[int] = field(default_factory=list)
    log_bytes: int = 0
    log_segments: int = 0
    records: int = 0
    rejected: int = 0
    orphans: int = 0
    seconds: float = 0.0
    tables: dict[str, TableReport] = field(default_factory=dict)
    vacuum: VacuumReport = field(default_factory=VacuumReport)
    is_dry_run: bool = False
