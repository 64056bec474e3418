"""Calls a registry: medians of single changes and of look-ups, or of a search by a tag."""

from __future__ import annotations

from statistics import median
from typing import Any

from library import client_of, parse, report, taken_times

FOUND = 100


def main() -> None:
    options = parse(calls=300, models=100_000)
    client = client_of(options)
    report({"calls": calls, "search": search}[options.step](client, options))


def calls(client: Any, options: Any) -> dict[str, float]:
    """Time changes and look-ups of one model of a small registry."""
    client.create_registered_model("model")
    client.create_model_version("model", "s3://somewhere")
    client.set_registered_model_alias("model", "champion", 1)
    timed = {
        "create_model_version": lambda n: client.create_model_version("model", f"s3://{n}"),
        "set_registered_model_alias": lambda n: client.set_registered_model_alias(
            "model", "champion", n % 100 + 1
        ),
        "set_model_version_tag": lambda n: client.set_model_version_tag(
            "model", 1, f"k{n}", "v"
        ),
        "get_model_version_by_alias": lambda _: client.get_model_version_by_alias(
            "model", "champion"
        ),
    }
    return {name: median(taken_times(call, options.calls)) for name, call in timed.items()}


def search(client: Any, options: Any) -> dict[str, float]:
    """Time a search that finds 100 versions by a tag, as the first of a process and after."""

    def found(_: int) -> None:
        page = client.search_model_versions("tags.kind = 'rare'", max_results=FOUND)
        assert len(page) == options.models // 1_000

    first, *others = (taken_times(found, 1)[0] for _ in range(options.calls + 1))
    return {"first of a process": first, "again": median(others)}


if __name__ == "__main__":
    main()
