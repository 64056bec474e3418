"""Paths of artifacts: below the folder of their run, and nowhere else. Pure."""

from __future__ import annotations

import os
import posixpath
import re

from lakeflow.exceptions import InvalidInputError

_LEADS_AWAY = re.compile(
    r"""
    (?:^|/) (?: \.{0,2} (?:/|$)    # an empty name, this folder, the one around it
              | [A-Za-z]: )        # a drive
    | [\\\x00-\x1f\x7f]          # a slash of another system; what no record can have
    """,
    re.VERBOSE,
)

_ORDINARY = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)
"""What most files are called, and nothing is wrong with."""

_WAY_OUT = "give a path below the artifacts of the run, with slashes, such as 'plots/loss.png'"


def checked(path: str | os.PathLike[str] | None, name: str) -> str:
    """Return the path of a folder or file of artifacts; empty for the folder of the run.

    Args:
        path: The path, in its shortest spelling.
        name: What the caller calls it.

    Raises:
        InvalidInputError: It is no text, leads elsewhere, or is spelt in a roundabout way.
    """
    if path is None:
        return ""
    text = _text(path, name)
    if not text:
        return ""
    if text == "." or posixpath.normpath(text) != text:
        raise InvalidInputError(
            f"Invalid artifact path: {name} is {text!r}", hint=f"did you mean {_short(text)!r}?"
        )
    return _inside(text, name)


def looked_for(path: str | os.PathLike[str] | None, name: str) -> str:
    """Return the same of what is to be read, where a folder may be spelt with a slash."""
    text = _text(path, name)
    return checked(text.rstrip("/") or text, name)


def normal(path: str | os.PathLike[str], name: str) -> str:
    """Return the path of a file of artifacts, in its shortest spelling.

    Args:
        path: The path.
        name: What the caller calls it.

    Raises:
        InvalidInputError: It is no text, leads elsewhere, or names no file.

    Examples:
        >>> normal("plots/../loss.png", "artifact_file")
        'loss.png'
    """
    text = _text(path, name)
    if _ORDINARY.fullmatch(text):
        return text
    short = _short(text)
    if not short or text.endswith("/"):
        raise InvalidInputError(f"{name} is {text!r}, which names no file", hint=_WAY_OUT)
    return _inside(short, name)


def is_safe(path: str) -> bool:
    """Return whether a path leads nowhere but below the folder that it is joined to.

    On any system: what is downloaded on one may have been written on another.
    """
    return not _LEADS_AWAY.search(path) and _is_unicode(path)


def below(folder: str, path: str) -> str:
    """Return a path within a folder; each may be empty."""
    return f"{folder}/{path}".strip("/")


def _text(path: str | os.PathLike[str] | None, name: str) -> str:
    text = "" if path is None else os.fspath(path)
    if not isinstance(text, str):
        raise InvalidInputError(f"{name} is {path!r}, which is no text")
    return text


def _short(text: str) -> str:
    short = posixpath.normpath(text)
    return "" if short == "." else short


def _inside(text: str, name: str) -> str:
    if not is_safe(text):
        raise InvalidInputError(
            f"Invalid artifact path: {name} is {text!r}, which is not below the artifacts of a "
            "run on every system",
            hint=_WAY_OUT,
        )
    return text


def _is_unicode(path: str) -> bool:
    """Return whether a name can be written to a record: half of a surrogate pair cannot."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
