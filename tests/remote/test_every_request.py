"""A proxy breaks requests on their way to a real object store, and nothing is lost.

Every eleventh request of each kind of fault suffers, so that all operations do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from servers.proxy import Fault, Proxy

from lakeflow.filesystem import retry
from lakeflow.maintenance.compact import compact_lake
from lakeflow.testing.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.ceph import CephServer

    from lakeflow.stores.store import Store

EVERY = 11
REQUESTS = 2_000

FAULTS: dict[str, dict[str, Any]] = {
    "never arrives": {"action": "drop_before"},
    "reply lost": {"action": "drop_after"},
    "reply to a write lost": {"action": "drop_after", "method": "PUT"},
    "slow down": {"action": "status", "arg": 503, "code": "SlowDown"},
    "internal error": {"action": "status", "arg": 500, "code": "InternalError"},
    "conflict": {
        "action": "status",
        "method": "PUT",
        "arg": 409,
        "code": "ConditionalRequestConflict",
    },
    "cut short": {"action": "truncate", "method": "GET", "arg": 20},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_acknowledged_is_there_once(
    fault: str,
    gateway: CephServer,
    between: Proxy,
    open_store: Callable[..., Store],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "_PAUSE_S", 0.005)
    first = 1 + list(FAULTS).index(fault)
    between.faults = [Fault(**FAULTS[fault], nth=nth) for nth in range(first, REQUESTS, EVERY)]
    story = Story(lambda: open_store(gateway.through(between.endpoint_url)))
    story.tell()
    assert any(request.fault for request in between.requests)
    between.faults = []
    story.check(open_store(gateway))
    survivor = open_store(gateway)
    compact_lake(survivor.lake)
    story.check(survivor)
