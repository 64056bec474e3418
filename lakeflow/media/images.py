"""Arrays and images as pictures of Pillow's, and those as the content of files."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    import numpy
    import PIL.Image

    Pixels = numpy.ndarray[Any, Any]
    Picture = Pixels | PIL.Image.Image

THUMBNAIL_LENGTH = 256
"""Pixels of the longer side of a thumbnail."""

_KINDS = {"b": "bool", "i": "signed integer", "u": "unsigned integer", "f": "floating"}

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
"""What PNG calls grey, RGB and RGBA, by the number of their channels."""

_PLAIN_MODES = {"L", "RGB", "RGBA"}
_PNG_MODES = {"1", "LA", "P", "I;16", "I;16B", *_PLAIN_MODES}
_INFO_OF_PNG = {"icc_profile", "transparency"}
"""What of an image's ``info`` Pillow writes to a PNG."""

_CHUNK_BYTES = 2**30
"""Half of what a chunk of a PNG may have."""

# As many as Pillow keeps of RGBA.
_MOST_BYTES_A_PIXEL = 4

_BITS_OF_NOISE = 7.5
"""Bits that a byte carries from which on packing it would save nothing."""


class Image:
    """An image to log, of whatever it is made of.

    Args:
        image: A numpy array or nested lists of height x width, with 1, 3 or 4 channels, as for
            ``LakeflowClient.log_image``; an image of Pillow's; or the path of a file.

    Raises:
        TypeError: It is none of that.
        InvalidInputError: INVALID_PARAMETER_VALUE, an array of another shape, or integers
            outside of 0 to 255.

    Attributes:
        image: The image of Pillow's.
        size: Width and height in pixels.

    Examples:
        >>> import numpy
        >>> image = Image(numpy.zeros((20, 30, 3), dtype=numpy.uint8))
        >>> image.size
        (30, 20)
        >>> image.resize((2, 1)).to_list()
        [(0, 0, 0), (0, 0, 0)]
    """

    def __init__(
        self,
        image: Pixels | PIL.Image.Image | list[Any] | str | os.PathLike[str],
    ) -> None:
        import numpy
        import PIL.Image

        if isinstance(image, str | os.PathLike):
            self.image: PIL.Image.Image = PIL.Image.open(image)
            # Now, since the file may be another one by the time that somebody looks.
            self.image.load()
        elif isinstance(image, list | numpy.ndarray):
            self.image = pillow(taken(numpy.array(image)))
        elif isinstance(image, PIL.Image.Image):
            self.image = image
        else:
            raise TypeError(
                f"image is a {type(image).__name__}, and neither an array, nested lists, an "
                "image of Pillow's nor the path of one"
            )
        self.size: tuple[int, int] = self.image.size

    def __repr__(self) -> str:
        return f"Image(<{self.image.mode} {self.size[0]}x{self.size[1]}>)"

    def to_list(self) -> list[Any]:
        """Return the pixels row by row: numbers, or tuples where there are channels."""
        pixels = self.to_array()
        rows = pixels.reshape(-1, *pixels.shape[2:]).tolist()
        return [tuple(each) if isinstance(each, list) else each for each in rows]

    def to_array(self) -> Pixels:
        """Return a copy as a numpy array of height x width, or height x width x channels."""
        import numpy

        return numpy.array(self.image)

    def to_pil(self) -> PIL.Image.Image:
        """Return the image of Pillow's."""
        return self.image

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save it to a file, in the format that its name ends with."""
        self.image.save(path)

    def resize(self, size: tuple[int, int]) -> Image:
        """Return a copy of another width and height in pixels."""
        return Image(self.image.resize(size))


def taken(image: Any) -> Picture:
    """Return a copy of an image, which no later change of what was given changes.

    Of an array it is the levels of 0 to 255: to make an image of Pillow's takes longer than a
    training step may wait.

    Args:
        image: An array of numpy's, an image of Pillow's, or an ``Image``.

    Raises:
        TypeError: It is none of that, or an array of something else than numbers.
        InvalidInputError: An array of another shape, integers outside of 0 to 255, or nothing
            to see.

    Warns:
        UserWarning: There are floats outside of 0 to 1.
    """
    import numpy
    import PIL.Image

    if isinstance(image, numpy.ndarray):
        return _levels(_shaped(image))
    if isinstance(image, Image):
        image = image.to_pil()
    if not isinstance(image, PIL.Image.Image):
        raise TypeError(
            f"image is a {type(image).__name__}, and neither an array of numpy's, an image of "
            "Pillow's nor a lakeflow.Image"
        )
    if 0 in image.size:
        raise InvalidInputError(f"image has no pixels: its size is {image.size}")
    return image.copy()


def pillow(picture: Picture) -> PIL.Image.Image:
    """Return a picture as an image of Pillow's."""
    import PIL.Image

    return picture if isinstance(picture, PIL.Image.Image) else PIL.Image.fromarray(picture)


