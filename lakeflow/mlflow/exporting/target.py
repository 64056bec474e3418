"""What every part of an export shares: the two sides, and calls that MLflow may refuse."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _get_store

from lakeflow.mlflow.exporting.report import ExportProgress, MlflowReport
from lakeflow.mlflow.plain_errors import said

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from mlflow import MlflowClient
    from mlflow.store.tracking.abstract_store import AbstractStore

    from lakeflow.stores.store import Store

T = TypeVar("T")

ID_TAG = "lakeflow.run_id"
"""Tag of a run in MLflow: its id in the lake."""

STATE_TAG = "lakeflow.exported"
"""Tag that is set last: a digest of what the lake held of a thing when all of it was there."""

OWN_TAGS = {ID_TAG, STATE_TAG}

IS_2 = mlflow.__version__.startswith("2.")

_MOST_REQUEST_BYTES = 900_000
"""MLflow's servers take a batch of a million bytes, what is around the items included."""

_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is exported, and how.

    Attributes:
        experiments: Names of the only experiments; empty for all.
        since: Runs and traces that began at or after this time, in milliseconds since the Unix
            epoch; None for all.
        with_artifacts: Whether files go along.
        dry_run: Whether to count only.
    """

    experiments: frozenset[str] = frozenset()
    since: int | None = None
    with_artifacts: bool = True
    dry_run: bool = False


@dataclass(slots=True)
class Export:
    """One export that is under way.

    Attributes:
        store: The lake's.
        source: MLflow's client of the lake.
        target: MLflow's client of where it goes.
        wanted: What is exported.
        report: What is known of it.
        progress: Called as work goes on.
        models: Ids in MLflow by those of logged models in the lake.
        runs: Ids in MLflow by those of the runs in the lake that versions of models name; None
            for one that is not there.
        alike: Points that were not sent, since they are like another one of their run.
    """

    store: Store
    source: MlflowClient
    target: MlflowClient
    wanted: Wanted
    report: MlflowReport
    progress: Callable[[ExportProgress], None]
    models: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str | None] = field(default_factory=dict)
    alike: int = 0

    @property
    def tracking(self) -> AbstractStore:
        """The store of the target, for what its client does not let one say.

        That is: whose a run is, that it has no end yet, that it began at time 0.
        """
        return _get_store(self.target.tracking_uri)

    @property
    def is_to_files(self) -> bool:
        """Whether the target is a file store, which keeps points that are alike."""
        return urlsplit(self.target.tracking_uri).scheme in {"", "file"}

    def advance(self, what: str, runs: int = 0) -> None:
        """Say how far it is."""
        self.progress(ExportProgress(what, runs, self.report.written["points"]))

    def refusable(
        self, where: str, call: Callable[[], T], codes: Collection[str] = _REFUSALS
    ) -> T | None:
        """Return what a call returns; what MLflow refuses is noted as lost.

        Args:
            where: What it is about, for people.
            call: The call.
            codes: Codes of MLflow's errors that say that it will never take it.
        """
        try:
            return call()
        except MlflowException as error:
            if error.error_code not in codes:
                raise
            self.report.miss(where, said(error))
            return None

    def sent(self, where: str, items: Sequence[T], send: Callable[[list[T]], Any]) -> bool:
        """Send items at once; where MLflow refuses them, one by one, to find which.

        Args:
            where: What they are of, for people.
            items: The items; each has a ``key``.
            send: Sends some.

        Returns:
            Whether it took all of them.
        """
        try:
            send([*items])
        except MlflowException as error:
            if error.error_code not in _REFUSALS:
                raise
        else:
            return True
        before = self.report.loss_count
        for each in items:
            name = f"{where}, {getattr(each, 'key', '')!r}"
            self.refusable(name, lambda each=each: send([each]))  # type: ignore[misc]
        return self.report.loss_count == before


def pages(search: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield page after page of what a search finds.

    Args:
        search: Returns the page behind a token.
    """
    token: str | None = None
    while True:
        page = search(token)
        yield page
        token = page.token
        if not token:
            return


def batches(items: Iterable[T], most: int, texts: Callable[[T], str]) -> Iterator[list[T]]:
    """Yield items in lists that MLflow takes with one call.

    Args:
        items: The items.
        most: Most items of a list.
        texts: What an item holds of text.
    """
    batch: list[T] = []
    size = 0
    for item in items:
        # As JSON writes it, with escapes; around it are names, numbers and signs.
        more = len(json.dumps(texts(item))) + 200
        if batch and (len(batch) >= most or size + more > _MOST_REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += more
    if batch:
        yield batch


def digest(*values: Any) -> str:
    """Return a text that differs where values do."""
    text = json.dumps(values, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
