"""What trackers log as JSON: which of it are numbers, and under which names. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow.importing.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SPELT = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
"""What JSON has no numbers for; some trackers write it as text."""


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and values; those of nested mappings are joined with dots.

    A mapping with ``_type`` is one value: an image, a table, a histogram.

    Examples:
        >>> list(leaves({"loss": 1.5, "val": {"acc": 1, "best": {"f1": 0}}}))
        [('loss', 1.5), ('val.acc', 1), ('val.best.f1', 0)]
    """
    # A stack of its own: who has written them may have nested them deeply.
    held = [(above, iter(values.items()))]
    while held:
        prefix, items = held[-1]
        for key, value in items:
            if isinstance(value, dict) and value and "_type" not in value:
                held.append((f"{prefix}{key}.", iter(value.items())))
                break
            yield f"{prefix}{key}", value
        else:
            held.pop()


def number(value: Any) -> float | None:
    """Return a logged value as that of a metric; None where it is no number.

    Examples:
        >>> number(True), number("NaN"), number("high"), number([1])
        (1.0, nan, None, None)
    """
    if isinstance(value, int | float):
        try:
            return float(value)
        # A whole number of JSON may be larger than any float.
        except OverflowError:
            return None
    return _SPELT.get(value) if isinstance(value, str) else None


def text(value: Any) -> str:
    """Return a value as that of a param or tag: as a client of a lake would log it.

    Examples:
        >>> text("adam"), text(True), text(None), text([0.9, "x"])
        ('adam', 'True', 'None', '[0.9, "x"]')
    """
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def params(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the params that a nested configuration is."""
    return {key_of(name): text(value) for name, value in leaves(config)}
