"""Names that come from a lake's own files and listings, which others may have written. Pure."""

from __future__ import annotations

# What most filesystems take.
_LONGEST_CHARACTERS = 255


def is_plain(name: object) -> bool:
    """Return whether this is the name of one file or folder, and leads nowhere else.

    A lake uses no name that begins with a dot, is divided by a slash, or is no printable text:
    whatever has such a name in it is no part of it.
    """
    return (
        isinstance(name, str)
        and 0 < len(name) <= _LONGEST_CHARACTERS
        and not name.startswith(".")
        and name.isprintable()
        and "/" not in name
        and "\\" not in name
    )


def plain(name: object) -> str:
    """Return a name that is plain.

    Raises:
        ValueError: It is not.
    """
    if not is_plain(name):
        raise ValueError(f"{name!r} is no name of a file")
    return str(name)


def number_in(digits: str) -> int | None:
    """Return the number that a name has in digits; None where that is none."""
    # int() takes digits of all scripts, and isdigit() those above a line of text too.
    return int(digits) if digits.isascii() and digits.isdigit() else None
