"""Which lake the fluent functions use, and how lakes are opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.filesystem.location import canonical, check_options
from lakeflow.fluent import active_runs
from lakeflow.open_lakes import let_go_if_gone
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping


def set_tracking_uri(uri: str | os.PathLike[str] | None) -> None:
    """Record in another lake from now on; nothing is written yet.

    An experiment that was set stays set by its name: the next run makes it where the lake has
    none. A lake that this process had open there, and that was moved or deleted since, is let
    go of: what is there now is opened, or made, at the next call. Without that each call is an
    error. Processes that this one starts record there too: their environment has
    ``LAKEFLOW_TRACKING_URI``. Options of ``set_storage_options`` may be secret and are not
    passed on.

    Args:
        uri: A folder, ``file://``, ``memory://name``, another fsspec URL,
            ``lakeflow:///folder`` or ``lakeflow+<URL>``; None or ``""`` goes back to the
            environment's or the default one.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no location.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent")
        >>> lakeflow.get_tracking_uri()
        'memory://doc-fluent'
    """
    # Tasks that begin from now on are known to have begun in this place.
    active_runs.here()
    # Absolute from here on: a relative one would follow the working directory.
    location = None if uri is None or not os.fspath(uri) else canonical(uri)
    context.set_tracking_uri(location)
    experiment = context.experiment()
    if location and let_go_if_gone(location) and experiment is not None:
        # The id that it had is no experiment's, or another one's, in the lake of now.
        context.set_experiment(replace(experiment, location=""))


def set_storage_options(
    uri: str | os.PathLike[str],
    storage_options: Mapping[str, object] | None = None,
    *,
    exclusive_writer: bool | None = None,
) -> None:
    """Say how the lake at a location is opened in this process, by whoever names it.

    Not needed where fsspec's configuration files, its ``FSSPEC_*`` variables or the store's
    own credentials say it all. A lake that is open already stays as it is.

    Args:
        uri: Location of the lake.
        storage_options: fsspec's options for its filesystem, such as ``key`` and ``secret``.
        exclusive_writer: Whether this process is the only one that writes: then a lake may be
            on a filesystem that cannot create a file exactly once. By default what
            ``LAKEFLOW_EXCLUSIVE_WRITER`` says.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, the URI is no location; or it is a local
            folder or ``memory://``, where neither would do anything.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_storage_options(
        ...     "s3://team/lake", {"client_kwargs": {"endpoint_url": "https://s3.example.org"}}
        ... )
    """
    location = canonical(uri)
    check_options(location, storage_options, exclusive_writer=exclusive_writer)
    opening = context.Opening(dict(storage_options or {}), exclusive_writer)
    context.set_opening(location, opening)


def is_tracking_uri_set() -> bool:
    """Return whether a location was set, here or by the environment."""
    return context.is_tracking_uri_set()


def get_tracking_uri() -> str:
    """Return the location of the lake: an absolute path or a URL."""
    return context.tracking_uri()


def set_registry_uri(uri: str | os.PathLike[str] | None) -> None:
    """Keep registered models in another lake from now on, in this process and its children.

    Args:
        uri: As for ``set_tracking_uri``; None or ``""`` goes back to the environment's, or to
            the lake in which things are recorded.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no location.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_registry_uri("memory://doc-registry")
        >>> lakeflow.get_registry_uri()
        'memory://doc-registry'
        >>> lakeflow.set_registry_uri(None)
        >>> lakeflow.get_registry_uri() == lakeflow.get_tracking_uri()
        True
    """
    chosen = None if uri is None or not os.fspath(uri) else canonical(uri)
    context.choose("REGISTRY_URI", chosen)
    if chosen:
        let_go_if_gone(chosen)


def get_registry_uri() -> str:
    """Return the location of registered models: by default that of the lake."""
    return context.registry_uri() or context.tracking_uri()
