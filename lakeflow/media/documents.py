"""What JSON and YAML can say, as the content of a file."""

from __future__ import annotations

import json
import posixpath
from typing import Any


def document(value: Any, path: str) -> bytes:
    """Return the content of a file: YAML if its path says so, else JSON.

    Args:
        value: A dictionary or a list.
        path: The path; only ``.yml`` and ``.yaml`` mean YAML, in small letters.
    """
    if posixpath.splitext(path)[1] in {".yml", ".yaml"}:
        import yaml

        text: str = yaml.dump(value, indent=2, default_flow_style=False)
        return text.encode()
    return json.dumps(value, indent=2, default=str).encode()
