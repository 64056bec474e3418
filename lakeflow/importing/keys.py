"""Names of metrics, params and tags as a lake takes them. Pure."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

_REFUSED = re.compile(r"[^/\w.\- :]")
_MARK_LENGTH = 8


# Readers ask for it at each point that they read.
@functools.lru_cache(maxsize=100_000)
def key_of(name: str) -> str:
    """Return the key that a name gets where no other name clashes with it: mostly itself.

    Examples:
        >>> key_of("loss"), key_of("val/acc@5"), key_of("a//b/../c")
        ('loss', 'val/acc_5', 'a/b/_/c')
    """
    return name if _is_key(name) else _nearest(name)


def keys_of(names: Iterable[str]) -> dict[str, str]:
    """Return for each name the key that it gets: itself, where a lake takes it.

    No two names get one key, and what a name gets does not depend on the others but for such
    a clash.

    Examples:
        >>> keys_of(["loss", "acc (%)", "/lr"])
        {'loss': 'loss', 'acc (%)': 'acc ___', '/lr': 'lr'}
    """
    wanted = list(dict.fromkeys(names))
    keys = {name: name for name in wanted if _is_key(name)}
    taken = set(keys)
    for name in wanted:
        if name not in keys:
            key = key_of(name)
            keys[name] = key if key not in taken else _marked(key, name)
            taken.add(keys[name])
    return {name: keys[name] for name in wanted}


def _is_key(name: str) -> bool:
    try:
        validation.key(name)
    except InvalidInputError:
        return False
    return True


def _nearest(name: str) -> str:
    """Return a key in which one still recognises a name."""
    parts = [part for part in _REFUSED.sub("_", name).split("/") if part]
    key = "/".join("_" if part in {".", ".."} else part for part in parts) or "_"
    # Only a path that begins with dots is refused: ``..loss`` as well as ``../loss``.
    key = re.sub(r"\A\.\.", "__", key)
    return key if len(key) <= validation.MAX_KEY_LENGTH else _marked(key, name)


def _marked(key: str, name: str) -> str:
    """Return a key that is this name's alone."""
    # JSON may escape half of a pair of surrogates, which UTF-8 has no bytes for.
    mark = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_MARK_LENGTH]
    return f"{key[: validation.MAX_KEY_LENGTH - _MARK_LENGTH - 1]}-{mark}"
