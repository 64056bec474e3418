"""Datasets for evaluation, and their records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lakeflow.entities._base import Entity
from lakeflow.exceptions import InvalidInputError, InvalidStateError, LakeflowException

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas

    from lakeflow.entities.paging import PagedList


class DatasetRecordSourceType:
    """Where a record comes from."""

    UNSPECIFIED = "UNSPECIFIED"
    TRACE = "TRACE"
    HUMAN = "HUMAN"
    DOCUMENT = "DOCUMENT"
    CODE = "CODE"

    ALL = (UNSPECIFIED, TRACE, HUMAN, DOCUMENT, CODE)


@dataclass(frozen=True, slots=True, repr=False)
class DatasetRecordSource(Entity):
    """Where a record comes from.

    Attributes:
        source_type: One of ``DatasetRecordSourceType``, in any case.
        source_data: More about it, such as ``trace_id``.

    Raises:
        InvalidInputError: There is no such type.
    """

    source_type: str
    source_data: dict[str, Any] | None = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = str(self.source_type).upper()
        if known not in DatasetRecordSourceType.ALL:
            raise InvalidInputError(
                f"Invalid dataset record source type: {known}. "
                f"Valid source types: {list(DatasetRecordSourceType.ALL)}"
            )
        object.__setattr__(self, "source_type", known)
        if self.source_data is None:
            object.__setattr__(self, "source_data", {})

    @classmethod
    def of(cls, given: Any) -> DatasetRecordSource | None:
        """Return a source as such: given as one, or as a dictionary of its fields.

        Raises:
            InvalidInputError: It is something else.
        """
        if not given:
            return None
        if isinstance(given, dict) and not given.keys() - {"source_type", "source_data"}:
            return cls(**{"source_type": DatasetRecordSourceType.UNSPECIFIED, **given})
        if not hasattr(given, "source_type"):
            raise InvalidInputError(f"source is {given!r}, not a source of a record")
        # The source may be MLflow's own, whose type is an Enum.
        kind = getattr(given.source_type, "value", given.source_type)
        return cls(kind, given.source_data)

    @property
    def source_id(self) -> str | None:
        """Id of the trace, or of what else it is."""
        is_trace = self.source_type == DatasetRecordSourceType.TRACE
        found = (self.source_data or {}).get("trace_id" if is_trace else "source_id")
        return None if found is None else str(found)


@dataclass(frozen=True, slots=True, repr=False)
class DatasetRecord(Entity):
    """What is asked, and what should come out.

    Attributes:
        dataset_record_id: Its id: two records of a dataset with equal inputs are one.
        dataset_id: Its dataset.
        inputs: What identifies it.
        outputs: What came out: any value of JSON.
        expectations: What should come out, by name.
        tags: Texts by name.
        source: Where it comes from.
        source_type: The type of that.
        source_id: Id of the trace, or of what else it comes from.
        created_time: Milliseconds since the Unix epoch, UTC.
        last_update_time: Milliseconds since the Unix epoch, UTC.
        created_by: Who merged it in first.
        last_updated_by: Who merged into it last.
    """

    dataset_record_id: str
    dataset_id: str
    inputs: dict[str, Any]
    outputs: Any
    expectations: dict[str, Any] | None
    tags: dict[str, Any]
    source: DatasetRecordSource | None
    source_type: str | None
    source_id: str | None
    created_time: int
    last_update_time: int
    created_by: str | None
    last_updated_by: str | None


class KeepsRecords(Protocol):
    """What a dataset asks for its records and its experiments: a client."""

    def load_dataset_records(
        self, dataset_id: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[DatasetRecord]:
        """Return records."""

    def merge_dataset_records(self, dataset_id: str, records: Any) -> dict[str, int]:
        """Merge records into those that are there."""

    def delete_dataset_records(self, dataset_id: str, record_ids: Sequence[str]) -> int:
        """Delete records."""


# In the order in which MLflow has them.
_COLUMNS = (
    "inputs", "outputs", "expectations", "tags", "source_type", "source_id", "source",
    "created_time", "dataset_record_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class EvaluationDataset(Entity):
    """A dataset for evaluation, as it was when it was read; records are read when asked for.

    Attributes:
        dataset_id: Its id.
        name: Its name; another dataset may have the same.
        digest: Changes whenever records are merged in.
        created_time: Milliseconds since the Unix epoch, UTC.
        last_update_time: Milliseconds since the Unix epoch, UTC.
        tags: Texts by name.
        schema: Fields of the records and their types, a JSON object; None without records.
        profile: A JSON object with ``num_records``; None without records.
        created_by: Who made it.
        last_updated_by: Who merged records into it last.
        experiment_ids: The experiments that it is linked to, in order.
    """

    dataset_id: str
    name: str
    digest: str
    created_time: int
    last_update_time: int
    tags: Mapping[str, str]
    schema: str | None
    profile: str | None
    created_by: str | None
    last_updated_by: str | None
    experiment_ids: Sequence[str]
    # No part of what it is: read by two clients, it is the same dataset.
    keeper: KeepsRecords | None = field(default=None, compare=False)

    _ours: ClassVar = ("keeper",)

    def _kept(self) -> KeepsRecords:
        if self.keeper is None:
            raise InvalidStateError(
                f"the dataset {self.dataset_id!r} was made by hand, and has no client",
                hint="lakeflow.get_dataset returns it with one",
            )
        return self.keeper

    @property
    def records(self) -> list[DatasetRecord]:
        """All of its records as they are now, the one that was merged in first first.

        Cost: one query for each look; keep the list.
        """
        return list(self._kept().load_dataset_records(self.dataset_id))

    def merge_records(self, records: Any) -> EvaluationDataset:
        """Merge records into those that are there; see ``merge_dataset_records``.

        Args:
            records: A list of dictionaries, a frame of pandas or polars with a column for each
                of their keys, a list of traces, or a frame of ``search_traces``.

        Returns:
            The dataset itself.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, it is not there any more.
            InvalidInputError: INVALID_PARAMETER_VALUE, as for ``merge_dataset_records``.

        Examples:
            >>> import lakeflow
            >>> lakeflow.set_tracking_uri("memory://doc-merge-records")
            >>> dataset = lakeflow.create_dataset("questions")
            >>> asked = {"inputs": {"question": "2 + 2?"}, "expectations": {"answer": 4}}
            >>> dataset = dataset.merge_records([asked])
            >>> [(each.inputs, each.expectations) for each in dataset.records]
            [({'question': '2 + 2?'}, {'answer': 4})]
        """
        self._kept().merge_dataset_records(self.dataset_id, records)
        return self

    def delete_records(self, record_ids: Sequence[str]) -> int:
        """Delete some of its records; return how many of them there were.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, the dataset is not there any more.
        """
        return self._kept().delete_dataset_records(self.dataset_id, record_ids)

    def to_df(self) -> pandas.DataFrame:
        """Return its records as a frame of pandas, a column for each of their fields.

        Raises:
            LakeflowException: FEATURE_DISABLED, pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise LakeflowException(
                "this needs pandas", "FEATURE_DISABLED", hint="pip install 'lakeflow[pandas]'"
            ) from error
        rows = [[getattr(each, name) for name in _COLUMNS] for each in self.records]
        # Texts that are missing stay None, whatever else is in the column.
        return pandas.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
