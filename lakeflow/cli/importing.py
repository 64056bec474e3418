"""``lakeflow import``: a subcommand for each source, one progress, one report."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lakeflow import formats
from lakeflow.cli import moving
from lakeflow.cli.terminal import shown_lines, write
from lakeflow.importing import Columns, import_from

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from lakeflow.importing.report import ImportProgress, ImportReport
    from lakeflow.importing.source import Source


def _mlflow(options: argparse.Namespace) -> Source:
    from lakeflow.importing.sources.mlflow.opening import is_read_directly, open_mlflow

    if is_read_directly(options.source):
        return open_mlflow(options.source)
    formats.require("mlflow", "lakeflow[mlflow]")
    from lakeflow.mlflow.importing.source import TrackingSource

    return TrackingSource(options.source)


def _add_mlflow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="the folder of a file store, such as ./mlruns, sqlite:///mlflow.db, or the URI of "
        "a database in PostgreSQL or MySQL; where MLflow is installed any tracking URI, such "
        "as http://localhost:5000",
    )


def _tables(kind: str) -> Callable[[argparse.Namespace], Source]:
    def opened(options: argparse.Namespace) -> Source:
        from lakeflow.importing.sources.tabular.source import TabularSource

        (experiment,) = options.experiment
        columns = Columns(
            run=options.run_column,
            step=options.step,
            time=options.time,
            params=options.param,
            metrics=options.metric,
            tags=options.tag,
            ignored=options.ignore,
        )
        return TabularSource(kind, options.source, experiment, columns)

    return opened


def _add_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="FILES",
        help="a file, a folder, or a pattern in quotes such as 'logs/*/metrics.csv'; a path or "
        "a URL",
    )
    _add_name(parser)
    columns = parser.add_argument_group(
        "columns", "Of those that are not named, numbers are metrics and texts params."
    )
    single = {
        "run": "which run a row is of; without it each file is a run",
        "step": "at which step it was logged; without it rows are counted",
        "time": "when it was logged: seconds, milliseconds or ISO 8601",
    }
    for name, line in single.items():
        # "run" is what carries out the command.
        to = "run_column" if name == "run" else name
        columns.add_argument(f"--{name}", dest=to, metavar="COLUMN", help=line)
    several = {
        "param": "a param, which has one value in a run",
        "metric": "a metric, although most of it is no number",
        "tag": "a tag; the last value of a run is kept",
        "ignore": "leave it out",
    }
    for name, line in several.items():
        help_ = f"{line}; may be given several times"
        columns.add_argument(
            f"--{name}", metavar="COLUMN", action="append", default=[], help=help_
        )


def _tensorboard(options: argparse.Namespace) -> Source:
    from lakeflow.importing.sources.tensorboard.source import TensorBoardSource

    (experiment,) = options.experiment
    return TensorBoardSource(options.source, experiment)


def _add_tensorboard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="FOLDER", help="the folder that TensorBoard shows; a path or a URL"
    )
    _add_name(parser)


def _add_name(parser: argparse.ArgumentParser) -> None:
    """Add the name of the experiment, where the source has none."""
    # A list of one, as ``run`` has names of experiments from the other sources.
    parser.add_argument(
        "--experiment", metavar="NAME", nargs=1, required=True, help="name of the experiment"
    )


def _wandb(options: argparse.Namespace) -> Source:
    from lakeflow.importing.sources.wandb.source import WandbSource

    return WandbSource(options.source)


def _add_wandb(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder with run folders, such as ./wandb, or one of them",
    )


def _trackio(options: argparse.Namespace) -> Source:
    from lakeflow.importing.sources.trackio.source import TrackioSource

    return TrackioSource(options.source)


def _add_trackio(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="its folder, such as ~/.cache/huggingface/trackio, or a database",
    )


def _neptune(options: argparse.Namespace) -> Source:
    from lakeflow.importing.sources.neptune.source import NeptuneSource

    return NeptuneSource(options.source, options.files, options.step_multiplier)


def _add_neptune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="the folder that was --data-path of neptune-exporter, or the one above it",
    )
    parser.add_argument(
        "--files",
        metavar="FOLDER",
        help="the folder that was its --files-path (default: files beside the other)",
    )
    parser.add_argument(
        "--step-multiplier",
        type=int,
        default=1,
        metavar="N",
        help="multiply steps by this; fractions are rounded down (default: 1)",
    )


_SOURCES: dict[
    str,
    tuple[
        Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Source], str
    ],
] = {
    "csv": (_add_tables, _tables("csv"), "CSV files"),
    "jsonl": (_add_tables, _tables("jsonl"), "files with a JSON object a line"),
    "mlflow": (_add_mlflow, _mlflow, "an MLflow file store, database or server"),
    "neptune": (_add_neptune, _neptune, "an export of neptune-exporter"),
    "parquet": (_add_tables, _tables("parquet"), "Parquet files"),
    "tensorboard": (_add_tensorboard, _tensorboard, "TensorBoard's event files"),
    "trackio": (_add_trackio, _trackio, "Trackio's databases or Parquet"),
    "wandb": (_add_wandb, _wandb, "runs that Weights & Biases has logged offline"),
}
"""For each source what adds its arguments, what opens it, and what it is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    sources = parser.add_subparsers(required=True, metavar="SOURCE")
    for name, (add, opened, line) in _SOURCES.items():
        each = sources.add_parser(
            name,
            help=line,
            description=f"Bring experiments and runs of {line} into a lake. It may be stopped "
            "anywhere: run again it goes on, nothing is there twice, and what is new comes. "
            "The status is 0 where all is there, 1 where something could not be kept.",
            conflict_handler="resolve",
        )
        moving.add_selection(each)
        moving.add_ways(each, "runs", "into the lake")
        # A source may mean something else by an option.
        add(each)
        each.set_defaults(run=run, opened=opened)


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        LakeflowException: The source cannot be read, or the lake not be written.
    """
    with _shown() as progress:
        report = import_from(
            options.opened(options),
            options.lake,
            experiments=options.experiment or None,
            since=options.since,
            artifacts=options.artifacts,
            dry_run=options.dry_run,
            progress=progress,
        )
    write(_lines(report))
    return moving.status(report)


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[ImportProgress], None] | None]:
    """Give what shows how far an import is, where somebody looks on."""
    with shown_lines() as show:
        if show is None:
            yield None
            return

        def tell(progress: ImportProgress) -> None:
            show(
                f"{progress.runs:,} runs, {progress.points:,} points, "
                f"{progress.files:,} files  {progress.step}"
            )

        yield tell


def _lines(report: ImportReport) -> Iterator[str]:
    """Yield the report: a line a table, then what could not be kept."""
    there = "there already" if report.is_dry_run else "in the lake"
    yield f"{report.source}\n"
    yield f"{'':20}{'source':>16}{there:>16}{'sum':>24}{'sum':>24}\n"
    for name, totals in report.tables.items():
        source, lake = totals.source, totals.lake
        counts = f"{source.count:>16,}{lake.count:>16,}"
        yield f"{name:20}{counts}{source.sum:>24,.15g}{lake.sum:>24,.15g}\n"
    yield from moving.end(report)
