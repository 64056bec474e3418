"""Reads curves of a lake: every point of one, or many with fewer points."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from find import median
from library import parse, report

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "metric-5"


def main() -> None:
    options = parse(repeats=5, max_points=1000)
    runs = json.load(sys.stdin)["runs"]
    lakeflow.set_tracking_uri(options.uri)

    def history() -> Any:
        return lakeflow.metric_history(runs[0], KEY)

    def series() -> Any:
        return lakeflow.metric_series(
            runs, KEY, max_points=options.max_points, output_format="polars"
        )

    calls: dict[str, Callable[[], Any]] = {"history": history, "series": series}
    call = calls[options.step]
    report({"rows": len(call()), "seconds": median(lambda _: call(), options.repeats)})


if __name__ == "__main__":
    main()
