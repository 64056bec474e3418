"""Experiments of MLflow's, each for one of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.entities import LifecycleStage

from lakeflow.mlflow.locations import is_lakeflow

if TYPE_CHECKING:
    from mlflow.entities import Experiment

    from lakeflow.mlflow.exporting.target import Export


class Place:
    """An experiment of MLflow's that takes what one of the lake holds.

    Args:
        export: The export.
        experiment: The experiment of the lake.

    Attributes:
        experiment_id: Its id in MLflow; None where it is not there.
    """

    def __init__(self, export: Export, experiment: Experiment) -> None:
        self._export = export
        self._experiment = experiment
        self.experiment_id: str | None = None
        self._is_deleted = False

    def find(self) -> bool:
        """Find the experiment of that name."""
        found = self._export.target.get_experiment_by_name(self._experiment.name)
        if found is None:
            return False
        self.experiment_id = found.experiment_id
        self._is_deleted = found.lifecycle_stage == LifecycleStage.DELETED
        if not self._export.wanted.dry_run:
            self._set_tags(found)
        return True

    def create(self) -> bool:
        """Make it; returns whether MLflow takes it."""
        name, location = self._experiment.name, self._experiment.artifact_location
        # A place in the lake would be no place of its own; where files stay there is said.
        apart = None if is_lakeflow(location) else location
        self.experiment_id = self._export.refusable(
            f"experiment {name!r}",
            lambda: self._export.target.create_experiment(name, apart, self._experiment.tags),
        )
        self._export.report.written["experiments"] += self.experiment_id is not None
        return self.experiment_id is not None

    def _set_tags(self, found: Experiment) -> None:
        for key, value in self._experiment.tags.items():
            if found.tags.get(key) != value:
                self.open()
                self._export.refusable(
                    f"experiment {found.name!r}, tag {key!r}",
                    lambda key=key, value=value: self._export.target.set_experiment_tag(  # type: ignore[misc]
                        found.experiment_id, key, value
                    ),
                )

    def open(self) -> str:
        """Let it be written to, and return its id."""
        assert self.experiment_id is not None
        if self._is_deleted:
            # MLflow takes nothing for an experiment that is deleted.
            self._export.target.restore_experiment(self.experiment_id)
            self._is_deleted = False
        return self.experiment_id

    def leave(self) -> None:
        """Delete it where the lake has it deleted."""
        gone = self._experiment.lifecycle_stage == LifecycleStage.DELETED
        if gone and not self._is_deleted and not self._export.wanted.dry_run:
            self._export.target.delete_experiment(self.experiment_id)
