"""Paths of artifacts: below the folder of their run, and nowhere else. Pure."""

from __future__ import annotations

import os
import posixpath
import re

from lakeflow.exceptions import InvalidInputError

_DRIVE = re.compile(r"[A-Za-z]:")

_WAY_OUT = "give a path below the artifacts of the run, with slashes, such as 'plots/loss.png'"


def checked(path: str | os.PathLike[str] | None, name: str) -> str:
    """Return the path of a folder or file of artifacts; empty for the folder of the run.

    Args:
        path: The path, in its shortest spelling.
        name: What the caller calls it.

    Raises:
        InvalidInputError: It is no text, leads elsewhere, or is spelt in a roundabout way.
    """
    text = _text(path, name)
    if not text:
        return ""
    if text == "." or posixpath.normpath(text) != text:
        raise InvalidInputError(
            f"Invalid artifact path: {name} is {text!r}", hint=f"did you mean {_short(text)!r}?"
        )
    return _inside(text, name)


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
    short = _short(text)
    if not short or text.endswith("/"):
        raise InvalidInputError(f"{name} is {text!r}, which names no file", hint=_WAY_OUT)
    return _inside(short, name)


def is_safe(path: str) -> bool:
    """Return whether a path leads nowhere but below the folder that it is joined to.

    On any system: what is downloaded on one may have been written on another.
    """
    parts = path.split("/")
    return (
        {"", ".", ".."}.isdisjoint(parts)
        and not any(_DRIVE.match(each) for each in parts)
        and "\\" not in path
        and _is_text(path)
    )


def below(folder: str, path: str) -> str:
    """Return a path within a folder; each may be empty."""
    return f"{folder}/{path}".strip("/")


def _text(path: str | os.PathLike[str] | None, name: str) -> str:
    text = "" if path is None else os.fspath(path)
    if not isinstance(text, str):
        raise InvalidInputError(f"{name} is {path!r}, which is no text")
    return text


def _short(text: str) -> str:
    return "" if posixpath.normpath(text) == "." else posixpath.normpath(text)


def _inside(text: str, name: str) -> str:
    if not is_safe(text):
        raise InvalidInputError(
            f"Invalid artifact path: {name} is {text!r}, which is not below the artifacts of a "
            "run on every system",
            hint=_WAY_OUT,
        )
    return text


def _is_text(path: str) -> bool:
    """Return whether every system can have the name, and every record."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return not any(character < " " or character == "\x7f" for character in path)