def held_by(picture: Picture) -> int:
    """Return how many bytes a picture holds in memory, at most."""
    import PIL.Image

    if isinstance(picture, PIL.Image.Image):
        return picture.width * picture.height * _MOST_BYTES_A_PIXEL
    return picture.nbytes


def _shaped(array: Pixels) -> Pixels:
    """Return an array of height x width, with 3 or 4 channels or none."""
    if array.dtype.kind not in _KINDS:
        raise TypeError(
            f"image is an array of {array.dtype}, which is none of {', '.join(_KINDS.values())}"
        )
    if array.ndim not in {2, 3}:
        raise InvalidInputError(
            f"image has the shape {array.shape}, and not height x width, or with channels"
        )
    if array.ndim == 3 and array.shape[2] not in {1, 3, 4}:
        raise InvalidInputError(
            f"image has channels of length: {array.shape[2]}, which is none of 1, 3 and 4"
        )
    if array.size == 0:
        raise InvalidInputError(f"image has no pixels: the shape of the array is {array.shape}")
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _levels(array: Pixels) -> Pixels:
    """Return the values of an array as levels of 0 to 255."""
    import numpy

    if array.dtype.kind in "iu":
        # What fits into a byte needs no look.
        if array.dtype != numpy.uint8 and (array.min() < 0 or array.max() > 255):
            raise InvalidInputError(
                f"image has integers out of range: least value {array.min()}, largest value "
                f"{array.max()}",
                hint="levels are 0 to 255; floats from 0 to 1 are taken too",
            )
        # In whatever order it lies in memory: to turn it round takes ten times as long as to
        # copy it, and is done by who packs it.
        levels: Pixels = numpy.array(array, numpy.uint8, order="K")
        return levels
    scaled = _within_one(array) if array.dtype.kind == "f" else array
    # Cut off and not rounded, as in MLflow.
    return (scaled * 255).astype(numpy.uint8, order="K")


def _within_one(array: Pixels) -> Pixels:
    """Return floats as they are if all are within 0 to 1, else scaled to that."""
    import numpy

    low, high = array.min(), array.max()
    # Of NaN neither is true.
    if low >= 0 and high <= 1:
        return array
    finite = numpy.isfinite(array)
    least, most = (array[finite].min(), array[finite].max()) if finite.any() else (0, 1)
    is_scaled = least < 0 or most > 1
    what = "Rescaling the least to 0 and the largest to 1." if is_scaled else ""
    if not finite.all():
        what += " NaN and -inf become black, inf white."
    warnings.warn(
        f"image has floats out of 0 to 1: minimum value {low} and maximum value {high}. "
        f"{what.strip()}",
        stacklevel=2,
    )
    if is_scaled:
        # The difference of two large ones may be none of their type: then all is black.
        with numpy.errstate(all="ignore"):
            array = (array - least) / ((most - least) or 1)
    return numpy.nan_to_num(array, nan=0.0, posinf=1.0, neginf=0.0)


def require_png(picture: Picture) -> None:
    """Check that PNG can hold a picture.

    Raises:
        InvalidInputError: It has no such mode.
    """
    # An array has one.
    mode = getattr(picture, "mode", "L")
    if mode not in _PNG_MODES:
        raise InvalidInputError(
            f"image has mode {mode!r}, which PNG does not know",
            hint="log image.convert('RGB')",
        )


