"""What readers need that read a run several times over: what one look told, and complaints."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from lakeflow.importing.items import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")

_RUNS_KNOWN = 1_000
"""Runs of which is kept what was learnt: more than an importer looks at at once."""

_MOST_KNOWN = 100_000
"""Problems that are known again: far more than a report lists."""


class Complaints:
    """Reports problems, each once; what is found before anybody listens is not lost."""

    def __init__(self) -> None:
        self._early: list[Problem] = []
        self._told: set[Problem] = set()
        self._report: Callable[[Problem], None] = self._early.append

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self._report = report
        for problem in self._early:
            report(problem)

    @property
    def is_any(self) -> bool:
        """Whether there was a problem."""
        return bool(self._told)

    def add(self, where: str, why: str, is_loss: bool = True) -> None:
        """Report a problem, unless it was found by an earlier look."""
        problem = Problem(where, why, is_loss)
        if problem not in self._told:
            # Of a source in which more is broken some is told again, rather than all be kept.
            if len(self._told) < _MOST_KNOWN:
                self._told.add(problem)
            self._report(problem)


class KnownRuns(Generic[K]):
    """Keeps what was learnt of the runs that were looked at last.

    Args:
        learn: Reads a run, and returns what there is to know of it.
    """

    def __init__(self, learn: Callable[[str], K]) -> None:
        self._learn = learn
        self._known: OrderedDict[str, K] = OrderedDict()

    def __call__(self, run_id: str) -> K:
        """Return what is known of a run, which is read if it was not yet, or is forgotten."""
        known = self._known.get(run_id)
        if known is None:
            known = self._known[run_id] = self._learn(run_id)
            if len(self._known) > _RUNS_KNOWN:
                self._known.popitem(last=False)
        return known
