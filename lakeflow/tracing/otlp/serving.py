"""A receiver that listens on a port."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from lakeflow.exceptions import InvalidInputError
from lakeflow.open_store import open_store
from lakeflow.tracing.experiments import experiment_named
from lakeflow.tracing.otlp.receiver import Receiver
from lakeflow.tracing.otlp.signals import Destination

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

PORT = 4318
"""Where clients of the protocol send to unless they are told otherwise."""

_MOST_CONNECTIONS = 1_000
_LONGEST_HEAD_BYTES = 65_536
_IDLE_SECONDS = 75
_LAST_SECONDS = 30
"""How long requests that are under way may take when the receiver ends."""

# A request makes thousands of lists and objects, which are gone with it. By default Python
# looks through them for circles several times meanwhile: a tenth of what the receiver does.
_MADE_BETWEEN_COLLECTIONS = 100_000


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InvalidInputError: It cannot listen there.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
        with contextlib.ExitStack() as stack:
            stack.callback(listening.close)
            # So that one that was killed can be started again at once.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
            stack.pop_all()
    except (OSError, OverflowError) as error:
        raise InvalidInputError(
            f"cannot listen on {host}:{port}: {error}",
            hint="choose another port, or end what listens there",
        ) from error
    return listening


@contextlib.contextmanager
def _prepared(
    uri: str | os.PathLike[str] | None, experiment: str | None, host: str, port: int
) -> Iterator[tuple[uvicorn.Server, socket.socket]]:
    store = open_store(uri, create=True)
    experiment_id = experiment_named(store, experiment)
    listening = _bound(host, port)
    receiver = Receiver(Destination(store, experiment_id))
    config = uvicorn.Config(
        receiver,
        # The receiver answers requests, and nothing else that ASGI has.
        lifespan="off",
        # Of the servers that it has the one which bounds the head of a request.
        http="h11",
        ws="none",
        h11_max_incomplete_event_size=_LONGEST_HEAD_BYTES,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_LAST_SECONDS,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        # By itself it would set up the logging of the whole process.
        log_config=None,
    )
    try:
        yield uvicorn.Server(config), listening
    finally:
        receiver.close()
        listening.close()


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    uri: str | os.PathLike[str] | None = None,
    *,
    experiment: str | None = None,
    host: str = "127.0.0.1",
    port: int = PORT,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Receive spans until the process is interrupted or asked to end.

    Requests that are under way then are answered first, for at most 30 seconds.

    Args:
        uri: Location of the lake, which is made if there is none; that of the process by
            default.
        experiment: Name of the experiment for what names none; it is made if there is none.
            By default that of the process, else the experiment 0.
        host: Address to listen on. Whoever reaches it may write.
        port: Port; 0 for a free one.
        ready: Called with the URL when it listens.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it cannot listen there, or the experiment
            is deleted.
    """
    # When it has ended, the server sends itself the signal once more.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    collected = gc.get_threshold()
    gc.set_threshold(_MADE_BETWEEN_COLLECTIONS)
    try:
        with _prepared(uri, experiment, host, port) as (server, listening):
            ready(_url(listening))
            server.run([listening])
    finally:
        gc.set_threshold(*collected)
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def receiving(
    uri: str | os.PathLike[str] | None = None,
    *,
    experiment: str | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[str]:
    """Receive spans in a thread of this process, as long as the context lasts.

    Args:
        uri: As for ``serve``, like all the others.
        experiment: The experiment.
        host: Address to listen on.
        port: Port; a free one by default.

    Yields:
        The URL: what ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set to.

    Examples:
        >>> import urllib.request
        >>> with receiving("memory://doc-receiving") as url:
        ...     request = urllib.request.Request(
        ...         f"{url}/v1/traces", b"{}", {"Content-Type": "application/json"}
        ...     )
        ...     print(urllib.request.urlopen(request).read())
        b'{}'
    """
    with _prepared(uri, experiment, host, port) as (server, listening):
        # The server takes over signals in the main thread alone, and so not here.
        thread = threading.Thread(
            target=server.run, args=([listening],), name="lakeflow-otlp", daemon=True
        )
        thread.start()
        try:
            yield _url(listening)
        finally:
            server.should_exit = True
            thread.join()
