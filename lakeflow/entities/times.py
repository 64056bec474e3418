"""Times as JSON of protocol buffers writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(milliseconds: int) -> str | int:
    """Return a time as RFC 3339 has it; beyond year 9999, where it has none, the number.

    Args:
        milliseconds: Since the Unix epoch, UTC.

    Examples:
        >>> text_of(1_700_000_000_120)
        '2023-11-14T22:13:20.120Z'
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds
    fraction = f".{milliseconds % 1000:03}" if milliseconds % 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def milliseconds_of(time: str | int) -> int:
    """Return a time of ``text_of`` in milliseconds since the Unix epoch; numbers as they are.

    Raises:
        ValueError: It is none.

    Examples:
        >>> milliseconds_of("2023-11-14T22:13:20.120Z")
        1700000000120
    """
    if isinstance(time, int):
        return time
    return (datetime.fromisoformat(time) - _EPOCH) // timedelta(milliseconds=1)
