"""Images of runs: logged by steps under names of their own, and found by what is recorded."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeflow.entities import tag_names, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.media import images
from lakeflow.stores.artifacts.files import require_run
from lakeflow.stores.artifacts.recorded import Label, stem_of_step, thumbnail_of
from lakeflow.stores.experiments import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    import PIL.Image

    from lakeflow.media.images import Picture
    from lakeflow.stores.artifacts.files import ArtifactStore
    from lakeflow.stores.artifacts.recorded import Recorded
    from lakeflow.stores.run_heads import RunHeads

# The characters that MLflow takes.
_KEY = re.compile(r"[a-zA-Z0-9_\-./ ]+")
_IMAGE, _THUMBNAIL = ".png", "+compressed.webp"

_MOST_BYTES_OF_A_NAME = 255
"""What any filesystem takes for the name of one file."""


@dataclass(frozen=True, slots=True)
class LoggedImage:
    """An image of a run, which is fetched when it is looked at, and not kept.

    Attributes:
        step: Its training step.
        timestamp: Its time, in milliseconds since the Unix epoch.
        path: Its file below the run's artifacts.
    """

    step: int | None
    timestamp: int | None
    path: str
    _fetch: Callable[[str], bytes] = field(repr=False, compare=False)

    @property
    def image(self) -> PIL.Image.Image:
        """The image, exact to the pixel: one request a look.

        Raises:
            DamagedLakeError: The file is not what was logged.
            StorageError: RESOURCE_DOES_NOT_EXIST, it is gone; or it could not be read.
        """
        return images.opened(self._fetch(self.path))

    @property
    def thumbnail(self) -> PIL.Image.Image:
        """A copy whose longer side has 256 pixels; as for ``image``."""
        return images.opened(self._fetch(thumbnail_of(self.path)))


class ImageStore:
    """The images of a lake's runs; threads share it.

    Args:
        artifacts: The files that they are.
        heads: What is remembered of its runs.
        log: Makes a logging call now or queues it, as ``Store.log`` does.
        is_behind: Whether calls are queued faster than they are made.
    """

    def __init__(
        self,
        artifacts: ArtifactStore,
        heads: RunHeads,
        log: Callable[..., Any],
        is_behind: Callable[[], bool],
    ) -> None:
        self._artifacts = artifacts
        self._heads = heads
        self._log = log
        self._is_behind = is_behind

    def log(
        self,
        run_id: str,
        image: Any,
        artifact_file: Any = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Log an image; see ``LakeflowClient.log_image``."""
        _require_one_form(artifact_file, key, step, timestamp)
        # A copy: the array may be drawn on while the call is queued.
        picture = images.taken(image)
        if artifact_file is not None:
            data = images.encoded(picture, str(artifact_file))
            self._artifacts.log_bytes(run_id, artifact_file, data, Label("image"))
            return
        checked = _checked_key(key)
        images.require_png(picture)
        at = validation.step(step or 0)
        # To MLflow 0 is no time either, but now.
        time = validation.milliseconds(timestamp or now_ms(), "timestamp")
        # Here, not when the queue comes to it: what cannot be logged is an error of this call.
        require_run(run_id)
        self._heads.active(run_id)
        held = images.held_by(picture)
        self._log(synchronous, self.log_image, run_id, checked, at, time, picture, held=held)

    def log_image(
        self, run_id: str, key: str, step: int, timestamp: int, picture: Picture
    ) -> None:
        """Log what was checked: image and thumbnail, and one record of both."""
        name = f"images/{_stem(key, step, timestamp)}"
        files = {
            # A larger file is better than a training that waits.
            name + _IMAGE: images.png(picture, is_packed=not self._is_behind()),
            name + _THUMBNAIL: images.thumbnail(picture),
        }
        label = Label("image", key, step, timestamp)
        self._artifacts.log_new(run_id, files, label, {tag_names.LOGGED_IMAGES: str(True)})

    def load(self, run_id: str, key: str) -> list[LoggedImage]:
        """Return the images of a key; see ``lakeflow.load_images``."""
        recorded = self._artifacts.recorded(run_id)

        def fetch(path: str) -> bytes:
            return self._artifacts.content(run_id, path, recorded[path])

        return [
            LoggedImage(step, timestamp, path, fetch)
            for step, timestamp, _, path in sorted(
                (known.label.step, known.label.timestamp, known.log_time, path)
                for path, known in recorded.items()
                if _is_image_of(key, path, known)
            )
        ]


def _is_image_of(key: str, path: str, known: Recorded) -> bool:
    return known.label.key == key and path.endswith(_IMAGE)


def _require_one_form(artifact_file: Any, key: Any, step: Any, timestamp: Any) -> None:
    """Check that an image is logged by steps or as one file.

    Raises:
        TypeError: It is both, or neither.
    """
    by_steps = [each for each in (key, step, timestamp) if each is not None]
    if artifact_file is not None and by_steps:
        raise TypeError(
            "artifact_file names one image, and key, step and timestamp are for one of a step: "
            "both are given"
        )
    if artifact_file is None and key is None:
        raise TypeError(
            "neither artifact_file is given, for one image, nor key, for an image of each step"
        )


def _checked_key(key: Any) -> str:
    """Return a key that is one.

    Raises:
        TypeError: It is no text.
        InvalidInputError: It has other characters, or is too long for the name of a file.
    """
    if not isinstance(key, str):
        raise TypeError(f"key is {key!r}, which is no text")
    if not _KEY.fullmatch(key):
        raise InvalidInputError(
            f"key is {key!r}, and may have letters, digits, spaces, '_', '-', '.' and '/' only"
        )
    # With the longest step and time there are: a key that is taken is taken at every step.
    longest = _stem(key, -(2**63), validation.FIRST_MS) + _THUMBNAIL
    if len(longest) > _MOST_BYTES_OF_A_NAME:
        most = _MOST_BYTES_OF_A_NAME - (len(longest) - len(key))
        raise InvalidInputError(
            f"key is {key!r}, of {len(key)} characters; files of images have names with keys "
            f"of at most {most}"
        )
    return key


def _stem(key: str, step: int, timestamp: int) -> str:
    """Return what the files of an image are called, without their ends."""
    return f"{stem_of_step(key, step, timestamp)}{uuid.uuid4()}"
