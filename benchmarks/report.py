"""What the benchmarks print: the machine, and tables in Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def machine(folder: Path, *pythons: str) -> str:
    """Return one line about the machine, the disk under a folder, and the interpreters."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    answers = {
        subprocess.run([python, "-V"], stdout=subprocess.PIPE, text=True, check=True).stdout
        for python in pythons
    }
    return (
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()}, {_filesystem(folder)}, "
        f"{', '.join(sorted(each.strip() for each in answers))}; load {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _filesystem(folder: Path) -> str:
    """Return the type of the filesystem under a folder: that of the longest mount point."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown filesystem"
    above = {str(each) for each in (folder.resolve(), *folder.resolve().parents)}
    return max((len(m[1]), m[2]) for m in mounts if m[1] in above)[1]


def seconds(value: float) -> str:
    """Return a time with three digits and the unit that fits."""
    for unit, name in _UNITS:
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def ratio(value: float) -> str:
    """Return how many times as much something takes."""
    return f"{value:,.0f}x" if value >= 10 else f"{value:.1f}x"


def met(is_met: bool) -> str:
    """Return whether a target was met."""
    return "met" if is_met else "MISSED"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def middle(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return for each name the median over several samples."""
    return {name: median(sample[name] for sample in samples) for name in samples[0]}
