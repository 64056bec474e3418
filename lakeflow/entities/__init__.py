"""The values that the client takes and returns, with MLflow's names."""

from lakeflow.entities.assessment import (
    Assessment,
    AssessmentError,
    Expectation,
    ExpectationValue,
    Feedback,
    FeedbackValue,
    IssueReference,
)
from lakeflow.entities.assessment_source import AssessmentSource, AssessmentSourceType
from lakeflow.entities.dataset import Dataset, DatasetInput, InputTag
from lakeflow.entities.evaluation_dataset import (
    DatasetRecord,
    DatasetRecordSource,
    DatasetRecordSourceType,
    EvaluationDataset,
)
from lakeflow.entities.experiment import (
    Experiment,
    ExperimentTag,
    LifecycleStage,
    ViewType,
)
from lakeflow.entities.file_info import FileInfo
from lakeflow.entities.live_span import LiveSpan
from lakeflow.entities.logged_model import (
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
)
from lakeflow.entities.paging import PagedList
from lakeflow.entities.reviews import Issue, LabelSchema, ReviewQueue, ReviewQueueItem
from lakeflow.entities.run import (
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
    SourceType,
)
from lakeflow.entities.scorer import OnlineScoringConfig, ScorerVersion
from lakeflow.entities.span import NO_OP_SPAN_REQUEST_ID, NoOpSpan, Span, SpanType
from lakeflow.entities.span_event import SpanEvent
from lakeflow.entities.span_log_level import SpanLogLevel
from lakeflow.entities.span_status import SpanStatus, SpanStatusCode
from lakeflow.entities.trace import Trace, TraceData
from lakeflow.entities.trace_info import TraceInfo, TraceState, TraceStatus

__all__ = [
    "NO_OP_SPAN_REQUEST_ID",
    "Assessment",
    "AssessmentError",
    "AssessmentSource",
    "AssessmentSourceType",
    "Dataset",
    "DatasetInput",
    "DatasetRecord",
    "DatasetRecordSource",
    "DatasetRecordSourceType",
    "EvaluationDataset",
    "Expectation",
    "ExpectationValue",
    "Experiment",
    "ExperimentTag",
    "Feedback",
    "FeedbackValue",
    "FileInfo",
    "InputTag",
    "Issue",
    "IssueReference",
    "LabelSchema",
    "LifecycleStage",
    "LiveSpan",
    "LoggedModel",
    "LoggedModelInput",
    "LoggedModelOutput",
    "LoggedModelParameter",
    "LoggedModelStatus",
    "LoggedModelTag",
    "Metric",
    "NoOpSpan",
    "OnlineScoringConfig",
    "PagedList",
    "Param",
    "ReviewQueue",
    "ReviewQueueItem",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunOutputs",
    "RunStatus",
    "RunTag",
    "ScorerVersion",
    "SourceType",
    "Span",
    "SpanEvent",
    "SpanLogLevel",
    "SpanStatus",
    "SpanStatusCode",
    "SpanType",
    "Trace",
    "TraceData",
    "TraceInfo",
    "TraceState",
    "TraceStatus",
    "ViewType",
]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
