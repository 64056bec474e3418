"""The values that the client takes and returns, with MLflow's names."""

from lakeflow.entities.dataset import Dataset, DatasetInput, InputTag
from lakeflow.entities.experiment import (
    Experiment,
    ExperimentTag,
    LifecycleStage,
    ViewType,
)
from lakeflow.entities.file_info import FileInfo
from lakeflow.entities.paging import PagedList
from lakeflow.entities.run import (
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunStatus,
    RunTag,
    SourceType,
)

__all__ = [
    "Dataset",
    "DatasetInput",
    "Experiment",
    "ExperimentTag",
    "FileInfo",
    "InputTag",
    "LifecycleStage",
    "Metric",
    "PagedList",
    "Param",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunStatus",
    "RunTag",
    "SourceType",
    "ViewType",
]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
