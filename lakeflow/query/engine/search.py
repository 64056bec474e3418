"""What is searched, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.values import frozen

if TYPE_CHECKING:
    from lakeflow.kinds import Kind
    from lakeflow.query.language.conditions import Condition, Ordering


@frozen
class Search:
    """What is searched.

    Attributes:
        kind: The kind of thing.
        condition: Which of them; None for all.
        order: How they are sorted, before the order of its catalogue.
        stages: Lifecycle stages, where the kind has them.
        experiment_ids: Their experiments; empty for all.
        is_of_none: Whether it is said to be over no experiment.
        fold: Number of the fold that is searched; None for now.
        root: Location of the lake; stored locations within it are relative.
        between: Bounds of the rows from which columns follow, of the things that other
            conditions leave; None where they are not known.
    """

    kind: Kind
    condition: Condition | None = None
    order: tuple[Ordering, ...] = ()
    stages: tuple[str, ...] = ("active",)
    experiment_ids: tuple[str, ...] = ()
    is_of_none: bool = False
    fold: int | None = None
    root: str = ""
    between: tuple[int, int] | None = None
