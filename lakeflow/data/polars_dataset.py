"""Frames of polars as datasets."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeflow.data import column_types, digests
from lakeflow.data.frames import FrameDataset
from lakeflow.data.sources import resolve

if TYPE_CHECKING:
    import os

    import polars

    from lakeflow.data.dataset_source import DatasetSource


class PolarsDataset(FrameDataset):
    """A frame of polars with a name, a digest and a source; see ``from_polars``."""

    _library = "polars"

    def _compute_digest(self) -> str:
        return digests.of_polars(self._df)

    @property
    def df(self) -> polars.DataFrame:
        """The frame."""
        return self._df  # type: ignore[no-any-return]

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Name and type of each column, and whether it has a value in every row."""
        return {
            "mlflow_colspec": [
                {
                    **column_types.of_polars(column.dtype),
                    "name": column.name,
                    "required": not column.null_count(),
                }
                for column in self._df
            ]
        }


def from_polars(
    df: polars.DataFrame,
    source: str | os.PathLike[str] | DatasetSource | None = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PolarsDataset:
    """Return a frame of polars as a dataset, to be logged with ``lakeflow.log_input``.

    Args:
        df: The frame. It is kept, not copied.
        source: Where it came from: a path, a URL, or one of ``lakeflow.data.sources``; by
            default the program that runs.
        targets: Name of the column with what is to be predicted.
        name: Name of the dataset, at most 500 characters; ``"dataset"`` by default.
        digest: Fingerprint of its content, at most 36 characters; by default one of names,
            number of rows and the first 10,000 rows, which no version of polars changes.
        predictions: Name of the column with what a model has predicted.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no frame of polars, or has no such
            column.

    Examples:
        >>> import polars, lakeflow
        >>> frame = polars.DataFrame({"x": [1.5, 2.5], "y": [0, 1]})
        >>> iris = lakeflow.data.from_polars(frame, "s3://team/iris.csv", "y", "iris")
        >>> iris.digest, iris.profile, iris.source.to_json()
        ('a0a503ad', {'num_rows': 2, 'num_elements': 4}, '{"uri": "s3://team/iris.csv"}')
    """
    return PolarsDataset(df, resolve(source), targets, name, digest, predictions)
