"""Fills a registry: models of ten versions each, past the client, and times it.

A version of each thousandth model has the tag that ``registry_calls.py`` searches by.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any

from library import START_MS, client_of, parse, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lakeflow.stores.registry.changes import Changes

VERSIONS = 10
RARE = 1_000
MODELS_OF_AN_EVENT = 100


def main() -> None:
    options = parse(models=100_000)
    began = time.perf_counter()
    {"lakeflow": fill_lake, "mlflow": fill_database}[options.library](options)
    report({"seconds": time.perf_counter() - began})


def name_of(number: int) -> str:
    return f"model-{number:06d}"


def tag_of(number: int) -> str:
    return "rare" if number % RARE == 0 else "often"


def fill_lake(options: argparse.Namespace) -> None:
    import lakeflow
    from lakeflow.open_store import open_store

    store = open_store(options.uri, create=True)
    for first in range(0, options.models, MODELS_OF_AN_EVENT):

        def decide(changes: Changes, first: int = first) -> None:
            for number in range(first, min(first + MODELS_OF_AN_EVENT, options.models)):
                for table, row in rows_of_model(number):
                    changes.put(table, row)

        store.models.change(decide)
    lakeflow.compact(options.uri)


def rows_of_model(number: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    from lakeflow import schema
    from lakeflow.kinds import version_id

    model_id = str(number)
    times = {"creation_timestamp": START_MS, "last_updated_timestamp": START_MS}
    model = {"name": name_of(number), "last_version": VERSIONS, "requires_approval": 0}
    yield schema.REGISTERED_MODELS, {"model_id": model_id, **model, **times}
    latest = {"stage": "None", "version": VERSIONS, "count": VERSIONS}
    yield schema.LATEST_VERSIONS, {"model_id": model_id, **latest}
    alias = {"alias": "champion", "version": VERSIONS // 2}
    yield schema.REGISTERED_MODEL_ALIASES, {"model_id": model_id, **alias}
    for version in range(1, VERSIONS + 1):
        scope = {"model_id": model_id, "version_id": version_id(model_id, version)}
        source = f"s3://models/{name_of(number)}/{version}"
        places = {"source": source, "storage_location": source}
        fields = {"version": version, "current_stage": "None", "status": "READY"}
        yield schema.MODEL_VERSIONS, {**scope, **fields, **places, **times}
        tag = tag_of(number) if version == 1 else "often"
        yield schema.MODEL_VERSION_TAGS, {**scope, "key": "kind", "value": tag}


def fill_database(options: argparse.Namespace) -> None:
    # MLflow makes the tables.
    client_of(options).search_registered_models()
    numbers = range(options.models)
    versions = [(number, version) for number in numbers for version in range(1, VERSIONS + 1)]
    with sqlite3.connect(options.uri.removeprefix("sqlite:///")) as database:
        database.executemany(
            "INSERT INTO registered_models (name, creation_time, last_updated_time) "
            "VALUES (?, ?, ?)",
            ((name_of(number), START_MS, START_MS) for number in numbers),
        )
        database.executemany(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, "
            "current_stage, source, storage_location, status) "
            "VALUES (?, ?, ?, ?, 'None', ?, ?, 'READY')",
            (
                (
                    name_of(number),
                    version,
                    START_MS,
                    START_MS,
                    *[f"s3://{number}/{version}"] * 2,
                )
                for number, version in versions
            ),
        )
        database.executemany(
            "INSERT INTO model_version_tags (name, version, key, value) "
            "VALUES (?, ?, 'kind', ?)",
            (
                (name_of(number), version, tag_of(number) if version == 1 else "often")
                for number, version in versions
            ),
        )
        database.executemany(
            "INSERT INTO registered_model_aliases (name, alias, version) "
            "VALUES (?, 'champion', ?)",
            ((name_of(number), VERSIONS // 2) for number in numbers),
        )
    database.close()


if __name__ == "__main__":
    main()
