"""Images: their files, pixels, tags and errors."""

import numpy
import PIL.Image
import pytest

RANDOM = numpy.random.default_rng(0)
LEVELS = RANDOM.integers(0, 256, (7, 9, 4))
FLOATS = LEVELS[..., :3] / 255

ARRAYS = {
    "grey": LEVELS[..., 0].astype("u1"),
    "grey as a channel": LEVELS[..., :1].astype("u1"),
    "RGB": LEVELS[..., :3].astype("u1"),
    "RGBA": LEVELS.astype("u1"),
    "signed": LEVELS[..., :3].astype("i2"),
    "long": LEVELS,
    "mask": LEVELS[..., 0] > 99,
    "mask of RGB": LEVELS[..., :3] > 99,
    "half": FLOATS.astype("f2"),
    "float": FLOATS.astype("f4"),
    "double": FLOATS,
    "floats out of range": FLOATS.astype("f4") * 3 - 1,
    "all floats alike": numpy.full((3, 3), 1.0),
    "tall": RANDOM.integers(0, 256, (600, 20, 3), "u1"),
    "one pixel": numpy.array([[7]], "u1"),
}

PILLOW = {
    f"Pillow {mode}": PIL.Image.fromarray(LEVELS.astype("u1")).convert("RGB").convert(mode)
    for mode in ("1", "L", "LA", "RGB", "RGBA")
}


@pytest.mark.filterwarnings("ignore:image has floats")
def test_images_of_steps_are_the_same_files(both):
    run = both("create_run", "0")
    for step, (name, image) in enumerate({**ARRAYS, **PILLOW}.items()):
        both("log_image", run, image, key=f"a b/{name}", step=step, timestamp=5)
    both("log_image", run, ARRAYS["RGB"], key="defaults", timestamp=5)
    both("log_image", run, ARRAYS["RGB"], key="zero", step=0, timestamp=5, synchronous=True)
    theirs, ours = (each["value"] for each in both.answers("steps", run))
    assert len(ours) == 2 * (len(ARRAYS) + len(PILLOW) + 2)
    # A path with these characters is not one that an MLflow's server finds; MLflow 3 writes ours.
    theirs = {path.translate({0x25: "+", 0x23: "~"}): each for path, each in theirs.items()}
    assert theirs.keys() == ours.keys()
    for path, found in theirs.items():
        assert ours[path]["kind"] == found["kind"], path
        assert ours[path]["pixels"] == found["pixels"], path
        difference = numpy.subtract(ours[path]["small"], found["small"])
        assert numpy.abs(difference).mean() < 6, path


BAD = {
    "objects": (numpy.array([["a"]], object), {"key": "k"}),
    "texts": (numpy.array([["a"]]), {"key": "k"}),
    "one dimension": (numpy.zeros(3), {"key": "k"}),
    "four dimensions": (numpy.zeros((1, 2, 2, 3)), {"key": "k"}),
    "two channels": (numpy.zeros((2, 2, 2)), {"key": "k"}),
    "too large": (numpy.array([[256]]), {"key": "k"}),
    "negative": (numpy.array([[-1]]), {"key": "k"}),
    "empty": (numpy.zeros((0, 2)), {"key": "k"}),
    "a list": ([[1]], {"key": "k"}),
    "nothing": (None, {"key": "k"}),
    "no name": (ARRAYS["RGB"], {}),
    "a step alone": (ARRAYS["RGB"], {"step": 1}),
    "two names": (ARRAYS["RGB"], {"artifact_file": "a.png", "key": "k"}),
    "a file of a step": (ARRAYS["RGB"], {"artifact_file": "a.png", "step": 0}),
    "a file of a time": (ARRAYS["RGB"], {"artifact_file": "a.png", "timestamp": 0}),
    "both are wrong": (None, {"artifact_file": "a.png", "key": "k"}),
    "a key with #": (ARRAYS["RGB"], {"key": "a#b"}),
    "an empty key": (ARRAYS["RGB"], {"key": ""}),
    "a bad key of no image": (None, {"key": "a#b"}),
    "no extension": (ARRAYS["RGB"], {"artifact_file": "a"}),
    "an unknown extension": (ARRAYS["RGB"], {"artifact_file": "a.nothing"}),
}


def test_the_same_images_are_refused(answering):
    run = answering("create_run", "0")
    for name, (image, named) in BAD.items():
        theirs, ours = answering.answers("log_image", run, image, **named)
        # Ours is a ValueError with a code.
        expected = {"ValueError": "INVALID_PARAMETER_VALUE"}.get(
            theirs["error"], theirs["error"]
        )
        assert ours["error"] == expected, (name, theirs, ours)
    assert answering("list_artifacts", run) == []
