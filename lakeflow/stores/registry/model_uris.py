"""URIs of model versions: ``models:/<name>/<version>``, and what else names one. Pure.

Those of logged models begin alike: ``models:/<model id>``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lakeflow.exceptions import LakeflowException

_SCHEME = "models:/"
_LATEST = "latest"
_MOST_DIGITS = 100
"""Of a version. Python reads no number of thousands of digits."""


def is_model_uri(uri: str) -> bool:
    """Return whether a URI is meant to name a version."""
    return uri.startswith("models:")


# Of just this form, since models may be called m-1 as well.
_LOGGED_MODEL = re.compile(r"models:/+(m-[0-9a-f]{32})(?:/(.*))?", re.DOTALL)


def logged_model(uri: str) -> tuple[str, str] | None:
    """Return the logged model that a URI names, and the path behind it; None if it names none.

    Examples:
        >>> logged_model("models:/m-00112233445566778899aabbccddeeff/data")
        ('m-00112233445566778899aabbccddeeff', 'data')
        >>> logged_model("models:/m/1")
    """
    named = _LOGGED_MODEL.fullmatch(uri)
    return None if named is None else (named[1], (named[2] or "").rstrip("/"))


def split(uri: str) -> tuple[str, str]:
    """Return the URI of a version, and the path behind it; that is empty for all its files.

    Examples:
        >>> split("models:/m/1/data/a.bin"), split("models:/m@best/data"), split("models:/m/1")
        (('models:/m/1', 'data/a.bin'), ('models:/m@best', 'data'), ('models:/m/1', ''))
    """
    if not uri.startswith(_SCHEME):
        return uri, ""
    name, *rest = uri.removeprefix(_SCHEME).lstrip("/").rstrip("/").split("/")
    # An alias stands behind the name, a version or a stage in a part of its own.
    count = 0 if "@" in name else 1
    return _SCHEME + "/".join([name, *rest[:count]]), "/".join(rest[count:])


class ModelUri(NamedTuple):
    """What a URI names: a version, an alias, or the largest version of a stage or of all.

    Attributes:
        name: Name of the model.
        version: Number of the version.
        stage: The stage, as it is written.
        alias: The alias.
    """

    name: str
    version: int | None = None
    stage: str | None = None
    alias: str | None = None

    @classmethod
    def parse(cls, uri: str) -> ModelUri:
        """Return what a URI names.

        ``models:/<name>/<version>``, ``models:/<name>/<stage>``, ``models:/<name>/latest`` or
        ``models:/<name>@<alias>``.

        Raises:
            LakeflowException: INTERNAL_ERROR as in MLflow, it is none of them.
        """
        name, slash, suffix = uri.removeprefix(_SCHEME).lstrip("/").partition("/")
        if not uri.startswith(_SCHEME) or not name.strip() or "/" in suffix:
            raise _improper(uri)
        if not slash:
            # The last one, since names may have an @ in them.
            name, at, alias = name.rpartition("@")
            if not at or not alias.strip():
                raise _improper(uri)
            return cls(name, alias=alias)
        if not suffix.strip():
            raise _improper(uri)
        # Not isdigit(), which is true of more than int() takes, such as a superscript 2.
        if suffix.isdecimal():
            if len(suffix) > _MOST_DIGITS:
                raise _improper(uri)
            return cls(name, version=int(suffix))
        return cls(name) if suffix.lower() == _LATEST else cls(name, stage=suffix)


def _improper(uri: str) -> LakeflowException:
    return LakeflowException(
        f"Not a proper models:/ URI: {uri}",
        hint="models:/<name>/<version>, models:/<name>/<stage>, models:/<name>/latest or "
        "models:/<name>@<alias>",
    )
