"""Lists every experiment of a lake in a fresh process: ids and names, repeated ones too.

From tables and log, or with ``--compact=1`` when all of the log is folded.
"""

from __future__ import annotations

from library import client_of, parse, report

ALL = 3
PAGE = 50_000


def main() -> None:
    options = parse(compact=0)
    if options.compact:
        import lakeflow

        lakeflow.compact(options.uri)
    client, found, token = client_of(options), [], None
    while True:
        page = client.search_experiments(ALL, PAGE, page_token=token)
        found += [[experiment.experiment_id, experiment.name] for experiment in page]
        token = page.token
        if not token:
            break
    report(found)


if __name__ == "__main__":
    main()
