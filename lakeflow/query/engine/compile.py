"""A search becomes one statement of DuckDB over named tables. Pure.

Every key, value and id is bound; the text is made of constants, column names of ours and
numbers of parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from lakeflow.query.engine.comparisons import (
    MOST_BOUND_ONE_BY_ONE,
    among,
    binding,
    comes_after,
    compared,
    of_json,
    one_met,
    resolved,
    with_missing_last,
)
from lakeflow.query.engine.statement import Statement
from lakeflow.query.language.conditions import (
    Combination,
    Comparison,
    Condition,
    Field,
    Not,
)
from lakeflow.query.language.filters import field_of
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.kinds.catalogue import Rows
    from lakeflow.query.engine.comparisons import Bind
    from lakeflow.query.engine.search import Search

_EQUAL = {"=", "IN"}

_WORD = re.compile(r"[a-z_]+")

STAGE = "lifecycle_stage"
"""Column of things that can be deleted and restored."""


def compile_search(search: Search, limit: int, after: Sequence[Any] = ()) -> Statement:
    """Return the statement whose rows are ids with their sort positions, in order.

    Args:
        search: What is searched.
        limit: Most rows.
        after: Sort position, the id at its end, after which the rows begin.
    """
    return _Compiler(search).statement(limit, after)


def compile_bounds(search: Search) -> Statement | None:
    """Return the statement that asks where the rows are of the things that may be found.

    Its only row has the least and the largest number by which their files are told apart, as
    far as conditions tell that are not about these rows themselves. None where none is about
    them, or nothing else tells.
    """
    return _Compiler(search).bounds()


def compile_count(search: Search) -> Statement:
    """Return the statement whose only row is how many things a search finds."""
    return _Compiler(search).count()


@dataclass(slots=True)
class _Compiler:
    search: Search
    values: dict[str, Any] = field(default_factory=dict)
    related: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    joins: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    patterns: list[str] = field(default_factory=list)
    joined_owner: str = ""
    lasts: dict[Field, str] = field(default_factory=dict)
    owned: str = ""
    present: dict[str, str] = field(default_factory=dict)
    key_columns: dict[str, str] = field(default_factory=dict)
    ranges: dict[str, Any] = field(default_factory=dict)

    def statement(self, limit: int, after: Sequence[Any]) -> Statement:
        search = self.search
        columns = [self._attribute(search.kind.id)]
        conditions = self._conditions()
        keys = self._keys()
        if after:
            conditions.append(comes_after(keys, after, self._bind))
        columns += [expression for expression, _ in keys]
        # The sort position follows the id, so its columns are numbered from 2.
        order = ", ".join(
            f"{number} {'DESC' if descends else 'ASC'}"
            for number, (_, descends) in enumerate(keys, 2)
        )
        listed = ",\n    ".join(columns)
        sql = (
            f"SELECT {listed}\n{self._from(conditions)}\n"
            f"ORDER BY {order}\nLIMIT {self._bind(limit)}"
        )
        return self._statement(sql, len(keys))

    def count(self) -> Statement:
        self._attribute(self.search.kind.id)
        return self._statement(f"SELECT count(*)\n{self._from(self._conditions())}")

    def bounds(self) -> Statement | None:
        derived, condition = self.search.kind.derived, self.search.condition
        if derived is None or not isinstance(condition, Combination):
            return None
        others = [each for each in condition.parts if not _is_of(each, derived.table.name)]
        if condition.operator != "AND" or not 0 < len(others) < len(condition.parts):
            return None
        first, last = map(self._attribute, derived.bounds)
        asked = self._from(list(map(self._condition, others)))
        return self._statement(f"SELECT min({first}), max({last})\n{asked}")

    def _from(self, conditions: Sequence[str]) -> str:
        # Last: each expression that was made before may have added a join.
        where = "\n    AND ".join(conditions) or "true"
        joined = "".join((self.owned, self.joined_owner, *self.lasts.values()))
        return f"FROM searched AS t{joined}\nWHERE {where}"

    def _statement(self, sql: str, keys: int = 0) -> Statement:
        search = self.search
        named: dict[str, list[str]] = {}
        for table_of_keys, key in self.joins:
            named.setdefault(table_of_keys, []).append(key)
        joined = {search.kind.row.name, *named}
        return Statement(
            sql=sql,
            values=self.values,
            tables=tuple(sorted(joined | self.others)),
            joined=tuple(sorted(joined)),
            relation=self._relation(),
            related=self.related,
            keys=keys,
            patterns=tuple(self.patterns),
            named={name: (self.key_columns[name], keys) for name, keys in named.items()},
            present=self.present,
            within=self.ranges,
            searched=search.kind.row.name,
            order=self._usual_order(),
        )

    def _conditions(self) -> list[str]:
        """Return what must hold of a row, wherever its page begins."""
        conditions = []
        if STAGE in self.search.kind.row.column_names:
            conditions.append(among(self._stage(), self.search.stages, self._bind))
        if self.search.condition is not None:
            conditions.append(self._condition(self.search.condition))
        return conditions

    def _relation(self) -> str:
        table = self.search.kind.row.name
        columns = ", ".join(f"{each} AS {name}" for name, each in self.columns.items())
        joins = "".join(f"\n{join}" for _, join in self.joins.values())
        where = ""
        # The experiments are in the relation and not among the conditions, so that a relation
        # that is kept has the rows of those alone.
        if self.search.experiment_ids:
            owner = self.search.kind.owner
            assert owner is not None
            of_owners = among(f"t.{owner.id}", self.search.experiment_ids, self._relate)
            where = f"\nWHERE {of_owners}"
        return f"\nSELECT {columns}\nFROM {table} AS t{joins}{where}\n"

    def _attribute(self, column: str) -> str:
        """Return the expression of a column of the table that is searched."""
        self.columns[column] = f"t.{column}"
        return f"t.{column}"

    def _own(self, column: str) -> str:
        """Return a column of the table that is searched, or an expression over such columns."""
        names = self.search.kind.row.column_names
        return _WORD.sub(
            lambda word: self._attribute(word[0]) if word[0] in names else word[0], column
        )

    def _stage(self) -> str:
        """Return the expression of the stage; that of the owner where it was set later."""
        kind = self.search.kind
        own = self._attribute(STAGE)
        if STAGE not in kind.inherited or kind.owner is None:
            return own
        owner = kind.owner
        (clock,) = (name for name, field in kind.clocks.items() if field == STAGE)
        self._attribute(owner.id)
        since = self._attribute(clock)
        self.others.add(owner.row.name)
        # Files without an owner that was ever deleted or restored are not opened.
        self.present[owner.row.name] = clock
        # Few owners were ever deleted: without one this joins nothing.
        self.owned = (
            f"\nLEFT JOIN (SELECT {owner.id}, {STAGE}, {clock} FROM {owner.row.name} "  # noqa: S608
            f"WHERE {clock} IS NOT NULL) AS o ON o.{owner.id} = t.{owner.id}"
        )
        return f"CASE WHEN o.{clock} > coalesce({since}, 0) THEN o.{STAGE} ELSE {own} END"

    def _of_owner(self, column: str) -> str:
        """Return the expression of a column of the owner's table."""
        owner = self.search.kind.owner
        assert owner is not None
        self._attribute(owner.id)
        self.others.add(owner.row.name)
        # Beside the relation: one that is kept is not told of what changes in its owners.
        self.joined_owner = (
            f"\nLEFT JOIN {owner.row.name} AS owner ON owner.{owner.id} = t.{owner.id}"
        )
        return f"owner.{column}"

    def _bind(self, value: object) -> str:
        return binding(self.values)(value)

    def _relate(self, value: object) -> str:
        """Bind a value of the relation."""
        return binding(self.related, "r")(value)

    def _condition(self, condition: Condition) -> str:
        if isinstance(condition, Not):
            return f"NOT ({self._condition(condition.part)})"
        if isinstance(condition, Combination):
            parts = self._together(condition)
            return f"({f' {condition.operator} '.join(parts)})"
        if condition.field.also is not None and condition.operator in _EQUAL:
            named = replace(condition.field, also=None)
            either = (
                replace(condition, field=named),
                replace(condition, field=condition.field.also),
            )
            return self._condition(Combination("OR", either))
        if condition.field.by:
            return self._of_any([condition])
        return self._compared(self._column(condition.field), condition)

    def _together(self, condition: Combination) -> list[str]:
        """Return the parts of a combination; those that are about one row are one part."""
        about: dict[str, list[Comparison]] = {}
        parts = []
        for part in condition.parts:
            if condition.operator == "AND" and self._is_about_one(part):
                about.setdefault(part.field.rows, []).append(part)
            else:
                parts.append(self._condition(part))
        return [*parts, *map(self._of_any, about.values())]

    def _is_about_one(self, condition: Condition) -> TypeGuard[Comparison]:
        if not isinstance(condition, Comparison) or not condition.field.rows:
            return False
        return self._rows(condition.field).is_one

    def _rows(self, named: Field) -> Rows:
        assert self.search.kind.catalogue is not None
        return self.search.kind.catalogue.rows[named.rows]

    def _of_any(self, conditions: Sequence[Comparison]) -> str:
        """Return that these conditions hold for any one of the rows that a thing has."""
        named = conditions[0].field
        operator = conditions[0].operator
        table = self._rows(named).asked(operator).name if named.rows else named.table
        self.others.add(table)
        by = ", ".join(named.by)
        of_thing = ", ".join(map(self._attribute, named.by))
        if len(named.by) > 1:
            of_thing = f"({of_thing})"
        # What has no row there is null all the same.
        is_null = len(conditions) == 1 and operator == "IS NULL"
        asked = (
            [self._cell(named) + " IS NOT NULL"]
            if is_null
            else list(map(self._asked, conditions))
        )
        if named.rows:
            asked += self._beside(named)
        where = " AND ".join(asked) + self._within(self._bind) + self._between(named)
        return f"{of_thing} {'NOT ' * is_null}IN (SELECT {by} FROM {table} WHERE {where})"  # noqa: S608

    def _asked(self, condition: Comparison) -> str:
        named = condition.field
        beside: tuple[str, ...] = ()
        if named.rows:
            rows = self._rows(named)
            beside = rows.beside if rows.asked(condition.operator) is rows.table else ()
        values = [self._cell(named), *(f'"{name}"' for name in beside)]
        compared = " OR ".join(self._compared(each, condition) for each in values)
        return f"({compared})" if beside else compared

    def _cell(self, named: Field) -> str:
        """Return the expression of what is asked of a row."""
        if named.key is None or self._rows(named).key:
            return named.column
        return of_json(named.column, named.key, self._bind)

    def _beside(self, named: Field) -> list[str]:
        """Return what must hold of a row besides what is asked of it."""
        rows = self._rows(named)
        found = [rows.where] if rows.where else []
        if rows.key and named.key is not None:
            found.append(f'"{rows.key}" = {self._bind(named.key)}')
        if named.only:
            found.append(one_met(named.only, self._bind))
        return found

    def _last(self, named: Field) -> str:
        """Return the expression of the value of the last one of the rows that a thing has."""
        rows, identity = self._rows(named), self.search.kind.id
        if named not in self.lasts:
            alias = f"l{len(self.lasts)}"
            by = ", ".join(f"'{name}': \"{name}\"" for name in rows.last)
            where = " AND ".join(self._beside(named)) + self._within(self._bind)
            # Beside the relation: other conditions may be about the same table.
            self.others.add(named.table)
            self.lasts[named] = (
                f'\nLEFT JOIN (SELECT {identity}, arg_max("{rows.value}", {{{by}}}) AS last '  # noqa: S608
                f"FROM {named.table} WHERE {where} GROUP BY {identity}) AS {alias} "
                f"ON {alias}.{identity} = {self._attribute(identity)}"
            )
        return f"l{[*self.lasts].index(named)}.last"

    def _between(self, named: Field) -> str:
        """Narrow rows from which columns follow down to those of the things asked for."""
        derived, between = self.search.kind.derived, self.search.between
        if derived is None or between is None or derived.table.name != named.table:
            return ""
        column = derived.part.pruned_by
        self.ranges[named.table] = {column: [between]}
        first, last = map(self._bind, between)
        return f" AND {column} BETWEEN {first} AND {last}"

    def _within(self, bind: Bind) -> str:
        """Narrow a table of keys down to the experiments, so that its files are pruned."""
        ids = self.search.experiment_ids
        owner = self.search.kind.owner
        if owner is None or not 0 < len(ids) <= MOST_BOUND_ONE_BY_ONE:
            return ""
        return f" AND {among(owner.id, ids, bind)}"

    def _column(self, named: Field) -> str:
        """Return the expression of a field, joining the table of its key."""
        if named.column == "artifact_uri":
            return resolved(self._attribute(named.column), self.search.root, self._bind)
        if named.rows:
            return self._last(named)
        if named.key is None:
            is_own = named.table == self.search.kind.row.name
            column = self._own(named.column) if is_own else self._of_owner(named.column)
            least = named.at_least
            # A null among them is left out.
            return f"greatest({column}, {self._column(least)})" if least else column
        # A key that is named several times is joined once.
        place = (named.table, named.key)
        if place not in self.joins:
            alias = f"k{len(self.joins)}"
            identity = self.search.kind.id
            kind = self.search.kind
            (table,) = (spec for spec in kind.tables if spec.name == named.table)
            key, value = kind.pair(table)
            columns = '"value"' if value.name == "value" else f'"{value.name}" AS "value"'
            if any(table is each.table for each in kind.summaries):
                columns += ', "min", "max", "count"'
            where = f'"{key.name}" = {self._relate(named.key)}{self._within(self._relate)}'
            self.key_columns[named.table] = key.name
            self.joins[place] = (
                alias,
                # A missing key is a null: NOT, OR and IS NULL mean what they do in SQL.
                f"LEFT JOIN (SELECT {identity}, {columns} FROM {named.table} "  # noqa: S608
                f"WHERE {where}) AS {alias} ON {alias}.{identity} = t.{identity}",
            )
        alias = self.joins[place][0]
        self.columns[f"{alias}_{named.column}"] = f'{alias}."{named.column}"'
        return f"t.{alias}_{named.column}"

    def _compared(self, column: str, condition: Comparison) -> str:
        if condition.operator == "RLIKE":
            self.patterns.append(str(condition.values[0]))
        return compared(column, condition, self._bind)

    def _keys(self) -> list[tuple[str, bool]]:
        """Return the sort position as expressions without nulls, and which descend."""
        keys: list[tuple[str, bool]] = []
        for line in self.search.order:
            column = self._column(line.field)
            keys += with_missing_last(column, line)
        catalogue = self.search.kind.catalogue
        assert catalogue is not None
        ties = catalogue.order if self.search.order else catalogue.first or catalogue.order
        for name, descends in ties:
            column = self._column(field_of(catalogue.attributes[name], self.search.kind))
            # These ids are numbers as text: 10 comes after 9 only if the length is first.
            if name == "experiment_id":
                keys.append((f"length({column})", descends))
            keys.append((column, descends))
        return keys

    def _usual_order(self) -> str:
        catalogue = self.search.kind.catalogue
        assert catalogue is not None
        name, descends = (catalogue.first or catalogue.order)[0]
        column = catalogue.attributes[name].column
        return f"{column} {'DESC' if descends else 'ASC'}" if column in self.columns else ""


def _is_of(condition: Condition, table: str) -> bool:
    """Return whether any part of a condition is about a table."""
    if isinstance(condition, Comparison):
        return condition.field.table == table
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return any(_is_of(part, table) for part in parts)
