"""Frames of pandas as datasets."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeflow.data import column_types, digests
from lakeflow.data.frames import FrameDataset
from lakeflow.data.sources import resolve

if TYPE_CHECKING:
    import os

    import pandas

    from lakeflow.data.dataset_source import DatasetSource


class PandasDataset(FrameDataset):
    """A frame of pandas with a name, a digest and a source; see ``from_pandas``."""

    _library = "pandas"

    def _compute_digest(self) -> str:
        return digests.of_pandas(self._df)

    @property
    def df(self) -> pandas.DataFrame:
        """The frame."""
        return self._df

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Name and type of each column, and whether it has a value in every row."""
        columns = (self._df.iloc[:, number] for number in range(self._df.shape[1]))
        return {"mlflow_colspec": [_column(each) for each in columns]}


def _column(column: pandas.Series[Any]) -> dict[str, Any]:
    # Of objects the first ones tell the type, as of a digest.
    kind = (
        column_types.of_values(column.head(digests.MOST_ROWS).dropna().to_list())
        if column.dtype.kind == "O"
        else column_types.of_dtype(column.dtype)
    )
    return {**kind, "name": column.name, "required": not column.hasnans}


def from_pandas(
    df: pandas.DataFrame,
    source: str | os.PathLike[str] | DatasetSource | None = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """Return a frame of pandas as a dataset, to be logged with ``lakeflow.log_input``.

    Args:
        df: The frame. It is kept, not copied.
        source: Where it came from: a path, a URL, or one of ``lakeflow.data.sources``; by
            default the program that runs.
        targets: Name of the column with what is to be predicted.
        name: Name of the dataset, at most 500 characters; ``"dataset"`` by default.
        digest: Fingerprint of its content, at most 36 characters; by default MLflow's, of the
            first 10,000 rows.
        predictions: Name of the column with what a model has predicted.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no frame of pandas, or has no such
            column.

    Examples:
        >>> import pandas, lakeflow
        >>> frame = pandas.DataFrame({"x": [1.5, 2.5], "y": [0, 1]})
        >>> iris = lakeflow.data.from_pandas(frame, "s3://team/iris.csv", "y", "iris")
        >>> iris.digest, iris.profile, iris.source.to_json()
        ('f7c6019e', {'num_rows': 2, 'num_elements': 4}, '{"uri": "s3://team/iris.csv"}')
    """
    return PandasDataset(df, resolve(source), targets, name, digest, predictions)
