"""Asynchronous calls that failed, until somebody is told."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

_MOST_KEPT = 1_000
"""Failures of which the reasons are kept; the others are counted."""

_MOST_SPELT_OUT = 10


class _Failure(NamedTuple):
    run_id: str
    reason: str
    code: str | None


class Untold:
    """Failures of calls, each to be told once; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._failures: dict[Future[Any], _Failure] = {}
        self._others: Counter[str] = Counter()

    def add(self, future: Future[Any], run_id: str, about: str, error: BaseException) -> None:
        """Keep a failure.

        Args:
            future: What the call has promised.
            run_id: The run that it was to log to.
            about: What it was to log.
            error: Why it failed.
        """
        code = getattr(error, "error_code", None)
        with self._lock:
            if len(self._failures) < _MOST_KEPT:
                self._failures[future] = _Failure(run_id, f"{about}: {error}", code)
            else:
                self._others[run_id] += 1

    def told(self, futures: Iterable[Future[Any]]) -> None:
        """Forget failures of which the caller learns otherwise."""
        with self._lock:
            for each in futures:
                self._failures.pop(each, None)

    def take(self, run_id: str | None = None) -> LakeflowException | None:
        """Return the error that tells of the failures of a run, or of all; None without any.

        They are told with it: the next call returns None.
        """
        with self._lock:
            found = {
                future: each
                for future, each in self._failures.items()
                if run_id in {None, each.run_id}
            }
            self.told(found)
            runs = list(self._others) if run_id is None else [run_id]
            others = sum(self._others.pop(each, 0) for each in runs)
        if not found and not others:
            return None
        failures = list(found.values())
        reasons = [each.reason for each in failures[:_MOST_SPELT_OUT]]
        count = len(failures) + others
        if count > len(reasons):
            reasons.append(f"and {count - len(reasons)} more")
        return LakeflowException(
            f"{count} asynchronous call(s) failed, and what they logged is lost: "
            + "; ".join(reasons),
            failures[0].code if failures else None,
        )
