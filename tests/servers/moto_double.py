"""The quick double of an S3 server: moto, in a thread of this process.

It is up in a fraction of a second. It checks neither signatures nor permissions, and it checks
the condition of a PUT without a lock, so that two racing writers may both win.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from servers.processes import HOST
from servers.s3 import S3Server

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def server() -> Iterator[S3Server]:
    """Run the double; its buckets are those of every other moto in this process."""
    # moto takes a second to import; most users of this package never start it.
    from moto.server import ThreadedMotoServer

    logger = logging.getLogger("werkzeug")
    level = logger.level
    logger.setLevel(logging.WARNING)  # not a line for each request
    moto = ThreadedMotoServer(HOST, port=0, verbose=False)
    moto.start()
    try:
        _host, port = moto.get_host_and_port()
        yield S3Server(f"http://{HOST}:{port}", "double", "double")
    finally:
        moto.stop()
        logger.setLevel(level)
