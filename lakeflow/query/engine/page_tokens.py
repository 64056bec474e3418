"""Page tokens: the place after which the next page begins, and in what. Pure.

A token carries a sum over all that it says and the id of the lake, so that it is good for this
lake under any of its names, and for no other one; who does not know the lake makes none up.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.query.engine.search import Search


def _sum(search: Search, lake_id: str, place: Sequence[Any]) -> str:
    # It loads OpenSSL, which takes a third of what importing lakeflow takes.
    import hashlib

    # One lake may have several names, such as that of a link to it.
    asked = repr(replace(search, root=""))
    return hashlib.sha256(json.dumps([lake_id, asked, *place]).encode()).hexdigest()[:32]


def encode(
    search: Search,
    lake_id: str,
    snapshot_id: Sequence[int] | None,
    position: Sequence[Any],
) -> str:
    """Return the token of the page after a position.

    Args:
        search: What is searched, whatever the page size.
        lake_id: In which lake.
        snapshot_id: The snapshot of its first page; None where nothing is gone back to.
        position: Sort position of the last row.
    """
    signature = _sum(search, lake_id, (snapshot_id, position))
    content = {"sum": signature, "at": snapshot_id, "after": position}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def decode(
    token: str, search: Search, lake_id: str, keys: int
) -> tuple[list[int] | None, list[Any]]:
    """Return the snapshot and the position that a token holds.

    Args:
        token: What a page gave.
        search: The search that it shall go on with.
        lake_id: The lake that is searched.
        keys: Number of values in a position.

    Raises:
        InvalidInputError: It is no token, or that of another search or lake.
    """
    try:
        data = base64.urlsafe_b64decode(token.encode())
        content = json.loads(data)
        whose, snapshot_id, after = content["sum"], content["at"], content["after"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidInputError(
            f"Invalid page token, could not base64-decode: {token!r}",
            hint="give the token of the page before",
        ) from error
    # Tokens come from outside, and what is in them is bound to a statement.
    is_whole = _is_snapshot_id(snapshot_id) and _is_position(after, keys)
    if not is_whole or whose != _sum(search, lake_id, (snapshot_id, after)):
        raise InvalidInputError(
            f"the page token {token!r} belongs to another search, or to another lake",
            hint="lake, filter, order, experiments and view must be those of the first page",
        )
    return snapshot_id, after


def _is_snapshot_id(snapshot_id: object) -> bool:
    if snapshot_id is None:
        return True
    return (
        isinstance(snapshot_id, list)
        and len(snapshot_id) == 2
        # type() and not isinstance(): true is an int as well.
        and all(type(n) is int for n in snapshot_id)
    )


def _is_position(after: object, keys: int) -> bool:
    return (
        isinstance(after, list)
        and len(after) == keys
        and all(isinstance(value, str | int | float) for value in after)
    )
