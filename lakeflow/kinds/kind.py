"""What a kind of thing is, as a declaration.

A kind is a thing with an id that records are about. Whoever stores, merges, folds, searches or
shows things asks its declaration, so that a rule stands once for all kinds: in Python in
``stores.things``, in SQL in ``query.folding.fold_sql``.
"""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeflow.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lakeflow.kinds.catalogue import Catalogue
    from lakeflow.schema import Column, TableSpec


class Keep(Enum):
    """Which of several records about one key stay."""

    FIRST = "first"
    LAST = "last"
    EACH = "each"


MADE = "made"
"""In the clocks of a document: that of the record that made the thing."""

CLOCK = "clock"
"""In the rows of a document: that of the record that a row is of."""

DERIVED = "derived"
"""In the document of a thing: the values of the columns that follow from a part."""

GONE = "removed"
"""In the document of a removed thing: the clock of its removal."""

IDENTITY = ("writer", "seq", "place")
"""Columns of a part whose records all stay: which record a row is, and its place in it."""

LOGGED = (CLOCK, *IDENTITY)
"""The order of logging, as columns of such a part: no two rows are equal in it."""


@frozen
class Summary:
    """A row a key that sums up the records of a part: the last one, least, largest, how many.

    Attributes:
        table: Where it is kept: the columns of ``by`` and ``last``, and ``min``, ``max`` and
            ``count``.
        by: Columns of the part by which it is summed up.
        order: Columns of whole numbers; the record with the largest is the last one, of equals
            the one that was logged last.
        value: Column with a number that may be any float.
    """

    table: TableSpec
    by: tuple[str, ...] = ("key",)
    order: tuple[str, ...] = ("step", "timestamp")
    value: str = "value"

    @property
    def last(self) -> tuple[str, ...]:
        """What is kept of the last record: by what it is the last one, then its value."""
        return (*self.order, *LOGGED, self.value)


@frozen
class Part:
    """Rows that belong to a thing.

    Attributes:
        table: Where they are kept. Its key is the scope of the kind and the columns that tell
            the rows of one thing apart.
        keep: Which rows of one key stay; ``EACH`` has the columns of ``LOGGED``.
        removable: Whether a row whose values are all null removes its key (``LAST`` only).
            Where no document holds the rows, it stays in the table, which has clocks.
        summary: What is kept of the rows by key beside them (``EACH`` only).
        in_document: Whether the thing's document holds them; not where they are many. Then
            what is stored counts as older than what the log says, unless the table has a
            column with the clock of each row's record.
        is_frequent: Whether most lines of a log have it: then its columns are parsed with the
            lines, and not from a text of their own.
        in_columns: Whether what the log says of it is held as the columns that came, and not
            by thing and key: where there are very many rows (``LAST`` only, and not in the
            document).
        pruned_by: Column of whole numbers in which all rows of a key are equal, and rows that
            are logged together are near. Files are told apart by it, and not by random ids.
    """

    table: TableSpec
    keep: Keep
    removable: bool = False
    summary: Summary | None = None
    in_document: bool = True
    is_frequent: bool = False
    in_columns: bool = False
    pruned_by: str = ""

    @property
    def removed_by_null(self) -> str:
        """Column that is null in the rows which stay in the table as removed ones; or empty.

        One, since to look at the others would read the longest texts of all.
        """
        if not self.removable or self.in_document:
            return ""
        names = self.table.column_names
        return next(name for name in names if name not in {*self.table.key, CLOCK})

    @property
    def is_in_document(self) -> bool:
        """Whether the rows themselves are in the thing's document."""
        return self.in_document and self.keep is not Keep.EACH


@frozen
class Derived:
    """Columns of a thing's row that follow from the rows of one of its parts.

    What a record says of such a column wins, and a thing with rows is there though no record
    has made it.

    Attributes:
        part: The part; it has a ``pruned_by``.
        columns: The columns.
        bounds: Two of them: the smallest and the largest value of ``pruned_by``.
        defaults: Values of columns where neither a record nor the rows say one.
    """

    part: Part
    columns: tuple[str, ...]
    bounds: tuple[str, str]
    defaults: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> TableSpec:
        """Table of the part."""
        return self.part.table


