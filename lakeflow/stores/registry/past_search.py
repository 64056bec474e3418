"""Searches of the registry as it was: what its history says, as the tables of then."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from lakeflow.kinds import version_id
from lakeflow.query.engine.candidates import required
from lakeflow.query.engine.connection import arrow_table
from lakeflow.query.engine.statement import Statement
from lakeflow.query.language.filters import parse_filter
from lakeflow.schema import (
    MODEL_VERSION_TAGS,
    MODEL_VERSIONS,
    REGISTERED_MODEL_ALIASES,
    REGISTERED_MODEL_TAGS,
    REGISTERED_MODELS,
)
from lakeflow.stores.snapshots import SnapshotId

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow

    from lakeflow.entities.model_registry import ModelVersion, RegisteredModel
    from lakeflow.kinds import Kind
    from lakeflow.query.engine.candidates import Candidates
    from lakeflow.schema import TableSpec
    from lakeflow.stores.registry.history import RegistryHistory
    from lakeflow.stores.registry.replay import Past
    from lakeflow.stores.search import Page

Row = dict[str, Any]

_MODELS_AT_ONCE = 1_000


class PastRegistry:
    """The registry as it was, for one search.

    Its snapshots have the moment, in milliseconds, as their fold, and the last event of then as
    their clock: where the moment is now, later events come after it and change no page.

    Args:
        history: What tells of it.
        kind: What is searched.
        filter_string: The filter. Models that it rules out by name are not looked at.
    """

    def __init__(self, history: RegistryHistory, kind: Kind, filter_string: str | None) -> None:
        self._history = history
        self._names = _required_names(filter_string, kind)

    def as_of(self, as_of: int | datetime.datetime | None) -> SnapshotId:
        """Return what is gone back to; see ``Reader.as_of``."""
        # For a search of now ``RegistryHistory.searched`` makes none of this.
        assert as_of is not None
        return SnapshotId(*self._history.moment(as_of))

    def search(
        self,
        statement: Statement,
        experiment_ids: Sequence[str],
        snapshot_id: SnapshotId | None = None,
        candidates: Candidates | None = None,
    ) -> tuple[list[tuple[Any, ...]], SnapshotId]:
        """Return the rows of a search, and the snapshot they are of; see ``Reader.search``."""
        assert snapshot_id is not None
        pasts = self._history.pasts(*snapshot_id, names=self._names)
        tables = _tables(pasts, [each for each in _ROWS if each.name in statement.tables])
        # It names no tables of the lake: those that it reads are given beside it.
        asked = Statement(
            statement.sql, statement.values | statement.related, (), relation=statement.relation
        )
        (found,) = self._history.reader.tables([asked], experiment_ids, None, **tables)
        # By column: two of them may have one name.
        values = (column.to_pylist() for column in found.columns)
        return list(zip(*values, strict=True)), snapshot_id

    def models(self, page: Page) -> list[RegisteredModel]:
        """Return the models on a page, as they were."""
        pasts = self._pasts(page, page.ids)
        return [pasts[identity].model() for identity in page.ids]

    def versions(self, page: Page) -> list[ModelVersion]:
        """Return the versions on a page, as they were."""
        ids = [identity.partition(".") for identity in page.ids]
        pasts = self._pasts(page, [model_id for model_id, _, _ in ids])
        return [pasts[model_id].version(int(number)) for model_id, _, number in ids]

    def _pasts(self, page: Page, ids: Iterable[str]) -> dict[str, Past]:
        wanted = list(dict.fromkeys(ids))
        if page.snapshot_id is None or not wanted:
            return {}
        return dict(self._history.pasts(*page.snapshot_id, ids=wanted))


def _required_names(filter_string: str | None, kind: Kind) -> tuple[str, ...] | None:
    """Return names of which a model has one if a filter lets it through; None for any."""
    for each in required(parse_filter(filter_string, kind)):
        named = each.field.table, each.field.column
        if named == (REGISTERED_MODELS.name, "name") and each.operator in {"=", "IN"}:
            return tuple(map(str, each.values))
    return None


def _tables(
    pasts: Iterator[tuple[str, Past]], wanted: Sequence[TableSpec]
) -> dict[str, pyarrow.Table]:
    """Return some of the tables that the registry had, by name."""
    from pyarrow import concat_tables

    parts = [(spec, [arrow_table(spec, [])]) for spec in wanted]
    # A model is far larger as objects than as rows of Arrow.
    while some := list(islice(pasts, _MODELS_AT_ONCE)):
        for spec, tables in parts:
            rows = [
                # What no search asks for is not told, and null.
                tuple(row.get(name) for name in spec.column_names)
                for identity, model in some
                for row in _ROWS[spec](identity, model)
            ]
            tables.append(arrow_table(spec, rows))
    return {spec.name: concat_tables(tables) for spec, tables in parts}


def _models(model_id: str, model: Past) -> Iterator[Row]:
    yield {"model_id": model_id, **model.fields}


def _model_tags(model_id: str, model: Past) -> Iterator[Row]:
    for key, value in model.tags.items():
        yield {"model_id": model_id, "key": key, "value": value}


def _aliases(model_id: str, model: Past) -> Iterator[Row]:
    for alias, version in model.aliases.items():
        yield {"model_id": model_id, "alias": alias, "version": version}


def _versions(model_id: str, model: Past) -> Iterator[Row]:
    for number, version in model.versions.items():
        ids = {"model_id": model_id, "version_id": version_id(model_id, number)}
        yield {**ids, "version": number, **version.fields}


def _version_tags(model_id: str, model: Past) -> Iterator[Row]:
    for number, version in model.versions.items():
        ids = {"model_id": model_id, "version_id": version_id(model_id, number)}
        for key, value in version.tags.items():
            yield {**ids, "key": key, "value": value}


_ROWS: dict[TableSpec, Callable[[str, Past], Iterator[Row]]] = {
    REGISTERED_MODELS: _models,
    REGISTERED_MODEL_TAGS: _model_tags,
    REGISTERED_MODEL_ALIASES: _aliases,
    MODEL_VERSIONS: _versions,
    MODEL_VERSION_TAGS: _version_tags,
}
"""The rows that a model has in each table which searches read."""
