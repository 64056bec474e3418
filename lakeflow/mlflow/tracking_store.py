"""MLflow's tracking store over a lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlflow
from mlflow.store.tracking.abstract_store import AbstractStore

from lakeflow.mlflow.assessments import AssessmentMethods
from lakeflow.mlflow.datasets import DatasetMethods
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.experiments import ExperimentMethods
from lakeflow.mlflow.lake_methods import LakeMethods
from lakeflow.mlflow.left_out import LeftOut
from lakeflow.mlflow.logged_models import LoggedModelMethods
from lakeflow.mlflow.metrics import MetricMethods
from lakeflow.mlflow.review_queues import ReviewQueueMethods
from lakeflow.mlflow.reviews import ReviewMethods
from lakeflow.mlflow.runs import RunMethods
from lakeflow.mlflow.scorers import ScorerMethods

# Their names are the same in both, and what they take is not.
if TYPE_CHECKING or not mlflow.__version__.startswith("2."):
    from lakeflow.mlflow.traces import TraceMethods
else:
    from lakeflow.mlflow.two_step_traces import TraceMethodsOf2 as TraceMethods


@raises_mlflow
class TrackingStore(
    ExperimentMethods,
    RunMethods,
    MetricMethods,
    TraceMethods,
    AssessmentMethods,
    LoggedModelMethods,
    DatasetMethods,
    ScorerMethods,
    ReviewMethods,
    ReviewQueueMethods,
    # Before MLflow's class, whose bodies it stands over.
    LeftOut,
    AbstractStore,
):
    """What MLflow asks a tracking store for; each noun is in a module of its own.

    Args:
        store_uri: Location of the lake, which is made if there is none.
        artifact_uri: Where new experiments keep artifacts; in the lake by default.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        # By name: they take other arguments, and MLflow's calls no other one.
        LakeMethods.__init__(self, store_uri, artifact_uri)
        AbstractStore.__init__(self)
