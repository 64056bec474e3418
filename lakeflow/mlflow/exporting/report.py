"""What an export to MLflow says of itself: how far it is, and what is on both sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from lakeflow.importing.items import Problem
from lakeflow.importing.report import Kept


class ExportProgress(NamedTuple):
    """How far an export to MLflow is.

    Attributes:
        what: What is being written: an experiment, or ``models``.
        runs: Runs that were looked at, written or not.
        points: Points of metrics that were sent.
    """

    what: str
    runs: int
    points: int


@dataclass(slots=True)
class MlflowReport(Kept):
    """What is on both sides after an export to MLflow.

    Attributes:
        uri: Where MLflow keeps it.
        lake: How many things of each sort were to go there, as the lake has them.
        there: How many of these MLflow has, as it said when it was asked after the write. Of
            points, how many it took, now or in an earlier export.
        written: How many things of each sort this export has written.
    """

    uri: str
    lake: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)

    @property
    def is_complete(self) -> bool:
        """Whether everything that MLflow has a place for is there."""
        return not self.loss_count and self.there == self.lake

    def miss(self, where: str, why: str, *, is_loss: bool = True) -> None:
        """Take note of what MLflow refuses, or has no place for."""
        self.add(Problem(where, why, is_loss))
