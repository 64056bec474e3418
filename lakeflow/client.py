"""LakeflowClient: MLflow's client over a lake. It documents and delegates, nothing else."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeflow import context
from lakeflow.dataset_client import DatasetClient
from lakeflow.entities import LifecycleStage, ViewType
from lakeflow.filesystem.location import canonical
from lakeflow.logged_model_client import LoggedModelClient
from lakeflow.open_store import open_store
from lakeflow.printable import without_password
from lakeflow.registry_client import RegistryClient
from lakeflow.trace_client import TraceClient

if TYPE_CHECKING:
    import datetime
    import os
    from collections.abc import Sequence

    import numpy
    import PIL.Image

    from lakeflow.entities import (
        DatasetInput,
        Experiment,
        FileInfo,
        LoggedModelInput,
        Metric,
        PagedList,
        Param,
        Run,
        RunTag,
    )
    from lakeflow.media.images import Image
    from lakeflow.stores.run_operations import RunOperations
    from lakeflow.stores.store import Store
    from lakeflow.tracing.client_traces import ClientTraces


class LakeflowClient(RegistryClient, TraceClient, DatasetClient, LoggedModelClient):
    """Create, change and read what is in a lake, as ``MlflowClient`` does.

    Experiments and runs are in one lake; registered models are in the same one, or in one of
    their own.

    Nothing is read or written before the first call. Where there is no lake yet, calls about
    experiments, searches, ``create_run`` and ``create_registered_model`` make one, as MLflow
    makes a store; calls about one run or one model do not, and raise NotFoundError. Clients of
    one lake in one process share what they know; a client may be copied, pickled and used by
    several threads.

    Durability: what a call returned from survives the death of the process, and every other
    process sees it at its next read. ``LAKEFLOW_DURABILITY=fsync`` makes it survive a power
    cut too.

    Args:
        tracking_uri: Location of the lake: a folder, ``file://``, ``memory://name``,
            another fsspec URL, ``lakeflow:///folder`` or ``lakeflow+<URL>``. By default what
            ``set_tracking_uri`` set, else ``LAKEFLOW_TRACKING_URI`` or
            ``MLFLOW_TRACKING_URI``, else ``./lake``.
        registry_uri: Location of the model registry. By default what ``set_registry_uri``
            set, else ``LAKEFLOW_REGISTRY_URI`` or ``MLFLOW_REGISTRY_URI``, else the same
            lake.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a URI that is no location.

    Examples:
        >>> from lakeflow import LakeflowClient
        >>> client = LakeflowClient("memory://doc-client")
        >>> run = client.create_run("0", run_name="first")
        >>> client.log_metric(run.info.run_id, "loss", 0.5)
        >>> client.get_run(run.info.run_id).data.metrics
        {'loss': 0.5}
    """

    def __init__(
        self,
        tracking_uri: str | os.PathLike[str] | None = None,
        registry_uri: str | os.PathLike[str] | None = None,
    ) -> None:
        self._tracking_uri = canonical(tracking_uri) if tracking_uri else context.tracking_uri()
        chosen = canonical(registry_uri) if registry_uri else context.registry_uri()
        self._registry_uri = chosen or self._tracking_uri

    @property
    def tracking_uri(self) -> str:
        """Location of the lake: an absolute path or a URL."""
        return self._tracking_uri

    @cached_property
    def _store(self) -> Store:
        # Where there is no lake yet nothing is kept, and the next call looks again.
        return open_store(self._tracking_uri, create=False)

    @property
    def _made_store(self) -> Store:
        if "_store" not in vars(self):
            # Where the cached property keeps its own: from here on they are one.
            self._store = open_store(self._tracking_uri, create=True)
        return self._store

    @cached_property
    def _registry(self) -> Store:
        return open_store(self._registry_uri, create=False)

    @property
    def _made_registry(self) -> Store:
        if "_registry" not in vars(self):
            self._registry = open_store(self._registry_uri, create=True)
        return self._registry

    @property
    def _traces(self) -> ClientTraces:
        # A job without traces does not need what they are made with.
        from lakeflow.tracing.client_traces import ClientTraces

        return ClientTraces(self._tracking_uri, lambda: self._made_store, lambda: self._store)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({without_password(self._tracking_uri)!r})"

    def __getstate__(self) -> dict[str, object]:
        # What is open is of this process: another one opens it by its location.
        opened = {"_store", "_registry"}
        return {name: value for name, value in self.__dict__.items() if name not in opened}

    # Runs: read

    def get_run(self, run_id: str) -> Run:
        """Return a run with its latest metrics, its params, tags and datasets.

        For each metric the value at the largest (step, timestamp); of several there, the one
        that was logged last.

        Cost: one listing of the log and a read of what it has grown by; for a run from
        before the last compaction two or three small reads as well. No engine is imported.

        Args:
            run_id: Id of the run.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, not a run id.

        Examples:
            >>> client = LakeflowClient("memory://doc-get-run")
            >>> run_id = client.create_run("0").info.run_id
            >>> _ = client.log_param(run_id, "p", 0)
            >>> client.set_terminated(run_id)
            >>> run = client.get_run(run_id)
            >>> run.data.params, run.info.status
            ({'p': '0'}, 'FINISHED')
        """
        return self._store.runs.get(run_id)

    def get_parent_run(self, run_id: str) -> Run | None:
        """Return the run that the tag ``mlflow.parentRunId`` names; None without the tag.

        Args:
            run_id: Id of the child.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such child or no such parent.

        Examples:
            >>> client = LakeflowClient("memory://doc-parent")
            >>> parent = client.create_run("0")
            >>> tags = {"mlflow.parentRunId": parent.info.run_id}
            >>> child = client.create_run("0", tags=tags)
            >>> client.get_parent_run(child.info.run_id) == parent
            True
            >>> client.get_parent_run(parent.info.run_id) is None
            True
        """
        return self._store.runs.get_parent(run_id)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Return every point of a metric, by timestamp, step and the order of logging.

        Each call is a point, also where all its values are those of another. For long
        histories ``lakeflow.metric_history`` returns the same without an object a point.

        Args:
            run_id: Id of the run.
            key: Name of the metric; an unknown one has an empty history.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.

        Examples:
            >>> client = LakeflowClient("memory://doc-history")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.log_metric(run_id, "m1", 1.5, timestamp=1000, step=0)
            >>> client.log_metric(run_id, "m1", 2.5, timestamp=1001, step=1)
            >>> [(m.step, m.value) for m in client.get_metric_history(run_id, "m1")]
            [(0, 1.5), (1, 2.5)]
        """
        return self._store.runs.history(run_id, key)

    def search_runs(
        self,
        experiment_ids: Sequence[str] | str | int | None,
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[Run]:
        """Return the runs that a filter lets through, page by page.

        The language of filters is in docs/reference/filters.md: MLflow's, with OR, NOT,
        parentheses, BETWEEN, IN, IS NULL, RLIKE, params compared as numbers, and ``min``,
        ``max``, ``count`` and ``last`` of a metric.

        Cost: one statement over the row groups that hold the keys that are named, and a row
        group for each run of the page, or for several that are close. A later page costs
        what the first one does.

        Args:
            experiment_ids: Ids of experiments, or one id; None for all. In an empty list
                there are no runs.
            filter_string: The filter; empty for all runs.
            run_view_type: ``ViewType.ACTIVE_ONLY``, ``DELETED_ONLY`` or ``ALL``.
            max_results: Size of the page, from 1 to 50,000.
            order_by: Lines such as ``"metrics.loss DESC"``. Runs that lack the key are last,
                before them those whose metric is NaN. What is equal, and everything by
                default, is sorted by start time, the latest first, then by id.
            page_token: ``token`` of the page before.
            as_of: A time, local unless it has a zone, or a Delta version of the table
                ``runs``: what the lake held in its tables then. ``LAKEFLOW_RETENTION_S``
                says how far back.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter, order or token;
                the message says where.
            NotFoundError: RESOURCE_DOES_NOT_EXIST, ``as_of`` is too far back.

        Examples:
            >>> client = LakeflowClient("memory://doc-search-runs")
            >>> for loss in (0.5, 0.1):
            ...     run_id = client.create_run("0", tags={"model": "cnn"}).info.run_id
            ...     client.log_metric(run_id, "loss", loss)
            >>> runs = client.search_runs(
            ...     ["0"], "metrics.loss < 1 AND tags.model = 'cnn'", order_by=["metrics.loss"]
            ... )
            >>> [run.data.metrics["loss"] for run in runs]
            [0.1, 0.5]
        """
        return self._made_store.runs.search(
            experiment_ids,
            filter_string,
            run_view_type,
            max_results,
            order_by,
            page_token,
            as_of,
        )

    # Runs: make and change

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: dict[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Make a run; it does not become the active run of ``lakeflow.log_param`` and so on.

        Args:
            experiment_id: Experiment to make it in.
            start_time: Milliseconds since the Unix epoch, in years 1 to 9999; now by default.
            tags: Values by key; values become text. ``mlflow.user`` is its user,
                ``mlflow.parentRunId`` its parent.
            run_name: Its name, also kept as tag ``mlflow.runName``; by default that tag, or
                two words and a number.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such experiment.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted experiment, a bad key, or a
                name that differs from the tag.

        Examples:
            >>> client = LakeflowClient("memory://doc-create-run")
            >>> run = client.create_run("0", tags={"team": "ML"}, run_name="platform-run-24")
            >>> run.data.tags
            {'team': 'ML', 'mlflow.runName': 'platform-run-24'}
            >>> run.info.experiment_id, run.info.lifecycle_stage, run.info.status
            ('0', 'active', 'RUNNING')
        """
        return self._made_store.runs.create(experiment_id, start_time, tags, run_name)

    # Experiments

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment, deleted ones too.

        Args:
            experiment_id: Its id; ``"0"`` is the one called Default.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such experiment.

        Examples:
            >>> client = LakeflowClient("memory://doc-get-experiment")
            >>> experiment = client.get_experiment(client.create_experiment("Experiment"))
            >>> experiment.name, experiment.experiment_id, experiment.lifecycle_stage
            ('Experiment', '1', 'active')
            >>> experiment.artifact_location
            'memory://doc-get-experiment/artifacts/1'
        """
        return self._made_store.experiments.get(experiment_id)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return the experiment of a name, deleted ones too; None if there is none.

        Args:
            name: Its name; upper and lower case differ.

        Examples:
            >>> client = LakeflowClient("memory://doc-by-name")
            >>> client.get_experiment_by_name("Default").experiment_id
            '0'
            >>> client.get_experiment_by_name("default") is None
            True
        """
        return self._made_store.experiments.find(name)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return the experiments that a filter lets through, page by page.

        Cost: a look at the log, and a statement over the files of the tables of experiments.

        Args:
            view_type: ``ViewType.ACTIVE_ONLY``, ``DELETED_ONLY`` or ``ALL``.
            max_results: Size of the page, from 1 to 50,000.
            filter_string: The filter over ``name``, ``creation_time``, ``last_update_time``
                and ``tags.<key>``; the language is that of ``search_runs``.
            order_by: Lines such as ``"name DESC"``; by default the latest first.
            page_token: ``token`` of the page before.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter, order or token;
                the message says where.

        Examples:
            >>> client = LakeflowClient("memory://doc-search-experiments")
            >>> for name in ("a", "ab", "b"):
            ...     _ = client.create_experiment(name, tags={"team": "vision"})
            >>> found = client.search_experiments(
            ...     filter_string="name LIKE 'a%'", order_by=["name DESC"]
            ... )
            >>> [experiment.name for experiment in found]
            ['ab', 'a']
        """
        return self._made_store.experiments.search(
            view_type, max_results, filter_string, order_by, page_token
        )

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: dict[str, Any] | None = None,
    ) -> str:
        """Make an experiment and return its id: ``"1"``, ``"2"``, ...

        One event of the lake's control log, a file that is created exactly once: names stay
        unique however many processes make experiments at once.

        Args:
            name: Unique, also among deleted experiments; at most 500 characters.
            artifact_location: Where its runs keep artifacts; by default inside the lake,
                then it moves with the lake.
            tags: Values by key; values become text.

        Raises:
            AlreadyExistsError: RESOURCE_ALREADY_EXISTS, the name is taken.
            InvalidInputError: INVALID_PARAMETER_VALUE, no name, too long a name, a bad tag.

        Examples:
            >>> client = LakeflowClient("memory://doc-create-experiment")
            >>> experiment_id = client.create_experiment(
            ...     "Social NLP Experiments",
            ...     artifact_location="file:///tmp/nlp",
            ...     tags={"version": "v1", "priority": "P1"},
            ... )
            >>> client.set_experiment_tag(experiment_id, "nlp.framework", "Spark NLP")
            >>> experiment = client.get_experiment(experiment_id)
            >>> experiment.tags
            {'nlp.framework': 'Spark NLP', 'priority': 'P1', 'version': 'v1'}
            >>> experiment.artifact_location
            'file:///tmp/nlp'
        """
        return self._made_store.experiments.create(name, artifact_location, tags)

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted; nothing is erased.

        Its name stays taken. Cost: one event, however many runs it has.

        Args:
            experiment_id: Its id.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no active experiment with this id.

        Examples:
            >>> client = LakeflowClient("memory://doc-delete-experiment")
            >>> experiment_id = client.create_experiment("New Experiment")
            >>> client.delete_experiment(experiment_id)
            >>> client.get_experiment(experiment_id).lifecycle_stage
            'deleted'
        """
        return self._made_store.delete_experiment(experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Restore a deleted experiment and all its runs, also those deleted before it.

        Args:
            experiment_id: Its id.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no deleted experiment with this id.

        Examples:
            >>> client = LakeflowClient("memory://doc-restore-experiment")
            >>> experiment_id = client.create_experiment("New Experiment")
            >>> client.delete_experiment(experiment_id)
            >>> client.restore_experiment(experiment_id)
            >>> client.get_experiment(experiment_id).lifecycle_stage
            'active'
        """
        return self._made_store.restore_experiment(experiment_id)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name.

        Args:
            experiment_id: Its id.
            new_name: Unique, also among deleted experiments.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such experiment.
            AlreadyExistsError: RESOURCE_ALREADY_EXISTS, the name is taken.
            InvalidStateError: INVALID_STATE, the experiment is deleted.
            InvalidInputError: INVALID_PARAMETER_VALUE, no name or too long a name.

        Examples:
            >>> client = LakeflowClient("memory://doc-rename")
            >>> experiment_id = client.create_experiment("Social NLP Experiments")
            >>> client.rename_experiment(experiment_id, "Social Media NLP Experiments")
            >>> client.get_experiment(experiment_id).name
            'Social Media NLP Experiments'
        """
        return self._made_store.experiments.rename(experiment_id, new_name)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment.

        Args:
            experiment_id: Its id.
            key: Name of the tag, at most 250 characters.
            value: Becomes text; at most 1 MiB.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such experiment.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted experiment or a bad key.

        Examples:
            >>> client = LakeflowClient("memory://doc-experiment-tag")
            >>> experiment_id = client.create_experiment("Social Media NLP Experiments")
            >>> client.set_experiment_tag(experiment_id, "nlp.framework", "Spark NLP")
            >>> client.get_experiment(experiment_id).tags
            {'nlp.framework': 'Spark NLP'}
        """
        return self._made_store.experiments.set_tags(experiment_id, {key: value})

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment.

        Args:
            experiment_id: Its id.
            key: Name of the tag.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such experiment, or it has no such tag.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted experiment.

        Examples:
            >>> client = LakeflowClient("memory://doc-delete-experiment-tag")
            >>> experiment_id = client.create_experiment("digits", tags={"team": "vision"})
            >>> client.delete_experiment_tag(experiment_id, "team")
            >>> client.get_experiment(experiment_id).tags
            {}
        """
        return self._made_store.experiments.delete_tag(experiment_id, key)

    # Runs: log

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: float,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> RunOperations | None:
        """Log one value of a metric.

        One write, no read but for the first call of a process for this run. A run that
        another process deletes later still takes it.

        Args:
            run_id: Id of the run.
            key: Name of the metric, at most 250 characters: letters, digits, ``_``, ``-``,
                ``.``, ``:``, spaces and slashes.
            value: A number, a one-element array or tensor, or a number as text. NaN and
                the infinities are kept as they are.
            timestamp: Milliseconds since the Unix epoch; now by default.
            step: Training step, a whole number that may be negative; 0 by default.
            synchronous: False queues the call and returns at once; None takes
                ``LAKEFLOW_ENABLE_ASYNC_LOGGING``, which is off by default.
            dataset_name: With ``model_id``: the dataset that the model was measured on.
            dataset_digest: With ``dataset_name``: its fingerprint.
            model_id: Logged model that was measured: the point is one of the run and one of
                the model, in one write.

        Returns:
            None; a ``RunOperations`` to wait for where the call was queued.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run, or no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, a bad name or value.
            StorageError: RESOURCE_EXHAUSTED, PERMISSION_DENIED: nothing was logged.

        Examples:
            >>> client = LakeflowClient("memory://doc-log-metric")
            >>> run = client.create_run("0")
            >>> client.log_metric(run.info.run_id, "m", 1.5)
            >>> client.set_terminated(run.info.run_id)
            >>> client.get_run(run.info.run_id).data.metrics
            {'m': 1.5}
            >>> client.log_metric(run.info.run_id, "m", 2.5, step=1, synchronous=False).wait()
            >>> client.get_run(run.info.run_id).data.metrics
            {'m': 2.5}
        """
        return self._store.log_metric(
            run_id, key, value, timestamp, step, synchronous, model_id, dataset_name,
            dataset_digest,
        )  # fmt: skip

    def log_param(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> Any:
        """Log a param. It keeps its first value: the same again is fine, another is not.

        One look at the log, for what other processes logged, and one write; the process
        that made the run looks at most ten times a second. Where two processes log
        different values within that time, both calls succeed and the first value stays.

        Args:
            run_id: Id of the run.
            key: Name of the param, as for a metric.
            value: Becomes text; at most 1 MiB.
            synchronous: As for ``log_metric``.

        Returns:
            The value that was given; a ``RunOperations`` where the call was queued.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, a bad name, too long a
                value, or another value than before.

        Examples:
            >>> client = LakeflowClient("memory://doc-log-param")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.log_param(run_id, "p", 1)
            1
            >>> client.set_terminated(run_id)
            >>> client.get_run(run_id).data.params
            {'p': '1'}
        """
        return self._store.log(synchronous, self._store.runs.log_param, run_id, key, value)

    def set_tag(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> RunOperations | None:
        """Set a tag; the last value stays. ``mlflow.runName`` renames the run.

        Args:
            run_id: Id of the run.
            key: Name of the tag, as for a metric.
            value: Becomes text; at most 1 MiB.
            synchronous: As for ``log_metric``.

        Returns:
            None; a ``RunOperations`` where the call was queued.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, a bad name, too long a
                value.

        Examples:
            >>> client = LakeflowClient("memory://doc-set-tag")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.set_tag(run_id, "nlp.framework", "Spark NLP")
            >>> client.get_run(run_id).data.tags["nlp.framework"]
            'Spark NLP'
        """
        return self._store.log(  # type: ignore[no-any-return]
            synchronous, self._store.runs.set_tag, run_id, key, value
        )

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run.

        Args:
            run_id: Id of the run.
            key: Name of the tag.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run, or it has no such tag.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run.

        Examples:
            >>> client = LakeflowClient("memory://doc-delete-tag")
            >>> run_id = client.create_run("0", tags={"t1": 1, "t2": 2}).info.run_id
            >>> client.delete_tag(run_id, "t1")
            >>> "t1" in client.get_run(run_id).data.tags
            False
        """
        return self._store.runs.delete_tag(run_id, key)

    def update_run(
        self, run_id: str, status: str | None = None, name: str | None = None
    ) -> None:
        """Change status or name of a run; with neither, nothing happens.

        Args:
            run_id: Id of the run.
            status: Name of a ``RunStatus``; the end time stays as it is.
            name: New name; the tag ``mlflow.runName`` follows.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, no such status.

        Examples:
            >>> client = LakeflowClient("memory://doc-update-run")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.update_run(run_id, "FINISHED", "new_name")
            >>> info = client.get_run(run_id).info
            >>> info.run_name, info.status
            ('new_name', 'FINISHED')
        """
        return self._store.runs.update(run_id, status, name)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> RunOperations | None:
        """Log metrics, params and tags: all of them or, where one is bad, none.

        One record and one write, so that also a killed process leaves all or nothing; past
        some 60,000 metrics several records. There is no limit to their number.

        Args:
            run_id: Id of the run.
            metrics: Points, of any metrics; one with a ``model_id`` is of that logged model
                too.
            params: Each key once.
            tags: Of several values of a key the last one stays.
            synchronous: As for ``log_metric``.

        Returns:
            None; a ``RunOperations`` where the call was queued.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE; the message says which one is bad, as
                in ``metrics[1].name``.

        Examples:
            >>> from lakeflow.entities import Metric, Param, RunTag
            >>> client = LakeflowClient("memory://doc-log-batch")
            >>> run_id = client.create_run("0").info.run_id
            >>> metrics = [Metric("m", 1.5, 1700000000000, 1)]
            >>> client.log_batch(run_id, metrics, [Param("p", "p")], [RunTag("t", "t")])
            >>> data = client.get_run(run_id).data
            >>> data.params, data.metrics, data.tags["t"]
            ({'p': 'p'}, {'m': 1.5}, 't')
        """
        return self._store.log(  # type: ignore[no-any-return]
            synchronous, self._store.runs.log_batch, run_id, [*metrics], [*params], [*tags]
        )

    def log_inputs(
        self,
        run_id: str,
        datasets: list[DatasetInput] | None = None,
        models: list[LoggedModelInput] | None = None,
    ) -> None:
        """Log the datasets and logged models that a run uses; the same again changes nothing.

        Args:
            run_id: Id of the run.
            datasets: Each with the tags of its use; the same name and digest is the same.
            models: Logged models.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, a part that is missing
                or too long.
            TypeError: ``datasets`` is no list.

        Examples:
            >>> from lakeflow.entities import Dataset, DatasetInput, InputTag
            >>> client = LakeflowClient("memory://doc-log-inputs")
            >>> run_id = client.create_run("0").info.run_id
            >>> digits = Dataset("digits", "1a2b", "local", "/data/digits.csv")
            >>> tags = [InputTag("mlflow.data.context", "training")]
            >>> client.log_inputs(run_id, [DatasetInput(digits, tags)])
            >>> client.get_run(run_id).inputs.dataset_inputs[0].dataset.name
            'digits'
        """
        return self._store.runs.log_inputs(run_id, datasets, models)

    # Runs: artifacts

    def log_artifact(
        self,
        run_id: str,
        local_path: str | os.PathLike[str],
        artifact_path: str | None = None,
    ) -> None:
        """Log a file of this machine as an artifact of a run; a folder, under its own name.

        The file is below the run's ``artifact_uri`` under its own name, where every tool can
        read it; nobody sees a part of it. Its size and SHA-256 are recorded, so that the
        same file again moves no bytes. Large files go to S3 in parts, and a call that was
        broken off is completed by the next one.

        Args:
            run_id: Id of the run.
            local_path: The file or folder.
            artifact_path: Folder among the run's artifacts to put it into, such as
                ``"plots"``; by default the run's own.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads out of the run's
                artifacts, or the id of a trace.
            StorageError: A file could not be read or written; the message says which.

        Examples:
            >>> import tempfile
            >>> from pathlib import Path
            >>> client = LakeflowClient("memory://doc-log-artifact")
            >>> run_id = client.create_run("0").info.run_id
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = Path(folder, "notes.txt").write_text("rooms, zipcode")
            ...     client.log_artifact(run_id, f"{folder}/notes.txt", "texts")
            >>> client.list_artifacts(run_id, "texts")
            [FileInfo(path='texts/notes.txt', is_dir=False, file_size=14)]
        """
        return self._store.artifacts.log(run_id, local_path, artifact_path)

    def log_artifacts(
        self,
        run_id: str,
        local_dir: str | os.PathLike[str],
        artifact_path: str | None = None,
    ) -> None:
        """Log the files of a folder of this machine, and of those in it, as artifacts.

        Links are followed as far as they stay in the folder; empty folders are no artifacts.
        Where an error breaks off the call, the run has the files that arrived before, and the
        same call again sends only the others. On a terminal a line shows how far it is, if it
        takes longer than a second (``LAKEFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR``).

        Args:
            run_id: Id of the run.
            local_dir: The folder.
            artifact_path: Folder among the run's artifacts to put them into; by default the
                run's own.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, as for ``log_artifact``; also a link
                that leads out of the folder, and a name that not every system can have.
            StorageError: A file could not be read or written; the message says which.

        Examples:
            >>> import tempfile
            >>> from pathlib import Path
            >>> client = LakeflowClient("memory://doc-log-artifacts")
            >>> run_id = client.create_run("0").info.run_id
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = Path(folder, "a.json").write_text("{}")
            ...     client.log_artifacts(run_id, folder, artifact_path="states")
            >>> client.list_artifacts(run_id)
            [FileInfo(path='states', is_dir=True, file_size=None)]
        """
        return self._store.artifacts.log_folder(run_id, local_dir, artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Log a text as an artifact, in UTF-8.

        Args:
            run_id: Id of the run.
            text: The text.
            artifact_file: Path of the file below the run's artifacts, such as ``"a/b.txt"``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads out of the run's
                artifacts, or the id of a trace.
            StorageError: It could not be written.

        Examples:
            >>> client = LakeflowClient("memory://doc-log-text")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.log_text(run_id, "<h1>header</h1>", "pages/index.html")
            >>> [each.path for each in client.list_artifacts(run_id, "pages")]
            ['pages/index.html']
        """
        return self._store.artifacts.log_text(run_id, text, artifact_file)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Log what JSON can say as an artifact: as YAML where the path ends in .yml or .yaml.

        Args:
            run_id: Id of the run.
            dictionary: A dictionary, or a list. What JSON has no form for becomes text.
            artifact_file: Path of the file below the run's artifacts, such as ``"a.json"``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads out of the run's
                artifacts, or the id of a trace.
            StorageError: It could not be written.

        Examples:
            >>> client = LakeflowClient("memory://doc-log-dict")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.log_dict(run_id, {"k": "v"}, "data.yml")
            >>> client.list_artifacts(run_id)
            [FileInfo(path='data.yml', is_dir=False, file_size=5)]
        """
        return self._store.artifacts.log_dict(run_id, dictionary, artifact_file)

    def log_figure(
        self,
        run_id: str,
        figure: Any,
        artifact_file: str,
        *,
        save_kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Log a figure of matplotlib or plotly as an artifact.

        Args:
            run_id: Id of the run.
            figure: The figure.
            artifact_file: Path of the file below the run's artifacts; its extension says the
                format. Of plotly: .html, which loads plotly's library from the net where
                ``include_plotlyjs`` says nothing else, or with kaleido .png, .jpeg, .webp,
                .svg and .pdf.
            save_kwargs: Further arguments of the library's method that saves a figure.

        Raises:
            TypeError: It is no such figure, or plotly has no such format.
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads out of the run's
                artifacts, or the id of a trace.
            LakeflowException: FEATURE_DISABLED, kaleido is missing.
            StorageError: It could not be written.

        Examples:
            >>> from matplotlib.figure import Figure
            >>> client = LakeflowClient("memory://doc-log-figure")
            >>> run_id = client.create_run("0").info.run_id
            >>> figure = Figure()
            >>> _ = figure.subplots().plot([0, 1], [2, 3])
            >>> client.log_figure(run_id, figure, "plots/loss.svg", save_kwargs={"dpi": 50})
            >>> [each.path for each in client.list_artifacts(run_id, "plots")]
            ['plots/loss.svg']
        """
        return self._store.artifacts.log_figure(run_id, figure, artifact_file, save_kwargs)

    def log_image(
        self,
        run_id: str,
        image: numpy.ndarray[Any, Any] | PIL.Image.Image | Image,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Log an image: one of each step with ``key``, or one alone with ``artifact_file``.

        An image of a step is a PNG, exact to the pixel, and a WebP of 256 pixels, below
        ``images/`` under MLflow's names for them; ``lakeflow.load_images`` finds them, and the
        run gets the tag ``mlflow.loggedImages``.

        An array has height x width, with 1 channel for grey, 3 for RGB or 4 for RGBA as a third
        dimension: booleans, integers of 0 to 255, or floats of 0 to 1. Where floats lie
        outside of that, all are scaled to it by their minimum and maximum, with a warning.

        Args:
            run_id: Id of the run.
            image: An array of numpy's, an image of Pillow's, or a ``lakeflow.Image``.
            artifact_file: Path of the file below the run's artifacts, such as ``"a/b.png"``;
                its extension says the format.
            key: Name of the image: letters, digits, ``_``, ``-``, ``.``, blanks and ``/``.
            step: Training step, a 64-bit integer; 0 by default.
            timestamp: Milliseconds since the Unix epoch; now by default.
            synchronous: False copies an image of a step and returns: it is checked now,
                encoded and sent later. It waits while the queue holds
                ``LAKEFLOW_QUEUE_BYTES``. What fails then is raised by ``set_terminated`` or
                ``flush_async_logging``. None as for ``log_metric``.

        Raises:
            TypeError: ``artifact_file`` together with the others, neither it nor a key, no
                such image, or an array of objects.
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, an array of another shape, integers
                outside of 0 to 255, another key, a mode or an extension that has no format, a
                deleted run, a path that leads out of the run's artifacts, or the id of a
                trace. It is a ValueError.
            StorageError: It could not be written.

        Examples:
            >>> import numpy
            >>> client = LakeflowClient("memory://doc-log-image")
            >>> run_id = client.create_run("0").info.run_id
            >>> pixels = numpy.zeros((100, 100, 3), dtype=numpy.uint8)
            >>> client.log_image(run_id, pixels, key="dogs", step=3)
            >>> client.log_image(run_id, pixels, "image.png")
            >>> [each.path for each in client.list_artifacts(run_id)]
            ['image.png', 'images']
        """
        return self._store.images.log(
            run_id, image, artifact_file, key, step, timestamp, synchronous
        )

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Log rows of a table; where there is a file, they are put below those in it.

        A file in JSON is as pandas writes it by ``orient="split"``: NaN, infinities and what
        is missing are null, times ISO 8601. Numbers keep all their digits. In Parquet a column
        has one type. Columns that one side lacks become null. Cells that are images become
        files below ``table_images``, with their paths in the table.

        Nobody sees a part of a file. Threads of a process, and processes on one machine or
        mount with a lake in a folder, may add rows to one table at once; processes that share
        a lake on an object store may not, since the last one of them wins. A call that failed
        may be made again, and adds its rows once. What a call costs that adds rows is in
        docs/how-to/tables.md.

        Args:
            run_id: Id of the run.
            data: A frame of pandas or polars, a table of Arrow, or a dict of columns; a dict
                with no column in it is one row. It is not changed.
            artifact_file: Path of the file below the run's artifacts; ends in ``.json`` or
                ``.parquet``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path with one of ``"',:[]{}`` or
                another end, data of another type or that the file cannot hold, a column of
                images and other cells, a deleted run.
            InvalidStateError: INVALID_STATE, the tag ``mlflow.loggedArtifacts`` of the run was
                set to something else than a list.
            StorageError: The file could not be read or written.

        Examples:
            >>> client = LakeflowClient("memory://doc-log-table")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.log_table(run_id, {"q": ["1+1", "2+2"], "a": [2, 4]}, "qa.json")
            >>> client.log_table(run_id, {"q": "3+3", "a": 6}, "qa.json")
            >>> client.load_table("0", "qa.json")["a"].to_list()
            [2, 4, 6]
        """
        return self._store.tables.log(run_id, data, artifact_file)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: list[str] | None = None,
        extra_columns: list[str] | None = None,
    ) -> Any:
        """Return the rows of a table of many runs as one frame of pandas.

        Cost: a search, and a read a run, of which many are under way at once on an object
        store. All rows are in memory.

        Args:
            experiment_id: Id of the experiment.
            artifact_file: Path of the table below the artifacts of each run.
            run_ids: The runs; by default all of the experiment that have the table. Those that
                do not are skipped with a warning in the log, deleted ones as well.
            extra_columns: Columns of ``lakeflow.search_runs``, such as ``"run_id"`` and
                ``"params.lr"``, to put beside the rows; with an underscore at the end where
                the table has a column of that name.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no run has the table, or a file is gone.
            KeyError: A column that no run has.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that ``log_table`` refuses.
            DamagedLakeError: DATA_LOSS, a file is no table any more.
            LakeflowException: FEATURE_DISABLED, pandas is not installed.

        Examples:
            >>> client = LakeflowClient("memory://doc-load-table")
            >>> for name in ("first", "second"):
            ...     run = client.create_run("0", run_name=name)
            ...     client.log_table(run.info.run_id, {"score": [0.5, 0.9]}, "scores.json")
            >>> client.load_table("0", "scores.json").shape
            (4, 1)
        """
        return self._store.tables.load(experiment_id, artifact_file, run_ids, extra_columns)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """Return what is in a folder of a run's artifacts, by path.

        Also what other tools have put there. Cost: one listing of that folder.

        Args:
            run_id: Id of the run.
            path: The folder; by default that of all artifacts. A file has nothing in it.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads out of the run's
                artifacts.

        Examples:
            >>> client = LakeflowClient("memory://doc-list-artifacts")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.log_text(run_id, "price", "labels.txt")
            >>> client.list_artifacts(run_id)
            [FileInfo(path='labels.txt', is_dir=False, file_size=5)]
        """
        return self._store.artifacts.listing(run_id, path)

    def download_artifacts(
        self, run_id: str, path: str, dst_path: str | os.PathLike[str] | None = None
    ) -> str:
        """Fetch a file or a folder of a run's artifacts, and return where it is.

        What is fetched is compared with the SHA-256 of what was logged. A large file comes in
        parts; a call that was broken off goes on where it stopped.

        Args:
            run_id: Id of the run.
            path: The file or folder; ``""`` for all artifacts.
            dst_path: Folder of this machine to fetch it into, under its path; it must be
                there. By default a new temporary one that goes with the process; or where
                the artifacts are on this machine, they are left where they are.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads out of the run's
                artifacts, or a ``dst_path`` that is no folder.
            DamagedLakeError: DATA_LOSS, a file is not what was logged.
            StorageError: RESOURCE_DOES_NOT_EXIST, no such artifact; or it could not be
                read, or written here.

        Examples:
            >>> from pathlib import Path
            >>> client = LakeflowClient("memory://doc-download-artifacts")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.log_text(run_id, "price", "texts/labels.txt")
            >>> Path(client.download_artifacts(run_id, "texts/labels.txt")).read_text()
            'price'
        """
        return self._store.artifacts.download(run_id, path, dst_path)

    # Runs: end

    def set_terminated(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """End a run, after everything that was queued is logged.

        Args:
            run_id: Id of the run.
            status: Name of a ``RunStatus``; ``"FINISHED"`` by default.
            end_time: Milliseconds since the Unix epoch; now by default.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, no such status.
            LakeflowException: The run has ended, but asynchronous calls to it had failed
                before, and nobody was told; the code is that of the first one.

        Examples:
            >>> client = LakeflowClient("memory://doc-set-terminated")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.set_terminated(run_id, status="KILLED")
            >>> client.get_run(run_id).info.status
            'KILLED'
        """
        return self._store.terminate(run_id, status, end_time)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted; it can still be read. Twice is fine.

        Args:
            run_id: Id of the run.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.

        Examples:
            >>> client = LakeflowClient("memory://doc-delete-run")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.delete_run(run_id)
            >>> client.get_run(run_id).info.lifecycle_stage
            'deleted'
        """
        return self._store.runs.set_stage(run_id, LifecycleStage.DELETED)

    def restore_run(self, run_id: str) -> None:
        """Restore a deleted run. Twice is fine.

        Args:
            run_id: Id of the run.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.

        Examples:
            >>> client = LakeflowClient("memory://doc-restore-run")
            >>> run_id = client.create_run("0").info.run_id
            >>> client.delete_run(run_id)
            >>> client.restore_run(run_id)
            >>> client.get_run(run_id).info.lifecycle_stage
            'active'
        """
        return self._store.runs.set_stage(run_id, LifecycleStage.ACTIVE)


MlflowClient = LakeflowClient
"""MLflow's name of the same class."""
