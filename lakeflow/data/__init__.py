"""Datasets that runs use: what identifies a frame or arrays, and where they came from.

    dataset = lakeflow.data.from_pandas(frame, source="s3://team/iris.csv", name="iris")
    lakeflow.log_input(dataset, context="training")

Names, digests, schemas and sources are MLflow's, so that a dataset is the same one in both.
pandas, polars and numpy are loaded by the call that is about them.
"""

from lakeflow.data import sources
from lakeflow.data.dataset import Dataset
from lakeflow.data.dataset_source import DatasetSource
from lakeflow.data.numpy_dataset import from_numpy
from lakeflow.data.pandas_dataset import from_pandas
from lakeflow.data.polars_dataset import from_polars
from lakeflow.data.sources import get_source

__all__ = [
    "Dataset",
    "DatasetSource",
    "from_numpy",
    "from_pandas",
    "from_polars",
    "get_source",
    "sources",
]
