"""Text of strangers as text: nothing in it acts on a terminal or turns a line around."""

from __future__ import annotations


def printable(text: str, kept: str = "") -> str:
    r"""Return a text with an escape for each character that a terminal would act on.

    Args:
        text: The text.
        kept: Such characters that stay as they are.

    Examples:
        >>> print(printable("red: \x1b[31m\n"))
        red: \x1b[31m\n
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode()
        for each in text
    )


def readable(text: str) -> str:
    r"""Return a text as Unicode, with a sign for what is none.

    The system's texts are bytes: a file's name or a user's may be in another encoding, which
    Python marks with surrogates that no lake can keep.

    Examples:
        >>> readable("caf\udce9")
        'caf�'
    """
    if text.isascii():
        return text
    # In UTF-16 two halves that belong together are a character, and one alone is none.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
