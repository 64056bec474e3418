"""RegistryClient: MLflow's calls about registered models. It documents and delegates too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lakeflow.entities.model_registry.model_version_stages import stages_of_versions

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from lakeflow.entities import PagedList
    from lakeflow.entities.model_registry import ModelVersion, RegisteredModel
    from lakeflow.stores.store import Store


class RegistryClient(ABC):
    """What ``LakeflowClient`` does with registered models and their versions.

    Every change is one event of the control log of the registry's lake, all of it or nothing,
    with a row in its history; on an object store that is one PUT if nobody interferes. Who
    loses a race tries again. Where there is no lake yet, ``create_registered_model`` and the
    searches make one.
    """

    @property
    @abstractmethod
    def _registry(self) -> Store: ...

    @property
    @abstractmethod
    def _store(self) -> Store: ...

    @property
    @abstractmethod
    def _made_registry(self) -> Store: ...

    # Registered models

    def create_registered_model(
        self, name: str, tags: dict[str, Any] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Make a registered model; it has no versions yet.

        Args:
            name: Unique within the registry; upper and lower case differ.
            tags: Values by key; values become text.
            description: Any text.

        Raises:
            AlreadyExistsError: RESOURCE_ALREADY_EXISTS, the name is taken.
            InvalidInputError: INVALID_PARAMETER_VALUE, no name, a bad tag.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-create-model")
            >>> model = client.create_registered_model(
            ...     "SocialMediaTextAnalyzer", {"nlp.framework": "Spark NLP"}, "Tells the tone."
            ... )
            >>> model.name, model.tags, model.description
            ('SocialMediaTextAnalyzer', {'nlp.framework': 'Spark NLP'}, 'Tells the tone.')
        """
        return self._made_registry.models.create(name, tags, description)

    def rename_registered_model(self, name: str, new_name: str) -> None:
        """Give a model another name; its versions, tags and aliases come along.

        The old name is free again. It is a change of each version, too. It returns nothing, as
        in MLflow.

        Args:
            name: Name of the model.
            new_name: Unique within the registry.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            AlreadyExistsError: RESOURCE_ALREADY_EXISTS, the new name is taken.
            InvalidInputError: INVALID_PARAMETER_VALUE, no name.
            LakeflowException: INTERNAL_ERROR as in MLflow, a new name of nothing but blanks.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-rename-model")
            >>> _ = client.create_registered_model("SocialTextAnalyzer", {"team": "nlp"})
            >>> client.rename_registered_model("SocialTextAnalyzer", "SocialMediaTextAnalyzer")
            >>> client.get_registered_model("SocialMediaTextAnalyzer").tags
            {'team': 'nlp'}
        """
        return self._registry.models.rename(name, new_name)

    def update_registered_model(
        self, name: str, description: str | None = None
    ) -> RegisteredModel:
        """Set the description of a model.

        Args:
            name: Name of the model.
            description: The new text; may be empty.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            LakeflowException: INTERNAL_ERROR as in MLflow, no description.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-update-model")
            >>> _ = client.create_registered_model("Analyzer", description="Tells the tone.")
            >>> client.update_registered_model("Analyzer", "Tells happy from sad.").description
            'Tells happy from sad.'
        """
        return self._registry.models.update(name, description)

    def delete_registered_model(self, name: str) -> None:
        """Remove a model with its versions, tags and aliases.

        What the history says of it stays. The name is free again, and begins at version 1.

        Args:
            name: Name of the model.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-delete-model")
            >>> for name in ("name1", "name2"):
            ...     _ = client.create_registered_model(name)
            >>> client.delete_registered_model("name1")
            >>> [model.name for model in client.search_registered_models()]
            ['name2']
        """
        return self._registry.models.delete(name)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return the models that a filter lets through, page by page.

        Cost: a look at the log, and a statement over the tables of models; a later page costs
        what the first one does. With ``as_of`` each page reads the history, and makes an object
        for each change until then: of all models, or of those that the filter names.

        Args:
            filter_string: The filter over ``name``, ``aliases``, ``description``,
                ``creation_timestamp``, ``last_updated_timestamp`` and ``tags.<key>``; the
                language is that of ``search_runs``, in docs/reference/filters.md.
            max_results: Size of the page, from 1 to 1,000.
            order_by: Lines such as ``"timestamp DESC"``; by default, and where all else is
                equal, by name.
            page_token: ``token`` of the page before.
            as_of: As for ``get_registered_model``; filter and order are of what was there
                then.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter, order or token;
                the message says where.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-search-models")
            >>> for city in ("Cordoba", "Boston", "Bologna"):
            ...     _ = client.create_registered_model(f"{city}Weather", {"team": "sky"})
            >>> found = client.search_registered_models("name LIKE 'Bo%' AND tags.team = 'sky'")
            >>> [model.name for model in found]
            ['BolognaWeather', 'BostonWeather']
        """
        return self._made_registry.models.search(
            filter_string, max_results, order_by, page_token, as_of
        )

    def get_registered_model(
        self, name: str, *, as_of: int | datetime.datetime | None = None
    ) -> RegisteredModel:
        """Return a model, with its aliases and the largest version of each stage.

        Cost: a look at the control log, one request on an object store; a model from before
        the last compaction takes a small read the first time. With ``as_of`` it is a
        statement over ``registry_events``, and an object for each change of the model.

        Args:
            name: Name of the model.
            as_of: When: milliseconds since the Unix epoch, or a ``datetime``, local unless it
                has a zone; now by default. It goes back as far as the lake, to the
                millisecond, and what the model was called then is its name.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, no name.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-get-model")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.set_registered_model_alias("Analyzer", "champion", 1)
            >>> model = client.get_registered_model("Analyzer")
            >>> model.aliases, [version.version for version in model.latest_versions]
            ({'champion': 1}, [1])
        """
        return self._registry.models.get(name, as_of)

    def get_latest_versions(
        self,
        name: str,
        stages: Sequence[str] | None = None,
        *,
        as_of: int | datetime.datetime | None = None,
    ) -> list[ModelVersion]:
        """Return the largest version of each stage. Deprecated since 2.9.0, as all stages are.

        Args:
            name: Name of the model.
            stages: The stages, in upper or lower case; all of them by default.
            as_of: As for ``get_registered_model``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, no such stage.

        Warns:
            FutureWarning: Aliases have taken the place of stages.

        Examples:
            >>> import warnings
            >>> from lakeflow import LakeflowClient
            >>> warnings.simplefilter("ignore", FutureWarning)
            >>> client = LakeflowClient("memory://doc-latest-versions")
            >>> _ = client.create_registered_model("Analyzer")
            >>> for _ in range(2):
            ...     _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> [version.version for version in client.get_latest_versions("Analyzer")]
            [2]
        """
        return self._registry.models.latest_versions(name, stages, as_of)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a model.

        Args:
            name: Name of the model.
            key: Name of the tag, at most 250 characters.
            value: Becomes text; at most 1 MiB.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, a bad key.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-set-model-tag")
            >>> _ = client.create_registered_model("Analyzer", {"nlp.framework": "Spark NLP"})
            >>> client.set_registered_model_tag("Analyzer", "priority", 1)
            >>> client.get_registered_model("Analyzer").tags
            {'nlp.framework': 'Spark NLP', 'priority': '1'}
        """
        return self._registry.models.set_tag(name, key, value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model; one that is not there is fine.

        Args:
            name: Name of the model.
            key: Name of the tag.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, a bad key.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-delete-model-tag")
            >>> _ = client.create_registered_model("Analyzer", {"a": 1, "b": 2})
            >>> client.delete_registered_model_tag("Analyzer", "a")
            >>> client.get_registered_model("Analyzer").tags
            {'b': '2'}
        """
        return self._registry.models.delete_tag(name, key)

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Let an alias point at a version; if it pointed at another one, it moves.

        Args:
            name: Name of the model.
            alias: Letters, digits, ``_`` and ``-``, at most 255; not ``latest`` and not
                ``v<number>``, which mean other things in ``models:/`` URIs.
            version: Number of the version.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model or version.
            InvalidInputError: INVALID_PARAMETER_VALUE, no such alias is possible, or the
                version is no number.
            InvalidStateError: INVALID_STATE, the model requires approval, which the version
                does not have.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-set-alias")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.set_registered_model_alias("Analyzer", "champion", 1)
            >>> client.get_model_version_by_alias("Analyzer", "champion").version
            1
        """
        return self._registry.models.set_alias(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; one that is not there is fine. The version stays.

        Args:
            name: Name of the model.
            alias: The alias.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model.
            InvalidInputError: INVALID_PARAMETER_VALUE, no such alias is possible.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-delete-alias")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.set_registered_model_alias("Analyzer", "champion", 1)
            >>> client.delete_registered_model_alias("Analyzer", "champion")
            >>> client.get_registered_model("Analyzer").aliases
            {}
        """
        return self._registry.models.delete_alias(name, alias)

    # Versions: made

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: dict[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = 300,
    ) -> ModelVersion:
        """Make the next version of a model: 1, 2, ...; no number is used twice.

        Where the files were logged to a run or a logged model, the version keeps their sizes
        and digests, and ``lakeflow.registry.verify_model_version`` says later what differs.
        ``lakeflow.register_model`` makes the model too where there is none.

        Args:
            name: Name of the model.
            source: Where the files are: a path, a URL, ``runs:/<run id>/<path>``, a logged
                model ``models:/<model id>``, or ``models:/<name>/<version>``, whose files it
                then has.
            run_id: Run that made them; it is not looked up. By default that of the model.
            tags: Values by key; values become text.
            run_link: Address of the run elsewhere.
            description: Any text.
            await_creation_for: Has no effect: a version is there when the call returns.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model, or no such logged model.
            InvalidInputError: INVALID_PARAMETER_VALUE, no name, a source, run or link that is
                no text, a bad tag.
            LakeflowException: INTERNAL_ERROR as in MLflow, ``source`` names a version that
                there is not.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-create-version")
            >>> _ = client.create_registered_model("Analyzer")
            >>> made = client.create_model_version("Analyzer", "s3://models/analyzer", "a1b2")
            >>> made.version, made.status, made.current_stage, made.run_id
            (1, 'READY', 'None', 'a1b2')
        """
        return self._registry.model_versions.create(
            name, source, run_id, tags, run_link, description, lambda: self._store
        )

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Make the next version of a model out of a version of another one, or of the same.

        Description, tags and run come along, stage and aliases do not. The files stay where
        they are, also for a copy of a copy.

        Args:
            src_model_uri: ``models:/<name>/<version>``, ``models:/<name>@<alias>``,
                ``models:/<name>/<stage>`` or ``models:/<name>/latest``.
            dst_name: Name of the model that gets it; it is made if there is none.

        Raises:
            LakeflowException: INTERNAL_ERROR as in MLflow, another URI, or there is no such
                version.
            InvalidInputError: INVALID_PARAMETER_VALUE, no name.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-copy-version")
            >>> _ = client.create_registered_model("staging")
            >>> _ = client.create_model_version("staging", "s3://models/analyzer")
            >>> made = client.copy_model_version("models:/staging/1", "production")
            >>> made.name, made.version, made.source
            ('production', 1, 'models:/staging/1')
            >>> client.get_model_version_download_uri("production", 1)
            's3://models/analyzer'
        """
        return self._registry.model_versions.copy(src_model_uri, dst_name)

    # Versions: changed

    def update_model_version(
        self, name: str, version: str | int, description: str | None = None
    ) -> ModelVersion:
        """Set the description of a version.

        Args:
            name: Name of the model.
            version: Number of the version.
            description: The new text; may be empty.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version.
            InvalidInputError: INVALID_PARAMETER_VALUE, the version is no number.
            LakeflowException: INTERNAL_ERROR as in MLflow, no description.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-update-version")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.update_model_version("Analyzer", 1, "A baseline.").description
            'A baseline.'
        """
        return self._registry.model_versions.update(name, version, description)

    def transition_model_version_stage(
        self,
        name: str,
        version: str | int,
        stage: str,
        archive_existing_versions: bool = False,
    ) -> ModelVersion:
        """Move a version to a stage. Deprecated since 2.9.0, as all stages are.

        Args:
            name: Name of the model.
            version: Number of the version.
            stage: ``None``, ``Staging``, ``Production`` or ``Archived``, in upper or lower
                case.
            archive_existing_versions: Whether all others in that stage move to ``Archived``,
                with it or not at all; for ``Staging`` and ``Production`` only.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version.
            InvalidInputError: INVALID_PARAMETER_VALUE, no such stage.
            LakeflowException: INTERNAL_ERROR as in MLflow, an empty stage, or others to be
                archived from a stage that is not active.

        Warns:
            FutureWarning: Aliases have taken the place of stages.

        Examples:
            >>> import warnings
            >>> from lakeflow import LakeflowClient
            >>> warnings.simplefilter("ignore", FutureWarning)
            >>> client = LakeflowClient("memory://doc-transition")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.transition_model_version_stage("Analyzer", 1, "staging").current_stage
            'Staging'
        """
        return self._registry.model_versions.transition(
            name, version, stage, archive_existing_versions
        )

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Remove a version with its tags, and the aliases that point at it.

        Its number is not used again. Its files stay where they are.

        Args:
            name: Name of the model.
            version: Number of the version.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version.
            InvalidInputError: INVALID_PARAMETER_VALUE, the version is no number.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-delete-version")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.delete_model_version("Analyzer", 1)
            >>> client.create_model_version("Analyzer", "s3://models/analyzer").version
            2
        """
        return self._registry.model_versions.delete(name, version)

    def set_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version.

        Args:
            name: Name of the model.
            version: Number of the version.
            key: Name of the tag, at most 250 characters.
            value: Becomes text; at most 1 MiB.
            stage: Instead of the version: the largest one in this stage. Deprecated since
                2.9.0.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version.
            InvalidInputError: INVALID_PARAMETER_VALUE, both or neither of ``version`` and
                ``stage``, no such stage, a bad key.
            LakeflowException: INTERNAL_ERROR as in MLflow, no version is in the stage.

        Warns:
            FutureWarning: With ``stage``: aliases have taken the place of stages.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-set-version-tag")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.set_model_version_tag("Analyzer", 1, "validated", True)
            >>> client.get_model_version("Analyzer", 1).tags
            {'validated': 'True'}
        """
        return self._registry.model_versions.set_tag(name, version, key, value, stage)

    def delete_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        stage: str | None = None,
    ) -> None:
        """Remove a tag of a version; one that is not there is fine.

        Args:
            name: Name of the model.
            version: Number of the version.
            key: Name of the tag.
            stage: As for ``set_model_version_tag``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version.
            InvalidInputError: INVALID_PARAMETER_VALUE, as for ``set_model_version_tag``.
            LakeflowException: INTERNAL_ERROR as in MLflow, no version is in the stage.

        Warns:
            FutureWarning: With ``stage``: aliases have taken the place of stages.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-delete-version-tag")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://a", tags={"a": 1, "b": 2})
            >>> client.delete_model_version_tag("Analyzer", 1, "a")
            >>> client.get_model_version("Analyzer", 1).tags
            {'b': '2'}
        """
        return self._registry.model_versions.delete_tag(name, version, key, stage)

    # Versions: read

    def get_model_version(
        self, name: str, version: str | int, *, as_of: int | datetime.datetime | None = None
    ) -> ModelVersion:
        """Return a version, with the aliases that point at it.

        Cost: as for ``get_registered_model``.

        Args:
            name: Name of the model.
            version: Number of the version.
            as_of: As for ``get_registered_model``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version.
            InvalidInputError: INVALID_PARAMETER_VALUE, the version is no number.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-get-version")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.get_model_version("Analyzer", 1).source
            's3://models/analyzer'
        """
        return self._registry.model_versions.get(name, version, as_of)

    def get_model_version_by_alias(
        self, name: str, alias: str, *, as_of: int | datetime.datetime | None = None
    ) -> ModelVersion:
        """Return the version at which an alias points.

        Cost: as for ``get_registered_model``.

        Args:
            name: Name of the model.
            alias: The alias.
            as_of: As for ``get_registered_model``.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE as in MLflow, there is no such alias of
                the model, or no such model.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-get-by-alias")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> client.set_registered_model_alias("Analyzer", "champion", 1)
            >>> client.get_model_version_by_alias("Analyzer", "champion").aliases
            ['champion']
        """
        return self._registry.model_versions.get_by_alias(name, alias, as_of)

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """Return where the files of a version are.

        That is its source, or where that is a ``models:/`` URI the source of what it names.

        Args:
            name: Name of the model.
            version: Number of the version.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version.
            InvalidInputError: INVALID_PARAMETER_VALUE, the version is no number.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-download-uri")
            >>> _ = client.create_registered_model("Analyzer")
            >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
            >>> _ = client.create_model_version("Analyzer", "models:/Analyzer/1")
            >>> client.get_model_version_download_uri("Analyzer", 2)
            's3://models/analyzer'
        """
        return self._registry.model_versions.download_uri(name, version)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[ModelVersion]:
        """Return the versions of all models that a filter lets through, page by page.

        Cost: a look at the log, and a statement over the tables of versions; a later page
        costs what the first one does; with ``as_of`` as for ``search_registered_models``.

        Args:
            filter_string: The filter over ``name``, ``version_number``, ``run_id``,
                ``source_path``, ``aliases``, ``current_stage``, ``creation_timestamp`` and
                others, and ``tags.<key>``; the language is that of ``search_runs``, in
                docs/reference/filters.md.
            max_results: Size of the page, from 1 to 200,000.
            order_by: Lines such as ``"version_number DESC"``. By default what was changed
                last is first; what is equal is sorted by name, then the largest version
                first.
            page_token: ``token`` of the page before.
            as_of: As for ``get_registered_model``; filter and order are of what was there
                then.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter, order or token;
                the message says where.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-search-versions")
            >>> _ = client.create_registered_model("Analyzer")
            >>> for team in ("sky", "sea"):
            ...     _ = client.create_model_version("Analyzer", "s3://a", tags={"team": team})
            >>> client.set_registered_model_alias("Analyzer", "champion", 1)
            >>> found = client.search_model_versions(
            ...     "aliases = 'champion' OR tags.team = 'sea'"
            ... )
            >>> [version.version for version in found]
            [2, 1]
        """
        return self._made_registry.model_versions.search(
            filter_string, max_results, order_by, page_token, as_of
        )

    def get_model_version_stages(self, name: str, version: str | int) -> list[str]:
        """Return the stages that there are. Deprecated since 2.9.0, as all stages are.

        Args:
            name: Is not looked at.
            version: Is not looked at.

        Warns:
            FutureWarning: Aliases have taken the place of stages.

        Examples:
            >>> import warnings
            >>> from lakeflow import LakeflowClient
            >>> warnings.simplefilter("ignore", FutureWarning)
            >>> client = LakeflowClient("memory://doc-stages")
            >>> client.get_model_version_stages("Analyzer", 1)
            ['None', 'Staging', 'Production', 'Archived']
        """
        return stages_of_versions()
