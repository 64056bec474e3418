"""What a source holds of evaluation, in the terms of a lake; see ``items``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class EvaluationDatasetItem:
    """A dataset for evaluation, without its records.

    Attributes:
        dataset_id: Its id, which it keeps.
        name: Its name.
        created_time: When it was made.
        last_update_time: When it was changed last.
        created_by: Who made it.
        last_updated_by: Who merged records into it last.
        digest: Of its records.
        tags: Its tags.
        experiments: When it was linked to experiments, by their keys.
    """

    dataset_id: str
    name: str
    created_time: int
    last_update_time: int
    created_by: str | None = None
    last_updated_by: str | None = None
    digest: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    experiments: Mapping[str, int] = field(default_factory=dict)


class DatasetRecordItem(NamedTuple):
    """A record of a dataset for evaluation.

    Attributes:
        given: What is known of it, as ``merge_dataset_records`` takes it.
        created_time: When it was made.
        last_update_time: When something was merged into it last.
        created_by: Who made it.
        last_updated_by: Who merged into it last.
    """

    given: dict[str, Any]
    created_time: int
    last_update_time: int
    created_by: str | None
    last_updated_by: str | None


class ScorerVersionItem(NamedTuple):
    """A version of a scorer.

    Attributes:
        experiment: Key of its experiment.
        name: Name of the scorer.
        version: Its number.
        serialized: The scorer as JSON.
        creation_time: When it was made.
    """

    experiment: str
    name: str
    version: int
    serialized: str
    creation_time: int


@runtime_checkable
class EvaluationSource(Protocol):
    """A source that holds datasets and scorers too: read as ``Source`` is."""

    def evaluation_datasets(
        self, experiments: Container[str] | None
    ) -> Iterator[EvaluationDatasetItem]:
        """Yield the datasets for evaluation.

        Args:
            experiments: Keys of the experiments whose datasets are wanted; those of others may
                come too. None for all.
        """

    def dataset_records(
        self, dataset: EvaluationDatasetItem
    ) -> Iterator[Sequence[DatasetRecordItem]]:
        """Yield the records of a dataset, some hundreds at once, in the order of their time."""

    def scorer_versions(self, experiments: Container[str]) -> Iterator[ScorerVersionItem]:
        """Yield the versions of scorers in the order of their numbers.

        Args:
            experiments: Keys of the experiments that the scorers are of.
        """
