"""Asynchronous calls that failed, until somebody is told."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

_MOST_KEPT = 1_000
"""Failures of which the reasons are kept; the others are counted."""

_MOST_SPELT_OUT = 10


class _Failure:
    # No value: of two that read alike each is told.
    __slots__ = ("code", "reason", "run_id")

    def __init__(self, run_id: str, reason: str, code: str | None) -> None:
        self.run_id = run_id
        self.reason = reason
        self.code = code


class FailedCalls:
    """Failures of calls, each to be told once; threads share it."""

    def __init__(self) -> None:
        # Reentrant: the handler of a signal may ask in the middle of any of these.
        self._lock = threading.RLock()
        self._failures: list[_Failure] = []
        # Weak: the error in a future may keep hold of what was to be logged.
        self._by_future: WeakKeyDictionary[Future[Any], _Failure] = WeakKeyDictionary()
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
                failure = _Failure(run_id, f"{about}: {error}", code)
                self._failures.append(failure)
                self._by_future[future] = failure
            else:
                self._others[run_id] += 1

    def told(self, futures: Iterable[Future[Any]]) -> None:
        """Forget failures of which the caller learns otherwise."""
        with self._lock:
            for each in futures:
                failure = self._by_future.pop(each, None)
                if failure is not None and failure in self._failures:
                    self._failures.remove(failure)

    def take(self, run_id: str | None = None) -> LakeflowException | None:
        """Return the error that tells of the failures of a run, or of all; None without any.

        They are told with it: the next call returns None.
        """
        with self._lock:
            found = [each for each in self._failures if run_id in {None, each.run_id}]
            self._failures = [
                each for each in self._failures if run_id not in {None, each.run_id}
            ]
            runs = list(self._others) if run_id is None else [run_id]
            others = sum(self._others.pop(each, 0) for each in runs)
        if not found and not others:
            return None
        reasons = [each.reason for each in found[:_MOST_SPELT_OUT]]
        count = len(found) + others
        if count > len(reasons):
            reasons.append(f"and {count - len(reasons)} more")
        return LakeflowException(
            f"{count} asynchronous call(s) failed, and what they logged is lost: "
            + "; ".join(reasons),
            found[0].code if found else None,
        )
