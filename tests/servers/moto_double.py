"""The quick double of an S3 server: moto, in threads of this process.

It is up in a fraction of a second. It checks neither signatures nor permissions. Its requests
are dealt with one after another: moto checks the condition of a PUT without a lock of its own.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any

from servers.processes import HOST
from servers.s3 import S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def server() -> Iterator[S3Server]:
    """Run the double; its buckets are those of every other moto in this process."""
    # moto takes a second to import; most users of this package never start it.
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    moto = DomainDispatcherApplication(create_backend_app)

    def one_after_another(environ: Any, start_response: Any) -> Any:
        with _TURN:
            return moto(environ, start_response)

    logger = logging.getLogger("werkzeug")
    level = logger.level
    logger.setLevel(logging.WARNING)  # not a line for each request
    running = make_server(
        HOST, 0, one_after_another, threaded=True, request_handler=MotoRequestHandler
    )
    thread = threading.Thread(target=running.serve_forever, name="moto", daemon=True)
    thread.start()
    try:
        yield S3Server(f"http://{HOST}:{running.server_port}", "double", "double")
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
        logger.setLevel(level)


_TURN = threading.Lock()
