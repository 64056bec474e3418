"""What TensorBoard's events hold, as numbers, texts and files. Pure."""

from __future__ import annotations

import math
import re
import uuid
from typing import TYPE_CHECKING, Any

from lakeflow.importing.items import made_id
from lakeflow.importing.keys import keys_of
from lakeflow.stores.artifacts.recorded import stem_of_step, thumbnail_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

_OLD_PLUGINS = {
    "simple_value": "scalars",
    "image": "images",
    "histo": "histograms",
    "audio": "audio",
}
"""Which plugin shows a value that TensorFlow 1 and its likes write."""

_NO_KEY_OF_IMAGES = re.compile(r"[^a-zA-Z0-9_\-./ ]")

_LONGEST_KEY = 150
"""Step, time and id follow in the name of a file, which has 255 bytes at most."""


def plugin_of(value: Any, plugins: dict[str, str]) -> str:
    """Return which plugin shows a value; only the first of a tag may say so."""
    kind = value.WhichOneof("value")
    if kind in _OLD_PLUGINS:
        return _OLD_PLUGINS[kind]
    if name := value.metadata.plugin_data.plugin_name:
        plugins[value.tag] = name
    return plugins.get(value.tag, "values without a plugin")


def scalar(value: Any) -> float:
    """Return the number of a scalar.

    Raises:
        IndexError: Its tensor is empty.
        ValueError: Its tensor holds something else.
        TypeError: Its tensor is of a type that numpy does not have.
    """
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    return float(_array(value).reshape(-1)[0])


def _array(value: Any) -> Any:
    from tensorboard.util import tensor_util

    return tensor_util.make_ndarray(value.tensor)


def param(value: Any) -> str:
    """Return the value of a param that the hparams plugin shows."""
    kind = value.WhichOneof("kind")
    if kind is None:
        return ""
    known = getattr(value, kind)
    # The format has no integers: a batch size of 32 comes back as 32.0.
    is_whole = kind == "number_value" and known.is_integer() and abs(known) < 2**53
    return str(int(known)) if is_whole else str(known)


def value_of(event: Any, tag: str) -> Any:
    """Return the value of a tag, which the event has."""
    return next(value for value in event.summary.value if value.tag == tag)


def text(value: Any) -> str:
    """Return a text; of a table each cell is a line.

    Raises:
        ValueError: Its tensor is broken.
        TypeError: Its tensor is of a type that numpy does not have.
    """
    cells = _array(value).reshape(-1).tolist()
    return "\n".join(
        each.decode(errors="replace") if isinstance(each, bytes) else str(each)
        for each in cells
    )


def milliseconds(seconds: float) -> int:
    """Return a time of an event in milliseconds; 0 where it is none."""
    return round(seconds * 1000) if math.isfinite(seconds) else 0


def image_files(event: Any, tag: str, taken: Counter[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the images of one tag and step, named as ``log_image`` names them.

    Args:
        event: The event.
        tag: The tag.
        taken: How often each name was given in the run; changed.

    Raises:
        OSError: One is no image, or of a kind that PNG does not have.
        SyntaxError: One is a broken PNG.
        ValueError: One is broken, or the tensor is.
    """
    from lakeflow.media import images

    for number, data in enumerate(_encoded(value_of(event, tag))):
        key = _key_of_file(f"{tag}/{number}" if number else tag)
        time = milliseconds(event.wall_time)
        stem = f"images/{stem_of_step(key, event.step, time)}"
        repeat = taken[stem]
        taken[stem] += 1
        # It follows from the rest, where log_image draws one: imports find the file again.
        stem += str(uuid.UUID(made_id(stem, str(repeat))))
        # As a PNG it would not move any more.
        if data.startswith(b"GIF8"):
            yield f"images/{key}/{event.step}-{repeat}.gif", data
            continue
        picture = images.opened(data)
        is_png = data.startswith(b"\x89PNG")
        yield f"{stem}.png", data if is_png else images.png(picture)
        yield thumbnail_of(f"{stem}.png"), images.thumbnail(picture)


def _encoded(value: Any) -> list[bytes]:
    if value.WhichOneof("value") == "image":
        return [value.image.encoded_image_string]
    # Width and height come before the images of a batch.
    data: list[bytes] = _array(value).reshape(-1).tolist()[2:]
    return data


def text_file(tag: str, step: int, taken: Counter[str]) -> str:
    """Return the path of a text; a restart repeats steps."""
    stem = f"text/{_key_of_file(tag)}/{step}"
    taken[stem] += 1
    return f"{stem}.txt" if taken[stem] == 1 else f"{stem}-{taken[stem]}.txt"


def _key_of_file(tag: str) -> str:
    """Return a tag as a path below the run's artifacts, of characters that images may have."""
    key = next(iter(keys_of([_NO_KEY_OF_IMAGES.sub("_", tag)]).values()))
    return key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}-{made_id(tag)[:8]}"
