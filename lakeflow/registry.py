"""The model registry beyond MLflow's client: histories, approvals, comparisons, signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from lakeflow import context, formats
from lakeflow.config import is_progress_shown
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.open_store import open_store
from lakeflow.stores.registry.approvals import approval
from lakeflow.stores.registry.comparison import Compared, compared, is_telling
from lakeflow.stores.registry.version_files import VersionFiles
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    import datetime
    import os

    import polars
    import pyarrow

    from lakeflow.entities import Run
    from lakeflow.entities.model_registry import ModelVersion
    from lakeflow.maintenance.report import ModelReport
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.registry.recorded_files import RecordedVersion
    from lakeflow.stores.store import Store

__all__ = [
    "approve_model_version",
    "diff",
    "history",
    "require_approval",
    "sign_model_version",
    "verify_model_version",
]


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["arrow"] = ...,
    registry_uri: str | os.PathLike[str] | None = ...,
) -> pyarrow.Table: ...


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["polars"],
    registry_uri: str | os.PathLike[str] | None = ...,
) -> polars.DataFrame: ...


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["pandas"],
    registry_uri: str | os.PathLike[str] | None = ...,
) -> Any: ...


@overload
def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = ...,
    output_format: Literal["list"],
    registry_uri: str | os.PathLike[str] | None = ...,
) -> list[dict[str, Any]]: ...


def history(
    name: str,
    *,
    as_of: int | datetime.datetime | None = None,
    output_format: formats.Format = "arrow",
    registry_uri: str | os.PathLike[str] | None = None,
) -> Any:
    """Return every change of a registered model and of its versions, in their order.

    Nothing is ever taken out of it: it tells of models that were renamed, by any of their
    names, and of models that were deleted. Where several models have had the name, one after
    the other, it tells of each; their ``model_id`` differs.

    Cost: a look at the log, and the row groups of ``registry_events`` that hold the model.

    Args:
        name: A name that a model has or had.
        as_of: Only what was done until then: milliseconds since the Unix epoch, or a
            ``datetime``, local unless it has a zone.
        output_format: ``"arrow"``, ``"polars"``, ``"pandas"``, or ``"list"`` for a dict a
            row; see docs/reference/frames.md.
        registry_uri: Location of the registry; that of the process by default.

    Returns:
        Columns ``time`` (UTC, milliseconds), ``user_id``, ``action`` (what was called),
        ``name`` (of the model, after the change), ``version``, ``key`` (the tag or alias),
        ``before`` and ``after`` (JSON objects; null for nothing), ``model_id`` and
        ``event_id``, by which the rows are ordered.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no model has or had the name; there is no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, this is no name, no time or no format.
        LakeflowException: FEATURE_DISABLED, polars or pandas is not installed.
    """
    formats.check(output_format)
    table = _registry(registry_uri).models.history.table(name, as_of)
    return formats.convert(table, output_format)


def approve_model_version(
    name: str,
    version: str | int,
    *,
    decision: Literal["approved", "rejected"] = "approved",
    note: str | None = None,
    evidence: str | None = None,
    registry_uri: str | os.PathLike[str] | None = None,
) -> ModelVersion:
    """Record that somebody has decided on a version, and why.

    The history keeps every decision with user, note and evidence; the last one counts, and is
    the ``approval`` of the version. It moves no alias: one that points at a version which is
    rejected later stays there until somebody moves it. A copy of a version is not approved.

    Args:
        name: Name of the model.
        version: Number of the version.
        decision: ``"approved"`` or ``"rejected"``.
        note: Any text.
        evidence: Where the evidence is, such as the URI of a report.
        registry_uri: Location of the registry; that of the process by default.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such version, or no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, no such decision, the version is no number.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-approve")
        >>> client = lakeflow.LakeflowClient()
        >>> _ = client.create_registered_model("Analyzer")
        >>> _ = client.create_model_version("Analyzer", "s3://models/analyzer")
        >>> lakeflow.registry.require_approval("Analyzer")
        >>> client.set_registered_model_alias("Analyzer", "champion", 1)
        Traceback (most recent call last):
        lakeflow.exceptions.InvalidStateError: the alias 'champion' of ...
        >>> found = lakeflow.approve_model_version("Analyzer", 1, note="fair on all groups")
        >>> found.approval
        'approved'
        >>> client.set_registered_model_alias("Analyzer", "champion", 1)
    """
    change = approval(name, version, decision, note, evidence)
    store = _registry(registry_uri)
    store.models.change(change)
    return store.model_versions.get(name, version)


def require_approval(
    name: str,
    required: bool = True,
    *,
    registry_uri: str | os.PathLike[str] | None = None,
) -> None:
    """Set whether the aliases of a model move to approved versions only.

    It is asked when an alias is set, and then of the version that it is to point at; aliases
    that point at other versions already stay. INVALID_STATE is the answer to who sets one to a
    version that is rejected, or that nobody has decided on.

    Args:
        name: Name of the model.
        required: Whether they do.
        registry_uri: Location of the registry; that of the process by default.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model, or no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, ``required`` is not True or False.
    """
    _registry(registry_uri).models.require_approval(name, required)


def diff(
    name: str,
    version_a: str | int,
    version_b: str | int,
    *,
    everything: bool = False,
    output_format: formats.Format = "arrow",
    registry_uri: str | os.PathLike[str] | None = None,
    tracking_uri: str | os.PathLike[str] | None = None,
) -> Any:
    """Return two versions of a model side by side, with the runs that made them.

    Args:
        name: Name of the model.
        version_a: Number of a version, or an alias with an ``@`` before it: ``"@champion"``.
        version_b: The same of another one.
        everything: Whether to return what is the same in both, too.
        output_format: ``"arrow"``, ``"polars"``, ``"pandas"``, or ``"list"`` for a dict a
            row; see docs/reference/frames.md.
        registry_uri: Location of the registry; that of the process by default.
        tracking_uri: Location of the lake with the runs; that of the process by default.

    Returns:
        Columns ``part``, ``key``, ``a`` and ``b``, all texts, null for what one does not have.
        A part is ``version`` (its fields), ``version tag``, ``run``, ``param``, ``metric``
        (the last value), ``dataset`` (digests by name) or ``run tag``. Of ``run`` there are
        the ``source commit`` and the ``state``: ``active``, ``deleted``, or ``missing`` where
        the lake does not have the run; then none of the other parts has anything of it.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model or version, or no registry.
        InvalidInputError: INVALID_PARAMETER_VALUE, no such alias, the version is no number,
            no such format.
        LakeflowException: FEATURE_DISABLED, polars or pandas is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-diff")
        >>> for lr in (0.1, 0.2):
        ...     with lakeflow.start_run(run_name="tuned") as run:
        ...         _ = lakeflow.log_param("lr", lr)
        ...         lakeflow.log_text("weights", "model/weights.txt")
        ...     _ = lakeflow.register_model(f"runs:/{run.info.run_id}/model", "Analyzer")
        >>> rows = lakeflow.registry.diff("Analyzer", 1, 2, output_format="list")
        >>> [(each["key"], each["a"], each["b"]) for each in rows if each["part"] == "param"]
        [('lr', '0.1', '0.2')]
    """
    import pyarrow

    formats.check(output_format)
    store = _registry(registry_uri)
    a, b = (store.model_versions.pointed(name, each) for each in (version_a, version_b))
    rows = compared(a, _run(a, tracking_uri), b, _run(b, tracking_uri))
    shown = [row for row in rows if everything or is_telling(row)]
    # Of no rows zip() makes no columns.
    columns = zip(*shown, strict=True) if shown else [()] * len(Compared._fields)
    table = pyarrow.table(
        {
            key: pyarrow.array(values, pyarrow.string())
            for key, values in zip(Compared._fields, columns, strict=True)
        }
    )
    return formats.convert(table, output_format)


def verify_model_version(
    name: str,
    version: str | int,
    *,
    public_key: str | os.PathLike[str] | None = None,
    registry_uri: str | os.PathLike[str] | None = None,
    tracking_uri: str | os.PathLike[str] | None = None,
) -> ModelReport:
    """Compare the files of a version with those that were there when it was registered.

    A version whose source is among the artifacts of a run knows size and SHA-256 of each file
    that was logged there. Of any other one nothing is known, which the report says.

    Cost: a listing of the files, and each of them is read once, several at a time where that is
    a request, never more than 48 MiB of them in memory.

    Args:
        name: Name of the model.
        version: Number of the version, or an alias with an ``@`` before it: ``"@champion"``.
        public_key: Path of a public key in PEM, to check the signature with; takes
            ``pip install 'lakeflow[signing]'``.
        registry_uri: Location of the registry; that of the process by default.
        tracking_uri: Location of the lake with the runs; that of the process by default.

    Returns:
        A ``ModelReport``: numbers of files and bytes; ``findings``, one for each file that is
        ``missing``, ``changed`` in size or SHA-256, ``unreadable``, or ``unrecorded``: there,
        and not when the version was registered; and ``signature``, which is ``none``,
        ``unchecked``, ``valid`` or ``invalid``. ``is_good`` says whether all is as it was; it
        is not where nothing is recorded, nor where a key is given and nobody has signed.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model or version, or no registry.
        InvalidInputError: INVALID_PARAMETER_VALUE, no such alias, the version is no number,
            this is no public key.
        LakeflowException: FEATURE_DISABLED, there is a key, and the extra is not installed.
        StorageError: The registry cannot be read, or a store is out of reach.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-verify-model")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_text("weights", "model/weights.txt")
        >>> _ = lakeflow.register_model(f"runs:/{run.info.run_id}/model", "Analyzer")
        >>> lakeflow.log_text("other weights", "model/weights.txt", run_id=run.info.run_id)
        >>> report = lakeflow.registry.verify_model_version("Analyzer", 1)
        >>> [(each.problem, each.path) for each in report.findings]
        [('changed', 'weights.txt')]
    """
    with loading("what verifies models"):
        from lakeflow.maintenance.model_verification import verified

    recorded, place = _recorded(_registry(registry_uri), name, version, tracking_uri)
    return verified(recorded, place, public_key, is_shown=is_progress_shown())


def sign_model_version(
    name: str,
    version: str | int,
    private_key: str | os.PathLike[str],
    *,
    password: str | None = None,
    registry_uri: str | os.PathLike[str] | None = None,
    tracking_uri: str | os.PathLike[str] | None = None,
) -> str:
    """Sign the files of a version, and keep the signature with it; an earlier one is replaced.

    Takes ``pip install 'lakeflow[signing]'``. The files are verified first, and the signature
    is of those that were registered, in the format of the OpenSSF: it lists them with their
    SHA-256. A copy of the version has no signature until somebody signs it.

    Cost: as for ``verify_model_version``; nothing is fetched to a disk.

    Args:
        name: Name of the model.
        version: As for ``verify_model_version``.
        private_key: Path of an elliptic-curve key (P-256, P-384 or P-521) in PEM.
        password: What the key is encrypted with; None if it is not.
        registry_uri: Location of the registry; that of the process by default.
        tracking_uri: Location of the lake with the runs; that of the process by default.

    Returns:
        The signature, a sigstore bundle in JSON, which ``model_signing verify key`` takes too.
        It is also the column ``signature`` of the view ``model_versions``.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such model or version, or no registry.
        InvalidInputError: INVALID_PARAMETER_VALUE, no such alias, the version is no number,
            this is no such key or not its password, or the version has so many files, some
            4,000, that the signature is too large.
        InvalidStateError: INVALID_STATE, a file is not what was registered, or nothing is
            recorded of them.
        LakeflowException: FEATURE_DISABLED, the extra is not installed.
        StorageError: The registry cannot be read or written, or a store is out of reach.
    """
    with loading("what verifies models"):
        from lakeflow.maintenance.model_verification import signed

    store = _registry(registry_uri)
    recorded, place = _recorded(store, name, version, tracking_uri)
    signature = signed(recorded, place, private_key, password, is_shown=is_progress_shown())
    # By its number: an alias may point at another version by now.
    store.model_versions.sign(name, recorded.version, signature)
    return signature


def _recorded(
    store: Store, name: str, named: str | int, tracking_uri: str | os.PathLike[str] | None
) -> tuple[RecordedVersion, Place | None]:
    """Return what is recorded of the files of a version, and where they are if anything is."""
    found = store.model_versions.recorded(name, named)
    # What no lake knows may be anywhere, also where nothing can be opened.
    if found.file_count is None:
        return found, None
    files = VersionFiles.at(
        found.location, found.run_id, lambda: open_store(tracking_uri, create=False)
    )
    return found, files.folder


def _run(version: ModelVersion, uri: str | os.PathLike[str] | None) -> Run | None:
    """Return the run of a version; None if there is none, or it is in another lake."""
    if not version.run_id:
        return None
    try:
        return open_store(uri, create=False).runs.get(version.run_id)
    # It is whatever somebody has given, which need not be an id of ours.
    except (InvalidInputError, NotFoundError):
        return None


def _registry(uri: str | os.PathLike[str] | None) -> Store:
    return open_store(uri or context.registry_uri(), create=False)
