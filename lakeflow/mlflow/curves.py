"""Points of one metric of several runs, each once, in MLflow's orders and samples. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow


class Order(Enum):
    """By what the points of a run are sorted before their values."""

    TIME = ("timestamp", "step")
    STEP = ("step", "timestamp")


@dataclass(frozen=True, slots=True)
class Curves:
    """Points by run and in an order; columns of one length.

    Attributes:
        columns: ``run``, the place of the run in a list, ``step``, ``timestamp``, ``value``.
    """

    columns: dict[str, Any]

    @classmethod
    def of(cls, points: pyarrow.Table, order: Order) -> Curves:
        """Return points in an order; of those that are equal in all that MLflow keeps one.

        Args:
            points: The columns, in any order.
            order: How to sort them.
        """
        columns = {name: points.column(name).to_numpy() for name in points.column_names}
        # To MLflow's databases NaN is a zero with a mark.
        is_nan = np.isnan(columns["value"])
        number = np.where(is_nan, 0.0, columns["value"])
        keys = [columns["run"], *(columns[name] for name in order.value), number, is_nan]
        # A curve is most often stored in this order, and looking is cheaper than sorting.
        if not _is_sorted(keys):
            places = np.lexsort(keys[::-1])
            keys = [each[places] for each in keys]
            columns = {name: each[places] for name, each in columns.items()}
        is_new = np.ones(len(number), bool)
        is_new[1:] = np.any([each[1:] != each[:-1] for each in keys], axis=0)
        return cls(columns)._only(is_new)

    def __len__(self) -> int:
        return len(self.columns["run"])

    def _only(self, is_kept: Any) -> Curves:
        return Curves({name: each[is_kept] for name, each in self.columns.items()})

    def at(self, steps: Sequence[int]) -> Curves:
        """Return the points of some steps."""
        return self._only(np.isin(self.columns["step"], np.array(steps, np.int64)))

    def sampled(self, most: int) -> Curves:
        """Return at most so many points of each run: the first of each bucket, and the last.

        The buckets are those of SQL's ``NTILE``: the first ones have a point more where the
        number of points cannot be divided. Where there are as many of them as points are
        wanted, the last point of the run takes the place of the last bucket's first.
        """
        run = self.columns["run"]
        _, first, sizes = np.unique(run, return_index=True, return_counts=True)
        size = np.repeat(sizes, sizes)
        place = np.arange(len(run)) - np.repeat(first, sizes)
        share, larger = np.divmod(size, most)
        # Points in the buckets that have one more, where each is one of ``share + 1``.
        longer = larger * (share + 1)
        is_longer = place < longer
        at = np.where(is_longer, place, place - longer)
        # Where a run has fewer points than buckets the share is 0, by which nothing is divided:
        # no point is in such a bucket.
        is_first = at % np.maximum(np.where(is_longer, share + 1, share), 1) == 0
        is_before_last_bucket = (size <= most) | (place < size - share)
        return self._only((is_first & is_before_last_bucket) | (place == size - 1))

    def points(self, first: int, last: int) -> Iterator[tuple[int, float, int, int]]:
        """Yield points from a place to before another: run, value, timestamp and step."""
        names = ("run", "value", "timestamp", "step")
        return zip(*(self.columns[each][first:last].tolist() for each in names), strict=True)


def _is_sorted(keys: Sequence[Any]) -> bool:
    """Return whether rows ascend by their columns, the first one first."""
    is_decided = np.zeros(max(len(keys[0]) - 1, 0), bool)
    for each in keys:
        before, after = each[:-1], each[1:]
        if bool(np.any((before > after) & ~is_decided)):
            return False
        # Rows that one column has put in order may be in any by those behind it.
        is_decided |= before < after
    return True
