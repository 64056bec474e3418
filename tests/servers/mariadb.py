"""A MariaDB server, which speaks MySQL, with one empty database."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from servers import debian
from servers.processes import HOST, Processes, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGES = ("mariadb-server-core",)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a MariaDB server; give the URI of its database, without a driver.

    Args:
        folder: An empty folder for its files.
    """
    packages = debian.unpack("mariadb", PACKAGES)
    program = packages.find("usr/sbin/mariadbd")
    data, first = folder / "data", folder / "first.sql"
    data.mkdir()
    first.write_text("CREATE DATABASE mlflow CHARACTER SET utf8mb4;\n")
    port = free_port()
    with Processes(folder, packages.environment) as processes:
        processes.start(
            "mariadbd", program, "--no-defaults", "--user=root", f"--datadir={data}",
            f"--lc-messages-dir={packages.find('usr/share/mysql')}", f"--init-file={first}",
            f"--bind-address={HOST}", f"--port={port}", f"--socket={folder / 'socket'}",
            # Its own tables, with the users among them, are not made.
            "--skip-grant-tables", "--skip-networking=0", "--innodb-flush-log-at-trx-commit=0",
        )  # fmt: skip
        processes.wait_for_port("mariadbd", port)
        yield f"mysql://mlflow:secret@{HOST}:{port}/mlflow"
