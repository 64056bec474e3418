"""Text as it may be shown: nothing in it acts on a terminal, nothing of it is a secret."""

from __future__ import annotations

import re

# A password may have an @ in it, that of a database also a slash: then it is no port before a
# path. A message goes on with other words behind a URL.
_WHO_LOGS_IN = re.compile(r"://([^/\s]*|[^/\s:]+:(?!\d+/)\S*)@")

# As signed URLs of S3, Google and Azure call them.
_SECRET = re.compile("key|token|signature|sig|password|secret|credential", re.IGNORECASE)

# Each takes all that it can and gives nothing back: a message may be long, and a name in it of
# many question marks would be looked at from each of them to its end.
_SPACE = re.compile(r"(\s++)")
_NAME = re.compile(r"(&?)([^=&\s]++)(=?)")
_VALUE = re.compile(r"[^&\s'\"]++")


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


def without_password(text: str) -> str:
    """Return a URL, or a text with URLs in it, without who logs in and what is signed with.

    Examples:
        >>> without_password("cannot read sftp://kim:p@ss@host/lake of kim@host")
        'cannot read sftp://***@host/lake of kim@host'
        >>> without_password("https://host/a.csv?version=1&X-Amz-Signature=1f2e")
        'https://host/a.csv?version=1&X-Amz-Signature=***'
    """
    if "@" in text:
        text = "".join(map(_without_login, _SPACE.split(text)))
    return _unsigned(text) if "=" in text else text


def _without_login(word: str) -> str:
    # Behind the last @ there is no login, and looking for its end would take the whole word.
    head, at, rest = word.rpartition("@")
    return _WHO_LOGS_IN.sub("://***@", head + at) + rest


def _unsigned(text: str) -> str:
    shown, shown_to, place = "", 0, 0
    while (found := _NAME.search(text, place)) is not None:
        ampersand, name, equals = found.groups()
        place = found.end()
        # The first one of a URL is behind a question mark.
        parameter = name if ampersand else name.partition("?")[2]
        if equals and _SECRET.search(parameter) and (value := _VALUE.match(text, place)):
            shown += f"{text[shown_to:place]}***"
            shown_to = place = value.end()
    return shown + text[shown_to:]
