"""A lake behind a network: an object store, sftp, or whatever else fsspec opens.

Files never grow here, and never change once they are there: what was read of one is kept, and
every write can be sent twice. A call that fails for a reason that may pass is tried again until
a deadline, so that nothing waits for ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.exceptions import StorageError
from lakeflow.filesystem.backends import READ_S, create_after_a_look, make_folder
from lakeflow.filesystem.bounded import read_json
from lakeflow.filesystem.disk_cache import BlockCache, cache_folder
from lakeflow.filesystem.failures import NO_BUCKET, PAST_END, cause_of, store_code
from lakeflow.filesystem.fixed_files import FixedFiles
from lakeflow.filesystem.interface import STAGING, Entry, Filesystem
from lakeflow.filesystem.listing import entry_of, name_of
from lakeflow.filesystem.parts import PART_BYTES, WHOLE_BYTES, send_in_parts
from lakeflow.filesystem.probe import check_creates_once
from lakeflow.filesystem.retry import retry_until_deadline
from lakeflow.filesystem.threads import in_order
from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lakeflow.config import Settings
    from lakeflow.filesystem.backends import Backend
    from lakeflow.filesystem.parts import PartCall

T = TypeVar("T")

_WRITES = frozenset({"create", "write"})
_PATTERN = re.compile(r"[*?\[]")
_REQUESTS_AT_ONCE = 16
_SLOWEST_BYTES_PER_S = 512 * 1024
# Nobody renews a lease. A compaction that takes longer may get company, which costs work.
_LEASE_S = 120.0
# By how much the clocks of two machines may differ.
_CLOCKS_S = 600.0


class RemoteFilesystem(Filesystem):
    """Any fsspec filesystem.

    Args:
        open_fs: Opens it; called again in a forked child.
        root: The lake's folder, as the filesystem knows it.
        uri: The location of the lake.
        backend: What kind of filesystem it is.
        settings: How this process treats the lake.
    """

    def __init__(
        self,
        open_fs: Callable[[], Any],
        root: str,
        uri: str,
        backend: Backend,
        settings: Settings,
    ) -> None:
        super().__init__(root, uri)
        self._open_fs = open_fs
        self._backend = backend
        self._deadline_s = settings.remote_deadline_s
        self._create = create_after_a_look if settings.exclusive_writer else backend.create
        self.can_write = self._create is not None  # type: ignore[misc]
        self._is_exclusive = settings.exclusive_writer
        folder = cache_folder(settings.cache_folder)
        cache = BlockCache(folder, settings.cache_bytes) if settings.cache_bytes else None
        self._blocks = FixedFiles(uri, cache, self._whole, self._threads)
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._fs: Any = None
        self._lock = threading.RLock()
        self._is_proven = False
        self._pool: ThreadPoolExecutor | None = None

    def _reset_in_a_child(self) -> None:
        """Begin anew in a forked child: connections and threads do not survive a fork."""
        if self._pid != os.getpid():
            self._reset()

    def _opened(self) -> Any:
        """Return the filesystem."""
        self._reset_in_a_child()
        with self._lock:
            if self._fs is None:
                fs = self._open_fs()
                self._backend.prepare(fs)
                # Not before it is ready: the next attempt would take it as it is.
                self._fs = fs
            return self._fs

    # Reading

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Read with one request."""
        return self._persist("read", path, lambda fs: self._cat(fs, path, start, end))

    def _cat(self, fs: Any, path: str, start: int, end: int | None) -> bytes:
        try:
            data: bytes = fs.cat_file(self.full(path), start=start, end=end, **self._limit(fs))
        except Exception as error:
            # A local file answers the same with no bytes.
            if store_code(error) in PAST_END:
                return b""
            raise
        return data

    def read_fixed(self, path: str, size: int, start: int, end: int) -> bytes:
        """Read blocks from this machine where they are kept, and fetch and keep the others."""
        return self._blocks.read(path, size, start, end)

    def prefetch(self, path: str, size: int, spans: Iterable[tuple[int, int]]) -> None:
        """Fetch what will be read, several stretches at once."""
        self._blocks.prefetch(path, size, spans)

    def keep(self, path: str, data: bytes) -> None:
        """Keep what will be read again by this process."""
        self._blocks.keep(path, data)

    def _whole(self, path: str, start: int, end: int) -> bytes:
        """Read bytes that are known to be there; an answer that is short is no answer."""

        def attempt(fs: Any) -> bytes:
            data = self._cat(fs, path, start, end)
            if len(data) != end - start:
                raise ConnectionError(f"{len(data)} of {end - start} bytes came")
            return data

        return self._persist("read", path, attempt)

    def read_many(
        self, spans: Mapping[str, tuple[int, int]], *, fixed: bool = True
    ) -> Iterator[tuple[str, bytes]]:
        """Read several files at once."""

        def read(item: tuple[str, tuple[int, int]]) -> bytes:
            path, (start, end) = item
            if fixed:
                return self.read_fixed(path, end, start, end)
            return self._whole(path, start, end)

        if len(spans) < 2:
            yield from ((item[0], read(item)) for item in spans.items())
            return
        # A few for each of the threads at a time: all at once would hold a whole log in memory.
        found = in_order(self._threads(), read, spans.items(), 4 * _REQUESTS_AT_ONCE)
        yield from zip(spans, found, strict=True)

    def _threads(self) -> ThreadPoolExecutor:
        self._reset_in_a_child()
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(
                    _REQUESTS_AT_ONCE, thread_name_prefix="lakeflow-read"
                )
            return self._pool

    def list(self, path: str) -> list[Entry]:
        """List with one request a thousand entries."""

        def attempt(fs: Any) -> list[Entry]:
            # Not every filesystem takes the option that turns its cache of listings off.
            fs.invalidate_cache()
            found = fs.ls(self.full(path), detail=True, **self._limit(fs))
            return [
                entry_of(each) for each in found if name_of(each) != self.full(path).strip("/")
            ]

        try:
            entries = self._persist("list", path, attempt)
        except FileNotFoundError:
            return []
        return sorted(entries, key=lambda entry: entry.name)

    def sizes(self, path: str) -> dict[str, int]:
        """List everything below a folder with one request a thousand files, or one a folder."""
        if self._backend.has_folders:
            # fsspec's own walk leaves out a folder that it fails to list. A log without the
            # segments of one writer would look complete.
            return super().sizes(path)
        root = self._root.strip("/")
        skipped = len(root) + 1 if root else 0

        def attempt(fs: Any) -> dict[str, int]:
            fs.invalidate_cache()
            found = fs.find(self.full(path), detail=True, **self._limit(fs))
            return {name_of(each)[skipped:]: int(each["size"] or 0) for each in found.values()}

        try:
            return self._persist("list", path, attempt)
        except FileNotFoundError:
            return {}

    def exists(self, path: str) -> bool:
        """Read one byte."""
        # fsspec's own look asks stores twice where there is nothing: for a file and a folder.
        try:
            self.read(path, 0, 1)
        except FileNotFoundError:
            return False
        return True

    def entry(self, path: str) -> Entry | None:
        """Ask with one request, or two where there is no such file: it may be a folder."""
        try:
            found = self._persist("look at", path, lambda fs: fs.info(self.full(path)))
        except FileNotFoundError:
            return None
        return entry_of(found)

    def size(self, path: str) -> int:
        """Ask with one request."""
        return self._persist("look at", path, lambda fs: int(fs.size(self.full(path))))

    # Writing

    def create(self, path: str, data: bytes) -> object:
        """Make a file exactly once; where the answer is lost, look whose it is."""
        if self._create is None:
            return super().create(path, data)
        # Threads may prove it twice, which is as good; none waits for another one's races.
        if not self._is_proven and not self._is_exclusive:
            check_creates_once(self, self._store())
            self._is_proven = True
        self.create_unproven(path, data)
        return None

    def create_unproven(self, path: str, data: bytes) -> None:
        """Make a file, on a store of which nobody knows yet whether it does that once."""
        create, full = self._create, self.full(path)
        assert create is not None
        try:
            self._persist(
                "create", path, lambda fs: create(fs, full, data, self._limit(fs, len(data)))
            )
        except FileExistsError:
            # An earlier attempt of ours may have landed, and its answer not.
            if self.read(path) != data:
                raise

    def _store(self) -> str:
        """Return what tells one store from another."""
        # A call that does nothing: to open it may fail for a reason that passes.
        fs = self._persist("reach", "", lambda fs: fs)
        options = getattr(fs, "client_kwargs", None) or {}
        place = (
            options.get("endpoint_url")
            or getattr(fs, "endpoint_url", None)
            or getattr(fs, "host", None)
            or ""
        )
        return f"{self._backend.name} {place}".strip()

    def upload(self, local: str, path: str) -> None:
        """Send a file, a large one in parts where the store takes parts."""
        size, parts = os.path.getsize(local), self._backend.parts
        if parts is None or size <= WHOLE_BYTES:
            self._publish(path, size, lambda fs, at, limit: fs.put_file(local, at, **limit))
        else:
            send_in_parts(parts, local, self.full(path), self._sender(path), self._threads())

    def put(self, path: str, data: bytes) -> None:
        """Put it with one request; where a file is seen as it grows, it gets its name after."""
        self._publish(path, len(data), lambda fs, at, limit: fs.pipe_file(at, data, **limit))

    def _publish(
        self, path: str, size: int, write: Callable[[Any, str, dict[str, float]], None]
    ) -> None:
        """Write a file; it may be written twice."""
        rename = self._backend.rename

        def attempt(fs: Any) -> None:
            # A name for each attempt: one that was given up may still be writing.
            at = self.full(f"{STAGING}/{new_id()}" if rename else path)
            if self._backend.has_folders:
                make_folder(fs, at)
            write(fs, at, self._limit(fs, size))
            if rename:
                make_folder(fs, self.full(path))
                rename(fs, at, self.full(path))

        self._persist("write", path, attempt)

    def _sender(self, path: str) -> Callable[[PartCall], Any]:
        """Return what makes the calls by which a file goes in parts."""
        return lambda call: self._persist(
            "write", path, lambda fs: call(fs, self._limit(fs, PART_BYTES))
        )

    def delete(self, path: str) -> None:
        """Delete with one request."""
        with contextlib.suppress(FileNotFoundError):
            self._persist("delete", path, lambda fs: fs.rm_file(self.full(path)))

    def delete_many(self, paths: Sequence[str]) -> None:
        """Delete with one request a thousand files, or several at once, as the store can."""
        if not paths:
            return
        # Only s3fs has a call for many deletions that says which of them have failed.
        is_bulk = self._persist("reach", "", lambda fs: hasattr(fs, "_bulk_delete"))
        # fsspec would take some for patterns.
        single = [path for path in paths if not is_bulk or _PATTERN.search(path)]
        found = in_order(self._threads(), self._refusal, single, _REQUESTS_AT_ONCE)
        refused = [refusal for refusal in found if refusal is not None]
        if full := [self.full(path) for path in paths if is_bulk and not _PATTERN.search(path)]:
            with contextlib.suppress(FileNotFoundError):
                self._persist("delete", paths[0], lambda fs: fs.rm(full))
        if refused:
            raise refused[0]

    def _refusal(self, path: str) -> StorageError | None:
        """Delete a file, as the base class does, while the store is there."""
        refusal = super()._refusal(path)
        # Where it is busy or out of reach, each file would be tried until a deadline.
        if refusal is not None and cause_of(refusal).is_transient:
            raise refusal
        return refusal

    def clear_staging(self, before_s: float) -> None:
        """Delete files of killed processes, where there can be any."""
        if self._backend.rename is not None:
            stale = [each for each in self.list(STAGING) if each.modified_s < before_s]
            self.delete_many([f"{STAGING}/{each.name}" for each in stale])

    @contextlib.contextmanager
    def exclusive(self, path: str) -> Iterator[bool]:
        """Hold a lease that runs out, so that nobody waits for the dead."""
        # Two may find it free at once. That wastes work and does no harm.
        try:
            left_s = float(read_json(self, path)["until"]) - time.time()
        except (FileNotFoundError, ValueError, TypeError, LookupError, OverflowError):
            left_s = 0
        # What runs longer than a lease does, NaN too, is none: nobody would compact any more.
        if 0 < left_s <= _LEASE_S + _CLOCKS_S:
            # Who waits for the lease asks again soon, and each look is a request.
            time.sleep(1)
            yield False
            return
        self._lease(path, time.time() + _LEASE_S)
        try:
            yield True
        finally:
            with contextlib.suppress(StorageError):
                self._lease(path, 0)

    def _lease(self, path: str, until: float) -> None:
        """Write a lease; overwriting needs no permission to delete."""
        # Google takes about one write of an object in a second: another one is tried again.
        self.put(path, json.dumps({"until": until}).encode())

    # Calling

    def _limit(self, fs: Any, size: int = 0) -> dict[str, float]:
        """Return the time that one attempt may take, where the filesystem takes a limit."""
        # fsspec takes the limit itself, where it waits for the loop that these run in.
        if not getattr(fs, "async_impl", False):
            return {}
        # READ_S limits the time between two bytes only, and a body may trickle for ever.
        return {"timeout": 2 * READ_S + size / _SLOWEST_BYTES_PER_S}

    def _persist(self, operation: str, path: str, attempt: Callable[[Any], T]) -> T:
        """Make a call that may be repeated, until it succeeds or has no prospect of it."""
        what = f"cannot {operation} {path or 'anything'} in {self.uri}"
        try:
            return retry_until_deadline(
                lambda: self._call_once(attempt), what, self._deadline_s, self._reconnect
            )
        except FileNotFoundError as error:
            if operation not in _WRITES or self._backend.has_folders:
                raise
            # Where a write needs no folder, only the bucket can be missing. gcsfs does not say.
            raise StorageError(
                f"{what}: {error}", NO_BUCKET.code, hint=NO_BUCKET.hint
            ) from error

    def _call_once(self, attempt: Callable[[Any], T]) -> T:
        fs = self._opened()
        if getattr(fs, "async_impl", False):
            return attempt(fs)
        # It has one connection, as paramiko's has: threads take turns, and where it is
        # broken, or in the middle of an answer, asking again does not mend it.
        with self._lock:
            try:
                return attempt(fs)
            except Exception as error:
                is_lost = not self._backend.is_connected(fs)
                if is_lost or cause_of(error).is_transient:
                    self._reconnect()
                if is_lost:
                    raise ConnectionError(f"the connection broke: {error}") from error
                raise

    def _reconnect(self) -> None:
        """Open the filesystem anew, with the credentials that there are now."""
        with self._lock:
            # fsspec keeps instances by their options, and would return the broken one again.
            if self._fs is not None:
                type(self._fs).clear_instance_cache()
            self._fs = None
