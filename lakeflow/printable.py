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
