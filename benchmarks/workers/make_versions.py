"""One of several processes that register versions of one model: says how long each took."""

from __future__ import annotations

from library import client_of, parse
from make_experiments import serve


def main() -> None:
    options = parse(number=0)
    client = client_of(options)
    import lakeflow

    def make(name: str) -> str:
        return str(client.create_model_version("model", name).version)

    if options.number == 0:
        client.create_registered_model("model")
    serve(options.number, make, lakeflow.exceptions.AlreadyExistsError)


if __name__ == "__main__":
    main()
