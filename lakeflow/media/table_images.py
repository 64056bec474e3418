"""Images in the cells of a table: which they are, and the two files of each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError
from lakeflow.media.images import Image, require_png, thumbnail_size
from lakeflow.media.tables import may_hold_objects

if TYPE_CHECKING:
    from lakeflow.media.tables import Table


def image_columns(table: Table) -> list[int]:
    """Return the places of the columns whose cells are images.

    Raises:
        InvalidInputError: A column has images and other cells.
    """
    found = []
    for index, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        # Numbers and texts of a frame need no look at each cell.
        if not may_hold_objects(column):
            continue
        are_images = [_is_image(cell) for cell in column]
        if any(are_images) and not all(are_images):
            raise InvalidInputError(
                f"the column {name!r} has images and other values",
                hint="put them into a column each",
            )
        if any(are_images):
            found.append(index)
    return found


def save(image: Any, path: str) -> None:
    """Write the two files of an image.

    Args:
        image: An image of Pillow, or what saves and resizes itself as one does.
        path: The path of both without their ends, ``.png`` and ``.webp``.

    Raises:
        InvalidInputError: PNG cannot hold it.
    """
    require_png(image.to_pil() if isinstance(image, Image) else image)
    image.save(f"{path}.png")
    image.resize(thumbnail_size(*image.size)).save(f"{path}.webp")


def cell(path: str) -> dict[str, str]:
    """Return what is in the table for an image.

    Args:
        path: Path of its files below the artifacts of the run, without their ends.
    """
    return {
        "type": "image",
        "filepath": f"{path}.png",
        "compressed_filepath": f"{path}.webp",
    }


def _is_image(value: Any) -> bool:
    return (
        # By what it can do, as in MLflow: its Image and Pillow's have no class in common.
        callable(getattr(value, "save", None))
        and callable(getattr(value, "resize", None))
        and hasattr(value, "size")
    )
