"""A search becomes one statement of DuckDB over named tables. Pure.

Every key, value and id is bound; the text is made of constants, column names of ours and
numbers of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeflow.query.conditions import (
    Combination,
    Comparison,
    Condition,
    Field,
    Not,
    Ordering,
)
from lakeflow.tables import LATEST_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.query.fields import Catalogue

_CONTEXT = """json_extract_string(tags, '$."mlflow.data.context"')"""

_EXPANDED = 1_000


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched.

    Attributes:
        catalogue: The kind of thing.
        condition: Which of them; None for all.
        order: How they are sorted, before the order of the catalogue.
        stages: Lifecycle stages.
        experiment_ids: Their experiments; empty for all.
        epoch: Number of the fold that is searched; None for now.
        root: Location of the lake; stored locations within it are relative.
    """

    catalogue: Catalogue
    condition: Condition | None = None
    order: tuple[Ordering, ...] = ()
    stages: tuple[str, ...] = ("active",)
    experiment_ids: tuple[str, ...] = ()
    epoch: int | None = None
    root: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with what is bound to its parameters.

    Attributes:
        sql: The text.
        values: Value by name of the parameter.
        tables: Tables that it reads.
        keys: Number of columns after the id that hold the sort position.
        patterns: Regular expressions of the user's among the values.
        named: The keys that are read of a table; any, where the table is not there.
    """

    sql: str
    values: dict[str, Any]
    tables: tuple[str, ...]
    keys: int = 0
    patterns: tuple[str, ...] = ()
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)


def compile_search(search: Search, limit: int, after: Sequence[Any] = ()) -> Statement:
    """Return the statement whose rows are ids with their sort positions, in order.

    Args:
        search: What is searched.
        limit: Most rows.
        after: Sort position, the id at its end, after which the rows begin.
    """
    return _Compiler(search).statement(limit, after)


@dataclass(slots=True)
class _Compiler:
    search: Search
    values: dict[str, Any] = field(default_factory=dict)
    joins: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    patterns: list[str] = field(default_factory=list)

    def statement(self, limit: int, after: Sequence[Any]) -> Statement:
        search = self.search
        table, identity = search.catalogue.table.name, search.catalogue.table.key[0]
        self.tables.add(table)
        conditions = [self._among("t.lifecycle_stage", search.stages)]
        if search.experiment_ids:
            conditions.append(self._among("t.experiment_id", search.experiment_ids))
        if search.condition is not None:
            conditions.append(self._condition(search.condition))
        keys = self._keys()
        if after:
            conditions.append(self._after(keys, after))
        columns = "".join(f",\n    {expression}" for expression, _ in keys)
        joins = "".join(f"\n{join}" for _, join in self.joins.values())
        order = ", ".join(
            f"{number} {'DESC' if descends else 'ASC'}"
            for number, (_, descends) in enumerate(keys, 2)
        )
        where = "\n    AND ".join(conditions)
        sql = (
            f"SELECT t.{identity}{columns}\nFROM {table} AS t{joins}\n"
            f"WHERE {where}\nORDER BY {order}\nLIMIT {self._bind(limit)}"
        )
        named: dict[str, list[str]] = {}
        for table_of_keys, key in self.joins:
            named.setdefault(table_of_keys, []).append(key)
        tables = tuple(sorted(self.tables))
        return Statement(sql, self.values, tables, len(keys), tuple(self.patterns), named)

    def _bind(self, value: object) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def _among(self, expression: str, values: Sequence[object]) -> str:
        if len(values) == 1:
            return f"{expression} = {self._bind(values[0])}"
        if len(values) > _EXPANDED:
            return f"list_contains({self._bind(list(values))}, {expression})"
        return f"{expression} IN ({', '.join(map(self._bind, values))})"

    def _condition(self, condition: Condition) -> str:
        if isinstance(condition, Not):
            return f"NOT ({self._condition(condition.part)})"
        if isinstance(condition, Combination):
            parts = (self._condition(part) for part in condition.parts)
            return f"({f' {condition.operator} '.join(parts)})"
        if condition.field.table == "inputs":
            return self._of_datasets(condition)
        return self._compared(self._column(condition.field), condition)

    def _of_datasets(self, condition: Comparison) -> str:
        """Any of a run's datasets; each condition may hold for another one."""
        self.tables.add("inputs")
        column = {"context": _CONTEXT}.get(condition.field.column, condition.field.column)
        if condition.operator == "IS NULL":
            return f"t.run_id NOT IN (SELECT run_id FROM inputs WHERE {column} IS NOT NULL)"  # noqa: S608
        return (
            "t.run_id IN (SELECT run_id FROM inputs "  # noqa: S608
            f"WHERE {self._compared(column, condition)}{self._within()})"
        )

    def _within(self) -> str:
        """Narrow a table of keys down to the experiments, so that its files are pruned."""
        ids = self.search.experiment_ids
        if self.search.catalogue.table.name != "runs" or not 0 < len(ids) <= _EXPANDED:
            return ""
        return f" AND {self._among('experiment_id', ids)}"

    def _column(self, named: Field) -> str:
        """Return the expression of a field, joining the table of its key."""
        if named.column == "artifact_uri":
            return self._resolved(f"t.{named.column}")
        if named.key is None:
            return f"t.{named.column}"
        self.tables.add(named.table)
        place = (named.table, named.key)
        if place not in self.joins:
            alias = f"k{len(self.joins)}"
            identity = self.search.catalogue.table.key[0]
            columns = '"value"'
            if named.table == LATEST_METRICS.name:
                columns = '"value", "min", "max", "count"'
            self.joins[place] = (
                alias,
                f"LEFT JOIN (SELECT {identity}, {columns} FROM {named.table} "  # noqa: S608
                f'WHERE "key" = {self._bind(named.key)}{self._within()}) AS {alias} '
                f"ON {alias}.{identity} = t.{identity}",
            )
        return f'{self.joins[place][0]}."{named.column}"'

    def _resolved(self, column: str) -> str:
        """Return a location as users see it; see ``Filesystem.resolve``."""
        is_absolute = (
            f"starts_with({column}, '/') OR contains(split_part({column}, '/', 1), ':')"
        )
        within = f"{self._bind(self.search.root + '/')} || {column}"
        return f"CASE WHEN {is_absolute} THEN {column} ELSE {within} END"

    def _compared(self, column: str, condition: Comparison) -> str:
        operator, values = condition.operator, condition.values
        if operator == "IS NULL":
            return f"{column} IS NULL"
        if not condition.field.is_number and not isinstance(values[0], str):
            column = f"TRY_CAST({column} AS DOUBLE)"
        if operator == "IN":
            return self._among(column, values)
        if operator == "RLIKE":
            self.patterns.append(str(values[0]))
            return f"regexp_matches({column}, {self._bind(values[0])})"
        if operator == "BETWEEN":
            low, high = map(self._bind, values)
            compared = f"{column} BETWEEN {low} AND {high}"
        else:
            compared = f"{column} {operator} {self._bind(values[0])}"
        # DuckDB holds NaN for the largest number; min and max leave it out.
        may_be_nan = condition.field.key is not None and condition.field.column == "value"
        if may_be_nan and operator in {">", ">=", "BETWEEN"}:
            return f"({compared} AND NOT isnan({column}))"
        return compared

    def _keys(self) -> list[tuple[str, bool]]:
        """Return the sort position as expressions without nulls, and which descend."""
        keys: list[tuple[str, bool]] = []
        for line in self.search.order:
            column = self._column(line.field)
            keys += _with_missing_last(column, line)
        catalogue = self.search.catalogue
        ties = catalogue.order if self.search.order else catalogue.first or catalogue.order
        for name, descends in ties:
            if name == "experiment_id":  # numbers, as text
                keys.append((f"length(t.{name})", descends))
            keys.append((f"t.{name}", descends))
        return keys

    def _after(self, keys: Sequence[tuple[str, bool]], position: Sequence[Any]) -> str:
        """Return that a row comes after a position: by the first key that differs."""
        bound = [self._bind(value) for value in position]
        cases = []
        for number, (expression, descends) in enumerate(keys):
            equal = [f"{keys[n][0]} = {bound[n]}" for n in range(number)]
            further = f"{expression} {'<' if descends else '>'} {bound[number]}"
            cases.append(" AND ".join([*equal, further]))
        return f"({' OR '.join(f'({case})' for case in cases)})"


def _with_missing_last(column: str, line: Ordering) -> list[tuple[str, bool]]:
    """Return a rank (numbers, then NaN, then what is missing) and the value."""
    field = line.field
    if not field.is_number or field.table != LATEST_METRICS.name or field.column == "count":
        least = "0" if field.is_number else "''"
        return [
            (f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END", False),
            (f"coalesce({column}, {least})", line.descends),
        ]
    return [
        (
            f"CASE WHEN {column} IS NULL THEN 2 WHEN isnan({column}) THEN 1 ELSE 0 END",
            False,
        ),
        (f"CASE WHEN isnan({column}) THEN 0 ELSE coalesce({column}, 0) END", line.descends),
    ]