def png(picture: Picture, *, is_packed: bool = True) -> bytes:
    """Return a picture as PNG, exact to the pixel.

    Args:
        picture: The picture.
        is_packed: Whether to pack it, which takes two thirds of the time of logging it.
    """
    import numpy
    import PIL.Image

    if isinstance(picture, PIL.Image.Image) and not _is_plain(picture):
        return _saved(picture, "PNG")
    pixels = numpy.asarray(picture)
    height, width, *channels = pixels.shape
    rows = _filtered(pixels.reshape(height, -1))
    # Images that come faster than they can be packed are stored as they are: nobody waits.
    level = _level(rows) if is_packed else 0
    packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_RLE)
    colour_type = _COLOUR_TYPES[channels[0] if channels else 1]
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    data = packer.compress(rows.data) + packer.flush()
    parts = [data[at : at + _CHUNK_BYTES] for at in range(0, len(data), _CHUNK_BYTES)]
    chunks = [_chunk(b"IDAT", each) for each in parts]
    ends = _chunk(b"IHDR", header), _chunk(b"IEND", b"")
    return b"".join((b"\x89PNG\r\n\x1a\n", ends[0], *chunks, ends[1]))


def _is_plain(image: PIL.Image.Image) -> bool:
    """Return whether an image is nothing but levels of 0 to 255."""
    return image.mode in _PLAIN_MODES and _INFO_OF_PNG.isdisjoint(image.info)


def _filtered(flat: Pixels) -> Pixels:
    """Return rows as PNG packs them: each as its difference to the row above."""
    import numpy

    # Pillow tries five filters on each row and then looks for repeats, which takes 0.2 s for
    # 1024 x 1024 pixels. The difference to the row above alone, and runs instead of repeats,
    # make files of photos that are as small in a quarter of that.
    rows = numpy.empty((len(flat), flat.shape[1] + 1), numpy.uint8)
    rows[:, 0] = 2  # PNG's number of that filter
    rows[0, 1:] = flat[0]
    numpy.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    return rows


def _level(rows: Pixels) -> int:
    """Return the level at which to pack rows: 0 for noise, by a sample of them."""
    import numpy

    sample = rows[:: max(1, len(rows) // 32)].ravel()
    counts = numpy.bincount(sample)
    shares = counts[counts > 0] / sample.size
    return 0 if -(shares * numpy.log2(shares)).sum() > _BITS_OF_NOISE else 1


def _chunk(kind: bytes, data: bytes) -> bytes:
    ends = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    return b"".join((ends[0], kind, data, ends[1]))


def thumbnail(picture: Picture) -> bytes:
    """Return a picture as WebP of the size of a thumbnail."""
    image = pillow(picture)
    # Large images are made smaller by a whole factor first, which nobody can see.
    gap = 1.0 if image.mode in _PLAIN_MODES else None
    small = image.resize(thumbnail_size(*image.size), reducing_gap=gap)
    # Half of the time of Pillow's default, for as many bytes.
    return _saved(small, "WEBP", method=2)


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Return width and height of a thumbnail: 256 pixels and as many as then belong to them."""
    # Divided first, as MLflow does, whose last digit decides whether a pixel is cut off.
    scale = THUMBNAIL_LENGTH / max(width, height)
    # A line of a thousand pixels still has a width of one.
    short = max(1, int(min(width, height) * scale))
    return (THUMBNAIL_LENGTH, short) if width > height else (short, THUMBNAIL_LENGTH)


def encoded(picture: Picture, path: str) -> bytes:
    """Return a picture in the format that a path ends with.

    Raises:
        InvalidInputError: There is no such format, or it cannot hold the picture.
    """
    import PIL.Image

    extension = os.path.splitext(path)[1].lower()
    if extension == ".png":
        require_png(picture)
        return png(picture)
    kind = PIL.Image.registered_extensions().get(extension)
    if kind is None:
        raise InvalidInputError(
            f"unknown file extension: {extension!r} of artifact_file {path!r}",
            hint="give one of an image, such as .png",
        )
    try:
        return _saved(pillow(picture), kind)
    # The writers of Pillow refuse a mode each in its own way.
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInputError(
            f"artifact_file is {path!r}, and the image cannot be saved as {kind}: {error}",
            hint="log image.convert('RGB'), or a .png",
        ) from error


def _saved(image: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> PIL.Image.Image:
    """Return the picture that a file holds."""
    import PIL.Image

    image = PIL.Image.open(io.BytesIO(data))
    image.load()
    return image
