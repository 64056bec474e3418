"""Where traces begin: in which lake and experiment, beside which run, in which program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lakeflow.stores.store import Store


@frozen
class Origin:
    """Where a trace begins.

    Attributes:
        store: Returns the store of the lake; may make the lake.
        experiment_id: Returns the experiment; may read the lake.
        run_id: The run that is active.
        tags: Returns what is known of the program.
    """

    store: Callable[[], Store]
    experiment_id: Callable[[], str]
    run_id: str | None
    tags: Callable[[], Mapping[str, str]]


_find: Callable[[str | None], Origin]


def find_with(find: Callable[[str | None], Origin]) -> None:
    """Let a function say where traces begin: the active run is known above this room.

    Args:
        find: Returns it for the location of a lake, or for the lake of this process.
    """
    global _find
    _find = find


def here(location: str | None) -> Origin:
    """Return where a trace begins that begins now.

    Args:
        location: The lake; None for that of the process.
    """
    return _find(location)
