"""An fsspec filesystem around any other one that counts calls and lets some go wrong.

    flaky = FlakyFileSystem(fsspec.filesystem("memory"))
    flaky.flaws.append(Flaw("lose", "pipe_file", nth=3))
    lake = Lake.on(lake_filesystem(flaky, "/lake", settings), settings)

It is what a lake has below it and must survive while it lives. ``FaultFilesystem`` in
``faults`` is above: there the process dies.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fsspec.spec import AbstractFileSystem

from lakeflow.filesystem.backends import Backend, create_by_condition
from lakeflow.filesystem.remote import RemoteFilesystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.config import Settings

Call = Literal[
    "cat_file", "exists", "find", "info", "ls", "makedirs", "pipe_file", "put_file", "rm_file"
]

Trouble = Literal["fail", "lose", "delay", "truncate", "omit", "stale"]

_SUFFERS: dict[Trouble, frozenset[str]] = {
    "truncate": frozenset({"cat_file"}),
    "omit": frozenset({"ls", "find"}),
    "stale": frozenset({"ls", "find"}),
}


@dataclass(slots=True)
class Flaw:
    """What goes wrong with some calls.

    Attributes:
        trouble: ``"fail"`` raises the error and does nothing, ``"lose"`` carries the call out
            and raises it then, ``"delay"`` waits first, ``"truncate"`` returns half of what was
            read, ``"omit"`` returns a listing without every second entry, ``"stale"`` returns
            the listing of that folder before this one.
        call: The only kind of call that suffers; None for each that can.
        nth: The first such call that suffers, counting from 1.
        every: Of those from there on, every how many suffer; 0 for that one alone.
        error: Makes what is raised.
        delay_s: How long a delay is.
        matches: The path contains this text.
    """

    trouble: Trouble
    call: Call | None = None
    nth: int = 1
    every: int = 0
    error: Callable[[], Exception] = TimeoutError
    delay_s: float = 0.0
    matches: str = ""
    _seen: int = field(default=0, init=False, repr=False)

    def strikes(self, call: Call, path: str) -> bool:
        """Return whether this call suffers; it is counted if it could."""
        if self.call not in {None, call} or self.matches not in path:
            return False
        if call not in _SUFFERS.get(self.trouble, {call}):
            return False
        self._seen += 1
        later = self._seen - self.nth
        return later == 0 or (later > 0 and self.every > 0 and later % self.every == 0)


class FlakyFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Carries calls out one at a time, so that even ``memory://`` creates a file once.

    Args:
        inner: The filesystem below.

    Attributes:
        flaws: What goes wrong; the first flaw that strikes a call is the only one.
        calls: How often each kind of call was made, those that failed included.
        struck: How often something went wrong.
    """

    # fsspec would give two tests the same instance, by their equal arguments.
    cachable = False
    protocol = "flaky"

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.flaws: list[Flaw] = []
        self.calls: Counter[Call] = Counter()
        self.struck = 0
        self._turn = threading.Lock()
        self._is_calm = False
        self._listings: dict[tuple[str, str], Any] = {}

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **call: Any
    ) -> bytes:
        """Read a file, or half of what was asked for."""
        data, flaw = self._make(
            "cat_file", path, lambda: self.inner.cat_file(path, start=start, end=end, **call)
        )
        found: bytes = data
        is_short = flaw is not None and flaw.trouble == "truncate"
        return found[: len(found) // 2] if is_short else found

    def ls(self, path: str, detail: bool = True, **call: Any) -> Any:
        """List a folder, or what was there, or some of it."""
        return self._list("ls", path, lambda: self.inner.ls(path, detail=detail, **call))

    def find(self, path: str, *, detail: bool = False, **call: Any) -> Any:
        """List everything below a folder, or what was there, or some of it."""
        return self._list("find", path, lambda: self.inner.find(path, detail=detail, **call))

    def info(self, path: str, **call: Any) -> Any:
        """Look at a file."""
        return self._make("info", path, lambda: self.inner.info(path, **call))[0]

    def exists(self, path: str, **call: Any) -> Any:
        """Look for a file."""
        return self._make("exists", path, lambda: self.inner.exists(path, **call))[0]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **call: Any) -> None:
        """Write a file."""
        self._make(
            "pipe_file", path, lambda: self.inner.pipe_file(path, value, mode=mode, **call)
        )

    def put_file(self, lpath: str, rpath: str, **call: Any) -> None:
        """Write a file from a local one."""
        self._make("put_file", rpath, lambda: self.inner.put_file(lpath, rpath, **call))

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        self._make("rm_file", path, lambda: self.inner.rm_file(path))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make folders."""
        self._make("makedirs", path, lambda: self.inner.makedirs(path, exist_ok=exist_ok))

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget listings; no call of its own."""
        self.inner.invalidate_cache(path)

    @contextlib.contextmanager
    def calm(self) -> Iterator[None]:
        """Let nothing go wrong for a while."""
        self._is_calm = True
        try:
            yield
        finally:
            self._is_calm = False

    def _list(self, call: Call, path: str, act: Callable[[], Any]) -> Any:
        before = self._listings.get((call, path), {} if call == "find" else [])
        found, flaw = self._make(call, path, act)
        self._listings[call, path] = found
        if flaw is None or flaw.trouble not in {"omit", "stale"}:
            return found
        if flaw.trouble == "stale":
            return before
        if isinstance(found, dict):
            return dict(list(found.items())[1::2])
        return found[1::2]

    def _make(self, call: Call, path: str, act: Callable[[], Any]) -> tuple[Any, Flaw | None]:
        """Make a call; return what it returned, and the flaw that struck it."""
        with self._turn:
            self.calls[call] += 1
            flaws = [] if self._is_calm else self.flaws
            # A list: every flaw counts the call, and the first that strikes has its way.
            striking = [flaw for flaw in flaws if flaw.strikes(call, path)]
            flaw = striking[0] if striking else None
            self.struck += flaw is not None
        if flaw is not None and flaw.trouble == "fail":
            raise flaw.error()
        if flaw is not None and flaw.trouble == "delay":
            # Not in our turn: other calls overtake the one that is late.
            time.sleep(flaw.delay_s)
        with self._turn:
            result = act()
        # The call was carried out: only its answer is lost.
        if flaw is not None and flaw.trouble == "lose":
            raise flaw.error()
        return result, flaw


def lake_filesystem(fs: Any, root: str, settings: Settings) -> RemoteFilesystem:
    """Return the filesystem of a lake on an fsspec filesystem that no URL opens.

    Args:
        fs: The fsspec filesystem; its ``pipe_file(mode="create")`` must make a file once.
        root: The lake's folder, as that filesystem knows it.
        settings: How this process treats the lake.
    """
    backend = Backend(type(fs).__name__, create_by_condition, has_folders=False)
    return RemoteFilesystem(lambda: fs, root, f"{fs.protocol}:/{root}", backend, settings)
