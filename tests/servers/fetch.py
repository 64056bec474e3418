"""Fetch what tests start that PyPI does not have: ``python -m servers.fetch``.

Without it the first test that needs a server fetches it, while a core has nothing to do.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from servers import azurite, ceph, chromium, sftp

if __name__ == "__main__":
    wanted = (ceph.unpacked, chromium.program, sftp.unpacked, azurite.fetched)
    with ThreadPoolExecutor(len(wanted)) as pool:
        for each in [pool.submit(fetch) for fetch in wanted]:
            each.result()
