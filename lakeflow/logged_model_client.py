"""LoggedModelClient: MLflow's calls about logged models. It documents and delegates too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime
    import os

    from lakeflow.entities import (
        FileInfo,
        LoggedModel,
        LoggedModelOutput,
        LoggedModelStatus,
        PagedList,
    )
    from lakeflow.stores.store import Store


class LoggedModelClient(ABC):
    """What ``LakeflowClient`` does with logged models.

    A logged model is what a run has made and others measure: it has params, tags, metrics with
    the datasets that they were measured on, and files of its own. It need not be registered.
    Every change is one append.
    """

    @property
    @abstractmethod
    def _store(self) -> Store: ...

    @property
    @abstractmethod
    def _made_store(self) -> Store: ...

    # Logged models

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Make a logged model; its status is ``PENDING``.

        Args:
            experiment_id: The experiment that it belongs to.
            name: Need not be unique; a random one by default. None of ``/ : . % " '`` is in it.
            source_run_id: The run that makes it. It need not be there.
            tags: Values by key; values become text.
            params: Values by key; values become text.
            model_type: What it is for, such as ``"agent"``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such experiment.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted experiment, a bad name or key.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-create-logged-model")
            >>> model = client.create_logged_model("0", "digits", params={"depth": 3})
            >>> model.name, model.params, str(model.status)
            ('digits', {'depth': '3'}, 'PENDING')
        """
        return self._made_store.logged_models.create(
            experiment_id, name, source_run_id, tags, params, model_type
        )

    def finalize_logged_model(
        self, model_id: str, status: LoggedModelStatus | str
    ) -> LoggedModel:
        """Say how making a logged model has ended, and return it.

        Args:
            model_id: Id of the model.
            status: ``"READY"`` or ``"FAILED"``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, no such status.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-finalize-logged-model")
            >>> model_id = client.create_logged_model("0").model_id
            >>> str(client.finalize_logged_model(model_id, "READY").status)
            'READY'
        """
        return self._store.logged_models.finalize(model_id, status)

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model as it is now, with every point that was logged for it.

        Where no metric of it was logged twice in a run, one or two small reads do.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model, or it is deleted.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-get-logged-model")
            >>> run_id = client.create_run("0").info.run_id
            >>> model_id = client.create_logged_model("0").model_id
            >>> client.log_metric(run_id, "accuracy", 0.9, model_id=model_id)
            >>> [(each.key, each.value) for each in client.get_logged_model(model_id).metrics]
            [('accuracy', 0.9)]
        """
        return self._store.logged_models.get(model_id)

    def delete_logged_model(self, model_id: str) -> None:
        """Delete a logged model: neither ``get_logged_model`` nor a search finds it any more.

        What is known of it stays in the tables, and its files where they are.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
        """
        return self._store.logged_models.delete(model_id)

    def set_logged_model_tags(self, model_id: str, tags: dict[str, Any]) -> None:
        """Set tags of a logged model.

        Args:
            model_id: Id of the model.
            tags: Values by key; values become text.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, a bad key.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-set-logged-model-tags")
            >>> model_id = client.create_logged_model("0", tags={"team": "vision"}).model_id
            >>> client.set_logged_model_tags(model_id, {"stage": "trial"})
            >>> client.delete_logged_model_tag(model_id, "team")
            >>> client.get_logged_model(model_id).tags
            {'stage': 'trial'}
        """
        return self._store.logged_models.set_tags(model_id, tags)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of a logged model.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model, or no such tag.
        """
        return self._store.logged_models.delete_tag(model_id, key)

    def log_model_params(self, model_id: str, params: dict[str, Any]) -> None:
        """Log params of a logged model. Each keeps its first value.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, one has another value already.
        """
        return self._store.logged_models.log_params(model_id, params)

    def search_logged_models(
        self,
        experiment_ids: list[str] | None,
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
        *,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[LoggedModel]:
        """Return a page of logged models; deleted ones are left out.

        Args:
            experiment_ids: Their experiments; None for all.
            filter_string: Conditions as for ``search_runs``: ``metrics.accuracy > 0.9 AND
                params.depth = '3'``; attributes are ``name``, ``model_id``, ``model_type``,
                ``status``, ``source_run_id``, ``creation_timestamp`` and
                ``last_updated_timestamp``. One about a metric holds if it does for the last,
                the least or the largest value of it in any run on any dataset.
            datasets: Only metrics on these count: each a dict with ``dataset_name`` and, if it
                has to be that one, ``dataset_digest``. Without a condition about metrics:
                models that have any metric on one of them.
            max_results: Models of the page; 100 by default.
            order_by: Each a dict with ``field_name`` such as ``"metrics.accuracy"``,
                ``ascending`` (True by default), and ``dataset_name`` and ``dataset_digest`` to
                sort by the metric on that dataset. What is missing comes last. By default the
                newest come first.
            page_token: The ``token`` of the page before.
            as_of: What the tables held then; as for ``search_runs``.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, one of them is malformed, or the token
                is that of another search.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-search-logged-models")
            >>> run_id = client.create_run("0").info.run_id
            >>> for name, accuracy in ("small", 0.8), ("large", 0.9):
            ...     model_id = client.create_logged_model("0", name).model_id
            ...     client.log_metric(run_id, "accuracy", accuracy, model_id=model_id)
            >>> best = [{"field_name": "metrics.accuracy", "ascending": False}]
            >>> [each.name for each in client.search_logged_models(["0"], order_by=best)]
            ['large', 'small']
        """
        return self._made_store.logged_models.search(
            experiment_ids, filter_string, datasets, max_results, order_by, page_token,
            as_of=as_of,
        )  # fmt: skip

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        """Log the logged models that a run has made; the same model again changes nothing.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, a step that is none.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> from lakeflow.entities import LoggedModelOutput
            >>> client = LakeflowClient("memory://doc-log-outputs")
            >>> run_id = client.create_run("0").info.run_id
            >>> model_id = client.create_logged_model("0", source_run_id=run_id).model_id
            >>> client.log_outputs(run_id, [LoggedModelOutput(model_id, step=3)])
            >>> client.get_run(run_id).outputs.model_outputs[0].step
            3
        """
        return self._store.runs.log_outputs(run_id, models)

    # Logged models: files

    def log_model_artifact(
        self,
        model_id: str,
        local_path: str | os.PathLike[str],
        artifact_path: str | None = None,
    ) -> None:
        """Log a file of this machine, or a folder under its own name, as one of a model.

        Args:
            model_id: Id of the model.
            local_path: The file or folder.
            artifact_path: Folder below the model's ``artifact_location``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads elsewhere.
        """
        return self._store.model_files.log(model_id, local_path, artifact_path)

    def log_model_artifacts(
        self,
        model_id: str,
        local_dir: str | os.PathLike[str],
        artifact_path: str | None = None,
    ) -> None:
        """Log the files of a folder of this machine as those of a model.

        Args:
            model_id: Id of the model.
            local_dir: The folder.
            artifact_path: Folder below the model's ``artifact_location``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, no folder, or a path that leads
                elsewhere.

        Examples:
            >>> import pathlib, tempfile
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-log-model-artifacts")
            >>> model_id = client.create_logged_model("0").model_id
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = pathlib.Path(folder, "weights.bin").write_bytes(b"1234")
            ...     client.log_model_artifacts(model_id, folder)
            >>> [each.path for each in client.list_logged_model_artifacts(model_id)]
            ['weights.bin']
        """
        return self._store.model_files.log_folder(model_id, local_dir, artifact_path)

    def list_logged_model_artifacts(
        self, model_id: str, path: str | None = None
    ) -> list[FileInfo]:
        """Return what is in a folder of a model's files, by path; that of all by default.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
        """
        return self._store.model_files.listing(model_id, path)
