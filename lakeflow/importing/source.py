"""What every reader of a source offers; each is a module below ``sources``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.importing.items import Curve, ExperimentItem, FileItem, Problem, RunItem

Artifacts = Literal["copy", "leave"]
"""What becomes of files: they are copied into the lake, or stay where they are."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a source is imported.

    Attributes:
        experiments: Names of experiments; empty for all.
        since: Runs that began at or after this time, in milliseconds since the Unix epoch.
    """

    experiments: frozenset[str] = frozenset()
    since: int | None = None


class Source(Protocol):
    """A place that holds experiments: read as a stream, in bounded memory, each time anew.

    A reader reports what is broken and goes on with the rest. It writes nothing, and holds no
    lock for longer than it takes to read one thing.

    Attributes:
        name: What it is, for people: "the MLflow file store /data/mlruns".
    """

    name: str

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield all experiments."""

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of an experiment.

        Args:
            experiment: One that ``experiments`` has yielded.
            since: As in ``Wanted``; a reader may yield others too, which are left out.
        """

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the points of a run, metric by metric."""

    def counts(self, run: RunItem) -> dict[str, int] | None:
        """Return how many points each metric of a run has; None where only a read tells."""

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run."""

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go, before anything is read."""

    def close(self) -> None:
        """Let go of what is open."""
