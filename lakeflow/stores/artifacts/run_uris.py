"""URIs of artifacts of runs: ``runs:/<run id>/<path>``. Pure."""

from __future__ import annotations

import re

_OF_A_RUN = re.compile(r"runs:/+([^/]+)(?:/(.*))?", re.DOTALL)


def of_run(uri: str) -> tuple[str | None, str]:
    """Return the run that a URI names, and the path below its artifacts; else None and it.

    Examples:
        >>> of_run("runs:/a1b2/model/"), of_run("s3://bucket/model")
        (('a1b2', 'model'), (None, 's3://bucket/model'))
    """
    named = _OF_A_RUN.fullmatch(uri)
    if named:
        return named[1], (named[2] or "").rstrip("/")
    return None, uri
