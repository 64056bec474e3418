"""One of several processes that make experiments in one store: says how long each took.

It makes one and says so, then takes lines of ``[when, [names]]`` from its standard input.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from library import client_of, parse, report

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    options = parse(number=0)
    client = client_of(options)
    import lakeflow

    serve(options.number, client.create_experiment, lakeflow.exceptions.AlreadyExistsError)


def serve(number: int, make: Callable[[str], str], taken: type[Exception]) -> None:
    """Make experiments as the standard input says.

    Args:
        number: Which of the processes this is.
        make: Makes an experiment of a name and returns its id.
        taken: What it raises where there is one of that name.
    """
    name = f"first-of-{number}"
    report({"made": {name: make(name)}})
    for line in sys.stdin:
        when, names = json.loads(line)
        time.sleep(max(0.0, when - time.time()))
        report(made(names, make, taken))


def made(
    names: list[str], make: Callable[[str], str], taken: type[Exception]
) -> dict[str, Any]:
    """Make experiments one after another; return ids by name, and what it took."""
    ids, times, refused, failed, start = {}, [], 0, 0, time.time()
    for name in names:
        began = time.perf_counter()
        try:
            ids[name] = make(name)
        except taken:
            refused += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not made
            print(repr(error), file=sys.stderr)
            failed += 1
        times.append(time.perf_counter() - began)
    return {
        "made": ids,
        "refused": refused,
        "failed": failed,
        "times": times,
        "start": start,
        "end": time.time(),
    }


if __name__ == "__main__":
    main()
