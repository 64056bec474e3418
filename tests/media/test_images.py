"""Arrays and images of Pillow's as the content of files."""

from __future__ import annotations

import io
import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lakeflow
from lakeflow.exceptions import InvalidInputError
from lakeflow.media import images

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "50"))


def opened(data: bytes) -> PIL.Image.Image:
    image = PIL.Image.open(io.BytesIO(data))
    image.load()
    return image


def photo(width: int, height: int) -> numpy.ndarray[Any, Any]:
    """Return what has smooth parts, edges and noise, as photos do."""
    y, x = numpy.mgrid[0:height, 0:width]
    waves = [numpy.sin(x / 40 + c) * numpy.cos(y / 30) * 90 + 128 for c in range(3)]
    pixels = numpy.stack(waves, -1) + numpy.random.default_rng(0).normal(
        0, 4, (height, width, 1)
    )
    pixels[height // 3 : height // 2, width // 3 : width // 2] = (250, 20, 20)
    return pixels.clip(0, 255).astype(numpy.uint8)


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([(), (1,), (3,), (4,)]),
    st.sampled_from(["?", "u1", "i2", ">u4", "i8", "f2", "f4", ">f8"]),
    st.integers(0, 3),
    st.booleans(),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_array_is_kept_exact_to_the_pixel(
    size: tuple[int, int], channels: tuple[int, ...], dtype: str, seed: int, is_turned: bool
) -> None:
    random = numpy.random.default_rng(seed)
    levels = random.integers(0, 256 if seed else 2, (*size, *channels))
    if dtype == "?":
        levels = levels % 2 * 255
    array = levels.astype(dtype) if "f" not in dtype else (levels / 255).astype(dtype)
    expected = levels.astype("u1") if "f" not in dtype else (array * 255).astype("u1")
    if is_turned:
        # Memory that is not in order.
        array, expected = array[::-1, ::-1], expected[::-1, ::-1]
    found = numpy.asarray(opened(images.png(images.taken(array))))
    assert (found == expected.reshape(found.shape)).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA"])
def test_every_mode_of_png_is_kept(mode: str) -> None:
    image = PIL.Image.fromarray(photo(30, 20)).convert("L" if mode == "I;16" else mode)
    image = image.convert(mode)
    found = opened(images.png(images.taken(image)))
    assert found.mode == mode
    assert found.tobytes() == image.tobytes()
    assert max(opened(images.thumbnail(image)).size) == 256


def test_of_sixteen_bits_either_end_may_come_first() -> None:
    image = PIL.Image.new("I;16B", (3, 2), 513)
    images.require_png(image)
    assert opened(images.png(images.taken(image))).getpixel((2, 1)) == 513
    assert opened(images.thumbnail(image)).size == (256, 170)


def test_a_profile_of_colours_is_kept() -> None:
    image = PIL.Image.new("RGB", (3, 2), (1, 2, 3))
    image.info["icc_profile"] = b"a profile"
    found = opened(images.png(images.taken(image)))
    assert found.info["icc_profile"] == b"a profile"
    assert found.tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["F", "I", "CMYK", "HSV", "YCbCr"])
def test_a_mode_that_png_does_not_know_is_refused(mode: str) -> None:
    with pytest.raises(InvalidInputError, match=f"mode '{mode}'"):
        images.require_png(PIL.Image.new(mode, (3, 2)))


