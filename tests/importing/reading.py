"""All that a source holds, and all that it says of what it could not keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow.importing.items import Problem, RunItem
    from lakeflow.importing.source import Source


@dataclass
class Held:
    runs: dict[str, RunItem] = field(default_factory=dict)
    points: dict[tuple[str, str], list[tuple[float, int, int]]] = field(default_factory=dict)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def values(self, run: str, key: str) -> list[float]:
        return [value for value, _, _ in self.points[run, key]]

    def steps(self, run: str, key: str) -> list[int]:
        return [step for _, _, step in self.points[run, key]]


def held_by(source: Source) -> Held:
    held = Held()
    source.report_to(held.problems.append)
    for experiment in source.experiments():
        # All runs come before their points, as an import takes them in batches.
        runs = list(source.runs(experiment, None))
        for run in runs:
            assert run.experiment == experiment.key
            held.runs[run.name] = run
            for key, *columns in source.curves(run):
                held.points.setdefault((run.name, key), []).extend(zip(*columns, strict=True))
            counts = source.counts(run)
            found = {
                key: len(points)
                for (name, key), points in held.points.items()
                if name == run.name
            }
            assert counts is None or counts == found
            for file in source.files(run):
                with open(file.location, "rb") as opened:
                    held.files[run.name, file.path] = opened.read()
                assert file.size == len(held.files[run.name, file.path])
    source.close()
    return held
