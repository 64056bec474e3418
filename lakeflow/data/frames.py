"""What datasets of frames share, whichever library the frame is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lakeflow.data.dataset import Dataset
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from lakeflow.data.dataset_source import DatasetSource


class FrameDataset(Dataset):
    """A frame with a name, a digest and a source.

    Args:
        df: The frame. It is kept, not copied.
        source: Where it came from.
        targets: Name of the column with what is to be predicted.
        name: Name of the dataset; ``"dataset"`` by default.
        digest: Fingerprint of its content; computed by default.
        predictions: Name of the column with what a model has predicted.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no frame of the library, or has no
            such column.
    """

    _library: ClassVar[str]

    def __init__(
        self,
        df: Any,
        source: DatasetSource,
        targets: str | None = None,
        name: str | None = None,
        digest: str | None = None,
        predictions: str | None = None,
    ) -> None:
        _check_is_frame(df, self._library)
        _check_has(df, "targets", targets)
        _check_has(df, "predictions", predictions)
        self._df = df
        self._targets = targets
        self._predictions = predictions
        super().__init__(source, name, digest)

    @property
    def targets(self) -> str | None:
        """Name of the column with what is to be predicted."""
        return self._targets

    @property
    def predictions(self) -> str | None:
        """Name of the column with what a model has predicted."""
        return self._predictions

    @property
    def profile(self) -> dict[str, Any]:
        """Numbers of rows and of elements."""
        rows, columns = self._df.shape
        return {"num_rows": rows, "num_elements": rows * columns}


def _check_is_frame(frame: object, library: str) -> None:
    # Without loading the library: whose frame it is has loaded it.
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(frame).mro()}
    if (library, "DataFrame") not in kinds:
        kind = type(frame)
        raise InvalidInputError(
            f"df is a {kind.__module__}.{kind.__qualname__}, not a frame of {library}",
            hint="lakeflow.data has from_pandas, from_polars and from_numpy",
        )


def _check_has(frame: Any, purpose: str, column: str | None) -> None:
    names = list(frame.columns)
    if column is not None and column not in names:
        raise InvalidInputError(
            f"{purpose} is {column!r}, and the frame does not contain such a column",
            hint=f"its columns are {names[:20]}",
        )
