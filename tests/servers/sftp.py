"""OpenSSH's SFTP server, for one user with one key."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers import debian
from servers.processes import HOST, Processes, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = ("openssh-server", "openssh-client", "libnss-wrapper")

_SETTINGS = """\
ListenAddress {host}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True, slots=True)
class SftpServer:
    """An SFTP server.

    Attributes:
        host: Its address.
        port: Its port.
        username: The only user that can log in: the one that runs this process.
        key_path: The user's private key.
        folder: An empty folder to keep files in; the user sees the whole machine.
    """

    host: str
    port: int
    username: str
    key_path: Path
    folder: Path

    @property
    def storage_options(self) -> dict[str, Any]:
        """Options for ``fsspec.filesystem("sftp", **options)``, which trusts any host key."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "key_filename": str(self.key_path),
            "look_for_keys": False,
            "allow_agent": False,
        }


def unpacked() -> debian.Unpacked:
    """Return where OpenSSH is: this machine's own, or else Debian's packages."""
    if shutil.which("sshd", path="/usr/sbin"):
        return debian.Unpacked(Path("/"))
    return debian.unpack("sftp", PACKAGES)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[SftpServer]:
    """Run an SFTP server.

    Args:
        folder: An empty folder for its keys, its log and its files.
    """
    packages = unpacked()
    sshd = packages.find("usr/sbin/sshd")
    port = free_port()
    username = pwd.getpwuid(os.getuid()).pw_name
    files = folder / "files"
    files.mkdir()
    settings = folder / "sshd_config"
    settings.write_text(_SETTINGS.format(host=HOST, port=port, folder=folder))
    for name in ("host_key", "user_key"):
        subprocess.run(
            [
                packages.find("usr/bin/ssh-keygen"),
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                folder / name,
            ],
            check=True,
            env=packages.environment,
        )
    is_installed = packages.root == Path("/")
    environment = (
        packages.environment if is_installed else _with_users(packages, folder, username)
    )
    if os.geteuid() == 0:
        # An empty folder that sshd locks itself into before anybody has logged in.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with Processes(folder, environment) as processes:
        processes.start("sshd", sshd, "-D", "-e", "-f", settings)
        processes.wait_for_port("sshd", port)
        yield SftpServer(HOST, port, username, folder / "user_key", files)


def _with_users(packages: debian.Unpacked, folder: Path, username: str) -> dict[str, str]:
    """Return an environment with the user ``sshd``, which installing would have made."""
    passwd, group = folder / "passwd", folder / "group"
    home = Path.home()
    passwd.write_text(
        f"{username}:*:{os.getuid()}:{os.getgid()}::{home}:/bin/sh\n"
        f"sshd:*:65533:65533::/run/sshd:/usr/sbin/nologin\n"
    )
    group.write_text(f"{username}:*:{os.getgid()}:\nsshd:*:65533:\n")
    return {
        **packages.environment,
        "LD_PRELOAD": str(packages.find("usr/lib/*-linux-gnu/libnss_wrapper.so")),
        "NSS_WRAPPER_PASSWD": str(passwd),
        "NSS_WRAPPER_GROUP": str(group),
    }
