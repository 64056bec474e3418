"""Datasets that ask a client for their records."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from lakeflow.entities.paging import PagedList
from lakeflow.values import replace

if TYPE_CHECKING:
    from lakeflow.entities.evaluation_dataset import EvaluationDataset, KeepsRecords


@overload
def kept_by(keeper: KeepsRecords, found: EvaluationDataset) -> EvaluationDataset: ...


@overload
def kept_by(
    keeper: KeepsRecords, found: PagedList[EvaluationDataset]
) -> PagedList[EvaluationDataset]: ...


def kept_by(
    keeper: KeepsRecords, found: EvaluationDataset | PagedList[EvaluationDataset]
) -> EvaluationDataset | PagedList[EvaluationDataset]:
    """Return a dataset, or a page of them, with a client that they ask for their records."""
    if isinstance(found, PagedList):
        return PagedList([kept_by(keeper, each) for each in found], found.token)
    return replace(found, keeper=keeper)
