"""Page tokens: the place after which the next page begins, and in what. Pure."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.query.engine.compile import Search


def fingerprint(search: Search) -> str:
    """Return what tells one search from another, whatever its page size."""
    # It loads OpenSSL, which takes a third of what importing lakeflow takes.
    import hashlib

    return hashlib.sha256(repr(search).encode()).hexdigest()[:16]


def encode(search: Search, snapshot_id: Sequence[int] | None, position: Sequence[Any]) -> str:
    """Return the token of the page after a position.

    Args:
        search: What is searched.
        snapshot_id: The snapshot of its first page; None where nothing is gone back to.
        position: Sort position of the last row.
    """
    content = {"search": fingerprint(search), "at": snapshot_id, "after": position}
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def decode(token: str, search: Search, keys: int) -> tuple[list[int] | None, list[Any]]:
    """Return the snapshot and the position that a token holds.

    Args:
        token: What a page gave.
        search: The search that it shall go on with.
        keys: Number of values in a position.

    Raises:
        InvalidInputError: It is no token, or that of another search.
    """
    try:
        data = base64.urlsafe_b64decode(token.encode())
        content = json.loads(data)
        whose, snapshot_id, after = content["search"], content["at"], content["after"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInputError(
            f"Invalid page token, could not base64-decode: {token!r}",
            hint="give the token of the page before",
        ) from error
    # Tokens come from outside, and what is in them is bound to a statement.
    is_whole = _is_snapshot_id(snapshot_id) and _is_position(after, keys)
    if whose != fingerprint(search) or not is_whole:
        raise InvalidInputError(
            f"the page token {token!r} belongs to another search",
            hint="filter, order, experiments and view must be those of the first page",
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
