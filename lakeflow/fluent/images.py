"""Pictures of the active run: figures and images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.fluent.logged import target

if TYPE_CHECKING:
    import numpy
    import PIL.Image

    from lakeflow.media.images import Image


def log_figure(
    figure: Any, artifact_file: str, *, save_kwargs: dict[str, Any] | None = None
) -> None:
    """Log a figure of matplotlib or plotly; see ``LakeflowClient.log_figure``.

    Args:
        figure: The figure.
        artifact_file: Path of the file below the run's artifacts.
        save_kwargs: Further arguments of the library's method that saves a figure.
    """
    store, run_id = target()
    store.artifacts.log_figure(run_id, figure, artifact_file, save_kwargs)


def log_image(
    image: numpy.ndarray[Any, Any] | PIL.Image.Image | Image,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,
) -> None:
    """Log an image; see ``LakeflowClient.log_image``.

    Unlike there, an image of a step is queued by default: encoding it takes longer than a step
    may. The end of the run waits for it.

    Args:
        image: An array, an image of Pillow's, or a ``lakeflow.Image``.
        artifact_file: Path of the file below the run's artifacts, for one image.
        key: Name of the image, for one of each step.
        step: Training step; 0 by default.
        timestamp: Milliseconds since the Unix epoch; now by default.
        synchronous: As for ``LakeflowClient.log_metric``.
    """
    store, run_id = target()
    store.images.log(run_id, image, artifact_file, key, step, timestamp, synchronous)
