"""The functions of ``search``, loaded with the first search that is made.

A job that only logs makes none, and they would take a tenth of the time that all else takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.system_errors import loading

if TYPE_CHECKING:
    from lakeflow.stores.search import count_of as count_of
    from lakeflow.stores.search import page_of as page_of
    from lakeflow.stores.search import pages_of as pages_of
else:

    @loading("what searches")
    def __getattr__(name: str) -> object:
        from lakeflow.stores import search

        return getattr(search, name)