@frozen
class Kind:
    """One kind of thing.

    Attributes:
        name: Its name.
        row: One row a thing.
        id: Column of every table of the kind that holds the thing's id.
        makes: Column that a record must have to make the thing; none of ``settable``.
        settable: Columns that later records may set, and which of them stays. What the record
            that makes the thing says is the value until one of them comes.
        parts: Its parts.
        owner: Kind of the thing that it belongs to, whose id is in every table of this kind:
            what is removed there is removed here.
        is_removable: Whether records may remove things. Their ids are kept, so that a record
            that comes late does not bring one back.
        is_line: Whether a line of the log is about one thing, named at its top; else the rows
            of a line name the thing that each is about.
        is_controlled: Whether records go through the control log, in a total order.
        unique: Columns that no two things share; with ``is_controlled`` only.
        is_numbered: Whether ids are whole numbers that were given in order, and never again;
            with ``is_controlled`` only.
        clocks: Settable columns by the column that holds the clock of the record which set
            them last, in microseconds; null where none has.
        inherited: Settable columns, with such a clock here and in the owner, whose value is
            the one set later: on the thing itself or on its owner.
        derived: What follows from the rows of a part; the statement that says how is in
            ``sql/derived``, by the name of the kind's row.
        catalogue: What searches may name; None for what is not searched.
    """

    __slots__ = ("__dict__",)  # for what is cached

    name: str
    row: TableSpec
    id: str
    makes: str
    settable: Mapping[str, Keep] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    owner: Kind | None = None
    is_removable: bool = False
    is_line: bool = False
    is_controlled: bool = False
    unique: tuple[str, ...] = ()
    is_numbered: bool = False
    clocks: Mapping[str, str] = field(default_factory=dict)
    inherited: tuple[str, ...] = ()
    derived: Derived | None = None
    catalogue: Catalogue | None = None

    def __hash__(self) -> int:
        return hash(self.name)

    # Page tokens are sums over a search, which has its kind in it: the name is enough for that.
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @cached_property
    def scope(self) -> tuple[str, ...]:
        """The ids that stand in every table of the kind, its own last."""
        return (*(self.owner.scope if self.owner else ()), self.id)

    @cached_property
    def empty_row(self) -> dict[str, Any]:
        """A row of which nothing is known yet: its columns, with their values by default."""
        defaults = self.derived.defaults if self.derived else {}
        return dict.fromkeys(self.row.column_names) | dict(defaults)

    @cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """What its parts are summed up in."""
        return tuple(part.summary for part in self.parts if part.summary is not None)

    @cached_property
    def tables(self) -> tuple[TableSpec, ...]:
        """Its tables: the one with its rows, those of its parts, and their summaries."""
        # The parts whose records all stay are the largest. A fold writes them last, when the
        # memory of the others is free.
        return (
            self.row,
            *(part.table for part in self.parts if part.keep is not Keep.EACH),
            *(summary.table for summary in self.summaries),
            *(part.table for part in self.parts if part.keep is Keep.EACH),
        )

    @cached_property
    def held_tables(self) -> tuple[TableSpec, ...]:
        """Those tables whose rows follow from the documents of the things alone."""
        return (
            self.row,
            *(part.table for part in self.parts if part.is_in_document),
            *(summary.table for summary in self.summaries),
        )

    @cached_property
    def keyed_tables(self) -> tuple[TableSpec, ...]:
        """Tables of parts of which one row stays by key, and that no document holds."""
        return tuple(
            part.table
            for part in self.parts
            if part.keep is not Keep.EACH and not part.in_document
        )

    @cached_property
    def column_parts(self) -> tuple[Part, ...]:
        """Its parts of which the log's rows are held as columns."""
        return tuple(part for part in self.parts if part.in_columns)

    @cached_property
    def required(self) -> frozenset[str]:
        """Columns of its row that a record which makes a thing must have."""
        derived = self.derived.columns if self.derived else ()
        return frozenset(
            column.name
            for column in self.row.columns
            if not column.nullable and column.name not in {*self.scope, *derived}
        )

    @cached_property
    def owners(self) -> tuple[Kind, ...]:
        """The kind itself, what owns it, and so on."""
        return (self, *(self.owner.owners if self.owner else ()))

    @cached_property
    def may_be_gone(self) -> bool:
        """Whether it, or what owns it, may be removed."""
        return any(each.is_removable for each in self.owners)

    def part(self, table: TableSpec) -> Part | None:
        """Return the part that has this table, not as its summary; None if none has."""
        return next((part for part in self.parts if part.table is table), None)

    def key(self, table: TableSpec) -> tuple[str, ...]:
        """Return the columns that tell the rows of one thing apart."""
        return tuple(name for name in table.key if name not in self.scope)

    def values(self, table: TableSpec) -> tuple[str, ...]:
        """Return the columns of a table beside the scope, the key and the clock."""
        return tuple(
            name
            for name in table.column_names
            if name not in self.scope and name not in table.key and name != CLOCK
        )

    def pair(self, table: TableSpec) -> tuple[Column, Column]:
        """Return the two columns of a table of keys that searches compare: key and value."""
        columns = {column.name: column for column in table.columns}
        for summary in self.summaries:
            if summary.table is table:
                return columns[summary.by[0]], columns[summary.value]
        return columns[self.key(table)[0]], columns[self.values(table)[0]]

    def index(self, column: str) -> str:
        """Return the name of the index from the values of a unique column to ids."""
        return f"{self.name}.{column}"


def tables_of(kinds: Iterable[Kind]) -> Iterator[TableSpec]:
    """Yield every table of some kinds."""
    for kind in kinds:
        yield from kind.tables
