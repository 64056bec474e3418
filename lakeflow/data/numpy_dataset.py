"""Arrays of numpy as datasets."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeflow.data import digests
from lakeflow.data.dataset import Dataset
from lakeflow.data.sources import resolve
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    import os

    import numpy

    from lakeflow.data.dataset_source import DatasetSource

    Array = numpy.ndarray[Any, Any]
    Arrays = Array | dict[str, Array]


class NumpyDataset(Dataset):
    """Arrays of numpy with a name, a digest and a source; see ``from_numpy``."""

    def __init__(
        self,
        features: Arrays,
        source: DatasetSource,
        targets: Arrays | None = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        _check(features, "features")
        if targets is not None:
            _check(targets, "targets")
        self._features = features
        self._targets = targets
        super().__init__(source, name, digest)

    def _compute_digest(self) -> str:
        return digests.of_numpy(*_listed(self._features), *_listed(self._targets))

    @property
    def features(self) -> Arrays:
        """The array that is learnt from, or several by name."""
        return self._features

    @property
    def targets(self) -> Arrays | None:
        """The array with what is to be predicted, or several by name."""
        return self._targets

    @property
    def profile(self) -> dict[str, Any]:
        """Shape, number of elements and bytes of features and targets."""
        given = {"features": self._features, "targets": self._targets}
        return {
            f"{name}_{measure}": _measured(arrays, measure)
            for name, arrays in given.items()
            if arrays is not None
            for measure in ("shape", "size", "nbytes")
        }

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Type and shape of features and targets; the first dimension may be of any size."""
        given = {"features": self._features, "targets": self._targets}
        return {"mlflow_tensorspec": {name: _specs(each) for name, each in given.items()}}


def _check(arrays: object, path: str) -> None:
    import numpy

    given = arrays if isinstance(arrays, dict) else {"": arrays}
    for name, each in given.items():
        if not isinstance(each, numpy.ndarray):
            place = f"{path}[{name!r}]" if isinstance(arrays, dict) else path
            raise InvalidInputError(
                f"{place} is a {type(each).__name__}, not an array of numpy",
                hint="numpy.asarray makes one",
            )


def _listed(arrays: Arrays | None) -> list[Array]:
    if isinstance(arrays, dict):
        # In the order in which MLflow hashes them.
        return [arrays[name] for name in sorted(arrays)]
    return [] if arrays is None else [arrays]


def _measured(arrays: Arrays, measure: str) -> Any:
    if isinstance(arrays, dict):
        return {name: getattr(array, measure) for name, array in arrays.items()}
    return getattr(arrays, measure)


def _specs(arrays: Arrays | None) -> str | None:
    if arrays is None:
        return None
    if isinstance(arrays, dict):
        return json.dumps([{"name": name, **_spec(each)} for name, each in arrays.items()])
    return json.dumps([_spec(arrays)])


def _spec(array: Array) -> dict[str, Any]:
    # Not how long the longest text is.
    kind = {"U": "str", "S": "bytes"}.get(array.dtype.kind, array.dtype.name)
    shape = [-1, *array.shape[1:]] if array.ndim else []
    return {"type": "tensor", "tensor-spec": {"dtype": kind, "shape": shape}}


def from_numpy(
    features: Arrays,
    source: str | os.PathLike[str] | DatasetSource | None = None,
    targets: Arrays | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> NumpyDataset:
    """Return arrays of numpy as a dataset, to be logged with ``lakeflow.log_input``.

    Args:
        features: The array that is learnt from, or several by name. They are kept, not copied.
        source: Where they came from: a path, a URL, or one of ``lakeflow.data.sources``; by
            default the program that runs.
        targets: The array with what is to be predicted, or several by name.
        name: Name of the dataset, at most 500 characters; ``"dataset"`` by default.
        digest: Fingerprint of its content, at most 36 characters; by default MLflow's, of the
            shapes and of the first 10,000 elements of each array.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, what is given is no array.
        LakeflowException: FEATURE_DISABLED, the digest of texts needs pandas.

    Examples:
        >>> import numpy, lakeflow
        >>> digits = lakeflow.data.from_numpy(numpy.zeros((3, 2)), targets=numpy.arange(3))
        >>> digits.name, digits.digest, digits.profile["features_shape"]
        ('dataset', 'fc538856', (3, 2))
    """
    return NumpyDataset(features, resolve(source), targets, name, digest)
