"""What is recorded of a file beside a run."""

from __future__ import annotations

import re
from typing import NamedTuple

# No more digits than 64 bits hold: anybody may call a file so, and its row has to fit.
_OF_A_STEP = re.compile(
    r"images/(?P<key>[^/]+)([%+])step\2(?P<step>-?\d{1,18})\2timestamp\2(?P<timestamp>\d{1,15})"
    r"\2[^/%+]+(?:\.png|\2compressed\.webp)"
)
"""What ``log_image`` calls the files of an image of a step: in MLflow 2, or here and in 3."""


COLUMNS = ("path", "size", "sha256", "log_time")
"""What is recorded of any file, also of one that has no label."""


class Label(NamedTuple):
    """What a file is.

    Attributes:
        kind: ``file``, ``figure``, ``image`` or ``table``.
        key: Name of an image that was logged by steps.
        step: Its step.
        timestamp: Its time, in milliseconds since the Unix epoch.
    """

    kind: str = "file"
    key: str | None = None
    step: int | None = None
    timestamp: int | None = None


class Recorded(NamedTuple):
    """What is recorded of a file.

    Attributes:
        size: Bytes.
        sha256: Digest of its content.
        log_time: When it was logged, in milliseconds since the Unix epoch.
        label: What it is.
    """

    size: int
    sha256: str
    log_time: int
    label: Label


def stem_of_step(key: str, step: int, timestamp: int) -> str:
    """Return how the names of an image's files begin, as MLflow 3 writes them.

    MLflow 2 has ``%`` for ``+`` and ``#`` for ``~``. A server refuses the latter in a path, and
    takes ``%41`` of a step 41 for a letter.

    Examples:
        >>> stem_of_step("samples/a", 3, 1700000000000)
        'samples~a+step+3+timestamp+1700000000000+'
    """
    return f"{key.replace('/', '~')}+step+{step}+timestamp+{timestamp}+"


def thumbnail_of(path: str) -> str:
    """Return the path of the thumbnail of an image of a step.

    Examples:
        >>> thumbnail_of("images/a+step+3+timestamp+1700000000000+0b1c.png")
        'images/a+step+3+timestamp+1700000000000+0b1c+compressed.webp'
    """
    found = _OF_A_STEP.fullmatch(path)
    separator = "%" if found is None else found[2]
    return f"{path.removesuffix('.png')}{separator}compressed.webp"


def label_of(path: str) -> Label:
    """Return what a file is, as far as its name says so.

    Examples:
        >>> label_of("images/samples#a%step%3%timestamp%1700000000000%0b1c.png")
        Label(kind='image', key='samples/a', step=3, timestamp=1700000000000)
        >>> label_of("images/samples~a+step+3+timestamp+17+0b1c+compressed.webp").key
        'samples/a'
        >>> label_of("model.pkl").kind
        'file'
    """
    found = _OF_A_STEP.fullmatch(path)
    if found is None:
        return Label()
    key = found["key"].replace("#", "/").replace("~", "/")
    return Label("image", key, int(found["step"]), int(found["timestamp"]))