@pytest.mark.parametrize(
    ("array", "error", "text"),
    [
        (numpy.array([["a"]], dtype=object), TypeError, "array of object"),
        (numpy.zeros((2, 2), complex), TypeError, "complex"),
        (numpy.zeros(4, numpy.uint8), ValueError, r"\(4,\)"),
        (numpy.zeros((1, 2, 2, 3), numpy.uint8), ValueError, "1, 2, 2, 3"),
        (numpy.zeros((2, 2, 2), numpy.uint8), ValueError, "length: 2"),
        (numpy.array([[256]]), ValueError, "value 256"),
        (numpy.array([[-1]]), ValueError, "value -1"),
        (numpy.zeros((0, 3), numpy.uint8), ValueError, "no pixels"),
        (PIL.Image.new("L", (0, 3)), ValueError, "no pixels"),
        ([[1]], TypeError, "list"),
        ("image.png", TypeError, "str"),
    ],
)
def test_what_is_no_image_is_refused(array: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        images.taken(array)


@pytest.mark.parametrize(
    ("values", "levels", "text"),
    [
        ([-1.0, 0.0, 1.0], [0, 127, 255], "Rescaling"),
        ([2.0, 3.0, 4.0], [0, 127, 255], "minimum value 2.0 and maximum value 4.0"),
        ([7.0, 7.0, 7.0], [0, 0, 0], "Rescaling"),
        ([numpy.nan, 0.5, 1.0], [0, 127, 255], "NaN"),
        ([-numpy.inf, 0.5, numpy.inf], [0, 127, 255], "inf"),
        ([numpy.inf, 0.0, 4.0], [255, 0, 255], "Rescaling"),
        ([numpy.nan] * 3, [0, 0, 0], "NaN"),
    ],
)
def test_floats_out_of_range_are_scaled_with_a_warning(
    values: list[float], levels: list[int], text: str
) -> None:
    with pytest.warns(UserWarning, match=text):
        found = images.taken(numpy.array([values]))
    assert numpy.asarray(found).tolist() == [levels]


def test_floats_in_range_are_no_reason_to_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = images.taken(numpy.array([[0.0, 0.5, 1.0]], numpy.float32))
    assert numpy.asarray(found).tolist() == [[0, 127, 255]]


@pytest.mark.parametrize("is_array", [True, False])
def test_what_is_taken_does_not_change_any_more(is_array: bool) -> None:
    array = numpy.zeros((2, 2, 4), numpy.uint8)
    image = PIL.Image.fromarray(array.copy())
    found = images.taken(array if is_array else image)
    array[:] = 9
    image.putpixel((0, 0), (9, 9, 9, 9))
    assert not numpy.asarray(found).any()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1024, 512), (256, 128)),
        ((10, 20), (128, 256)),
        ((3, 3), (256, 256)),
        ((394, 393), (256, 255)),
        ((1000, 1), (256, 1)),
        ((1, 1000), (1, 256)),
    ],
)
def test_the_longer_side_of_a_thumbnail_has_256_pixels(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    found = opened(images.thumbnail(PIL.Image.new("RGB", size)))
    assert (found.format, found.size) == ("WEBP", expected)


def test_a_thumbnail_looks_like_its_image() -> None:
    pixels = photo(1000, 700)
    found = opened(images.thumbnail(pixels))
    best = PIL.Image.fromarray(pixels).resize(found.size, PIL.Image.Resampling.LANCZOS)
    difference = numpy.asarray(found).astype(int) - numpy.asarray(best)
    assert numpy.abs(difference).mean() < 3
    assert numpy.percentile(numpy.abs(difference), 99) < 25


def test_a_large_photo_is_packed_and_noise_is_not() -> None:
    pixels = photo(400, 300)
    assert len(images.png(pixels)) < 0.75 * pixels.nbytes
    noise = numpy.random.default_rng(0).integers(0, 256, pixels.shape, numpy.uint8)
    assert noise.nbytes < len(images.png(noise)) < 1.01 * noise.nbytes


@pytest.mark.parametrize("path", ["a.png", "a.PNG", "a.jpg", "dir/a.webp", "a.bmp", "a.gif"])
def test_the_extension_says_the_format(path: str) -> None:
    found = opened(images.encoded(photo(30, 20), path))
    assert found.format in {"PNG", "JPEG", "WEBP", "BMP", "GIF"}
    assert found.format[0] == path.split(".")[-1][0].upper()
    assert found.size == (30, 20)


@pytest.mark.parametrize(
    ("mode", "path"), [("RGB", "a"), ("RGB", "a.txt"), ("RGBA", "a.jpg"), ("F", "a.png")]
)
def test_a_format_that_cannot_hold_it_is_refused(mode: str, path: str) -> None:
    with pytest.raises(InvalidInputError, match=r"a\.|mode 'F'|extension: ''"):
        images.encoded(PIL.Image.new(mode, (2, 2)), path)


def test_an_image_is_made_of_anything_that_shows_one(tmp_path: Path) -> None:
    pixels = photo(4, 3)
    PIL.Image.fromarray(pixels).save(tmp_path / "a.png")
    for given_ in (
        pixels,
        pixels.tolist(),
        PIL.Image.fromarray(pixels),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
    ):
        image = lakeflow.Image(given_)
        assert image.size == (4, 3)
        assert (image.to_array() == pixels).all()
        assert image.to_list() == [tuple(each) for each in pixels.reshape(-1, 3).tolist()]
        assert image.to_pil().size == (4, 3)
        assert image.resize((2, 2)).size == (2, 2)
        image.save(tmp_path / "b.png")
        assert opened((tmp_path / "b.png").read_bytes()).size == (4, 3)
    assert lakeflow.Image(numpy.array([[1, 2]])).to_list() == [1, 2]
    with pytest.raises(TypeError, match="int"):
        lakeflow.Image(7)  # type: ignore[arg-type]
