"""What is recorded of a file beside a run."""

from __future__ import annotations

from typing import NamedTuple


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
