"""The values that the client takes and returns, with MLflow's names."""

from typing import TYPE_CHECKING

from lakeflow.lazy_loading import attach

if TYPE_CHECKING:
    from lakeflow.entities.assessment import Assessment as Assessment
    from lakeflow.entities.assessment import AssessmentError as AssessmentError
    from lakeflow.entities.assessment import Expectation as Expectation
    from lakeflow.entities.assessment import ExpectationValue as ExpectationValue
    from lakeflow.entities.assessment import Feedback as Feedback
    from lakeflow.entities.assessment import FeedbackValue as FeedbackValue
    from lakeflow.entities.assessment import IssueReference as IssueReference
    from lakeflow.entities.assessment_source import AssessmentSource as AssessmentSource
    from lakeflow.entities.assessment_source import AssessmentSourceType as AssessmentSourceType
    from lakeflow.entities.dataset import Dataset as Dataset
    from lakeflow.entities.dataset import DatasetInput as DatasetInput
    from lakeflow.entities.dataset import InputTag as InputTag
    from lakeflow.entities.evaluation_dataset import DatasetRecord as DatasetRecord
    from lakeflow.entities.evaluation_dataset import DatasetRecordSource as DatasetRecordSource
    from lakeflow.entities.evaluation_dataset import (
        DatasetRecordSourceType as DatasetRecordSourceType,
    )
    from lakeflow.entities.evaluation_dataset import EvaluationDataset as EvaluationDataset
    from lakeflow.entities.experiment import Experiment as Experiment
    from lakeflow.entities.experiment import ExperimentTag as ExperimentTag
    from lakeflow.entities.experiment import LifecycleStage as LifecycleStage
    from lakeflow.entities.experiment import ViewType as ViewType
    from lakeflow.entities.file_info import FileInfo as FileInfo
    from lakeflow.entities.live_span import LiveSpan as LiveSpan
    from lakeflow.entities.logged_model import LoggedModel as LoggedModel
    from lakeflow.entities.logged_model import LoggedModelInput as LoggedModelInput
    from lakeflow.entities.logged_model import LoggedModelOutput as LoggedModelOutput
    from lakeflow.entities.logged_model import LoggedModelParameter as LoggedModelParameter
    from lakeflow.entities.logged_model import LoggedModelStatus as LoggedModelStatus
    from lakeflow.entities.logged_model import LoggedModelTag as LoggedModelTag
    from lakeflow.entities.paging import PagedList as PagedList
    from lakeflow.entities.reviews import Issue as Issue
    from lakeflow.entities.reviews import LabelSchema as LabelSchema
    from lakeflow.entities.reviews import ReviewQueue as ReviewQueue
    from lakeflow.entities.reviews import ReviewQueueItem as ReviewQueueItem
    from lakeflow.entities.run import Metric as Metric
    from lakeflow.entities.run import Param as Param
    from lakeflow.entities.run import Run as Run
    from lakeflow.entities.run import RunData as RunData
    from lakeflow.entities.run import RunInfo as RunInfo
    from lakeflow.entities.run import RunInputs as RunInputs
    from lakeflow.entities.run import RunOutputs as RunOutputs
    from lakeflow.entities.run import RunStatus as RunStatus
    from lakeflow.entities.run import RunTag as RunTag
    from lakeflow.entities.run import SourceType as SourceType
    from lakeflow.entities.scorer import OnlineScoringConfig as OnlineScoringConfig
    from lakeflow.entities.scorer import ScorerVersion as ScorerVersion
    from lakeflow.entities.span import NO_OP_SPAN_REQUEST_ID as NO_OP_SPAN_REQUEST_ID
    from lakeflow.entities.span import NoOpSpan as NoOpSpan
    from lakeflow.entities.span import Span as Span
    from lakeflow.entities.span_event import SpanEvent as SpanEvent
    from lakeflow.entities.span_log_level import SpanLogLevel as SpanLogLevel
    from lakeflow.entities.span_status import SpanStatus as SpanStatus
    from lakeflow.entities.span_status import SpanStatusCode as SpanStatusCode
    from lakeflow.entities.span_type import SpanType as SpanType
    from lakeflow.entities.trace import Trace as Trace
    from lakeflow.entities.trace import TraceData as TraceData
    from lakeflow.entities.trace_info import TraceInfo as TraceInfo
    from lakeflow.entities.trace_info import TraceState as TraceState
    from lakeflow.entities.trace_info import TraceStatus as TraceStatus
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "lakeflow.entities.assessment": (
                "Assessment AssessmentError Expectation ExpectationValue Feedback "
                "FeedbackValue IssueReference"
            ),
            "lakeflow.entities.assessment_source": "AssessmentSource AssessmentSourceType",
            "lakeflow.entities.dataset": "Dataset DatasetInput InputTag",
            "lakeflow.entities.evaluation_dataset": (
                "DatasetRecord DatasetRecordSource DatasetRecordSourceType EvaluationDataset"
            ),
            "lakeflow.entities.experiment": "Experiment ExperimentTag LifecycleStage ViewType",
            "lakeflow.entities.file_info": "FileInfo",
            "lakeflow.entities.live_span": "LiveSpan",
            "lakeflow.entities.logged_model": (
                "LoggedModel LoggedModelInput LoggedModelOutput LoggedModelParameter "
                "LoggedModelStatus LoggedModelTag"
            ),
            "lakeflow.entities.paging": "PagedList",
            "lakeflow.entities.reviews": "Issue LabelSchema ReviewQueue ReviewQueueItem",
            "lakeflow.entities.run": (
                "Metric Param Run RunData RunInfo RunInputs RunOutputs RunStatus RunTag "
                "SourceType"
            ),
            "lakeflow.entities.scorer": "OnlineScoringConfig ScorerVersion",
            "lakeflow.entities.span": "NO_OP_SPAN_REQUEST_ID NoOpSpan Span",
            "lakeflow.entities.span_event": "SpanEvent",
            "lakeflow.entities.span_log_level": "SpanLogLevel",
            "lakeflow.entities.span_status": "SpanStatus SpanStatusCode",
            "lakeflow.entities.span_type": "SpanType",
            "lakeflow.entities.trace": "Trace TraceData",
            "lakeflow.entities.trace_info": "TraceInfo TraceState TraceStatus",
        },
    )
