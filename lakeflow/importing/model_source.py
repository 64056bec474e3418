"""What a source of MLflow's offers beside runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lakeflow.importing.items import ExperimentItem, FileItem
    from lakeflow.importing.model_items import (
        LoggedModelItem,
        ModelPoint,
        ModelVersionItem,
        RegisteredModelItem,
    )
    from lakeflow.importing.trace_items import TraceItem


@runtime_checkable
class ModelSource(Protocol):
    """A source that holds models and traces too: read as ``Source`` is."""

    def registered_models(self) -> Iterator[RegisteredModelItem]:
        """Yield all registered models."""

    def model_versions(self, model: RegisteredModelItem) -> Iterator[ModelVersionItem]:
        """Yield the versions of a model in the order of their numbers."""

    def logged_models(self, experiments: Iterable[ExperimentItem]) -> Iterator[LoggedModelItem]:
        """Yield the logged models of some experiments; those of others may come too."""

    def model_points(self, model: LoggedModelItem) -> Iterator[Sequence[ModelPoint]]:
        """Yield the points of a logged model, some thousands at once, in the same order."""

    def model_files(self, model: LoggedModelItem) -> Iterator[FileItem]:
        """Yield the files of a logged model."""

    def traces(self, experiment: ExperimentItem, since: int | None) -> Iterator[TraceItem]:
        """Yield the traces of an experiment.

        Args:
            experiment: One that ``experiments`` has yielded.
            since: As in ``Wanted``; others may come too.
        """
