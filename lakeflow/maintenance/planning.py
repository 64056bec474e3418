"""Which fold comes next: one that was left unfinished, else one that is claimed now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lakeflow import parsed_records
from lakeflow.exceptions import DamagedLakeError
from lakeflow.log.fold_boundary import FoldBoundaryFinder
from lakeflow.log.positions import (
    beyond_its_end,
    folded_spans,
    hot_spans,
    list_segments,
    writer_of,
)
from lakeflow.maintenance.recovery import restore_tables, standing_fold, whole_fold
from lakeflow.tables import checked, folds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.lake import Lake
    from lakeflow.tables.folds import Fold, FoldPlan

_LISTINGS = 3
"""Looks at the log until a segment that a fold needs counts as gone."""


@dataclass(frozen=True, slots=True)
class NextFold:
    """A fold to carry out.

    Attributes:
        base: The finished fold that it stands on.
        plan: Up to where it folds the log.
        spans: From where to where it reads each segment.
    """

    base: Fold
    plan: FoldPlan
    spans: Mapping[str, tuple[int, int]]


class FoldPlanner:
    """Finds or claims one fold after another.

    Args:
        lake: The lake.

    Attributes:
        listed: The size of each segment by the newest listing of the log.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self.listed: Mapping[str, int] = list_segments(lake.fs)

    def next(self) -> NextFold | None:
        """Return the fold to carry out; None if there is nothing to fold.

        Raises:
            DamagedLakeError: There is no fold to stand on.
        """
        while True:
            done, begun, written_s = folds.newest(self._lake.fs)
            self._lake.clock.observe_store(written_s)
            if begun > done:
                left = self._left_unfinished(begun)
                if left is not None:
                    return left
                if folds.newest(self._lake.fs).done >= begun:
                    continue  # somebody else has just finished it
            base = standing_fold(self._lake, done)
            # All look at the newest number. Where that fold is lost, or its plan can be carried
            # out by nobody, a later one puts it behind them, be it of nothing.
            plan = self._plan(base, max(done, begun) + 1, must=base.number < max(done, begun))
            if plan is None:
                return None
            spans = self._spans(base, plan)
            if spans is None:
                continue  # folded and deleted by somebody else since it was listed
            # What a plan names is on the disk before it, or a power cut could leave a plan that
            # nobody can carry out.
            self._lake.fs.sync(*spans)
            restore_tables(self._lake, base)
            try:
                folds.begin(self._lake.fs, plan)
            except FileExistsError:
                # Somebody else has claimed the number. Only one of the two plans may be
                # carried out, so the next turn reads theirs and helps to finish it.
                continue
            return NextFold(base, plan, spans)

    def _left_unfinished(self, number: int) -> NextFold | None:
        """Return a fold that was begun; None if it cannot be carried out any more."""
        try:
            plan = folds.read_plan(self._lake.fs, number)
            base = whole_fold(self._lake, folds.read_fold(self._lake.fs, plan.base))
        # A plan that cannot be read, after a power cut say, can be carried out by nobody.
        except (FileNotFoundError, DamagedLakeError):
            return None
        if base is None:
            return None
        # The plan may name segments that are newer than our listing. We list again, or we would
        # take them for deleted.
        self.listed = list_segments(self._lake.fs)
        spans = self._spans(base, plan)
        if spans is None or beyond_its_end(self.listed, plan.positions) is not None:
            return None
        restore_tables(self._lake, base, plan.mark)
        return NextFold(base, plan, spans)

    def _spans(self, base: Fold, plan: FoldPlan) -> Mapping[str, tuple[int, int]] | None:
        """Return what a fold reads of each segment; None if a segment is gone."""
        for _ in range(_LISTINGS):
            try:
                return folded_spans(self.listed, base.positions, plan.positions)
            except FileNotFoundError:
                # The listing is incomplete, or the segment is deleted.
                self.listed = list_segments(self._lake.fs)
        return None

    def _plan(self, base: Fold, number: int, *, must: bool) -> FoldPlan | None:
        """Choose up to where to fold; None if there is nothing to fold, and no must."""
        lake = self._lake
        # We list again before the finder reads the log, which may take long. The older
        # listing says what may be folded, and the newer one which records that one has
        # missed: the fold ends before the first of them.
        sizes, self.listed = self.listed, list_segments(lake.fs)
        checked.require_log(lake.fs, base, self.listed)
        later = hot_spans(self.listed, base.positions)
        finder = FoldBoundaryFinder(lake.fs, hot_spans(sizes, base.positions))
        latest_clock = lake.clock.latest()
        clock_of = partial(parsed_records.clock, latest=latest_clock)
        missed_clock = finder.first_missed_clock(later, clock_of)
        boundary = finder.find(lake.settings.fold_bytes, clock_of, missed_clock, number)
        # Another tool may have rewritten files of a table. Then even a fold of nothing
        # tells readers the new files, before that tool deletes the old ones.
        # Only then: each table asked is a request where the lake is remote.
        if not (must or boundary.size_bytes) and not any(
            lake.tables[name].has_newer(version)
            for name, version in base.versions.items()
            # A later version may have more of them.
            if name in lake.tables
        ):
            return None
        kept = folds.kept_positions(base, map(writer_of, sizes))
        return folds.FoldPlan(
            folds.new_mark(number),
            base.number,
            {**kept, **boundary.positions},
            latest_clock,
        )
