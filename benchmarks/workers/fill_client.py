"""Fills a lake through the client: runs of one experiment, a batch each."""

from __future__ import annotations

import os
import time
from itertools import starmap

from library import client_of, entities_of, parse, report
from shapes import SHAPE, shapes


def main() -> None:
    options = parse(**SHAPE)
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    client, entities = client_of(options), entities_of(options)
    began = time.perf_counter()
    for shape in shapes(options):
        run_id = client.create_run("0", shape.start_time, run_name=shape.name).info.run_id
        client.log_batch(
            run_id,
            list(starmap(entities.Metric, shape.metrics)),
            list(starmap(entities.Param, shape.params)),
            list(starmap(entities.RunTag, shape.tags)),
        )
        client.set_terminated(run_id, end_time=shape.start_time + 1)
    report({"seconds": time.perf_counter() - began})


if __name__ == "__main__":
    main()
