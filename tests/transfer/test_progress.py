"""A terminal shows how far long transfers are, and nothing else does."""

from __future__ import annotations

import io

import pytest

from lakeflow.transfer import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def run(clock: Clock, seconds: float, *, is_wanted: bool = True) -> None:
    with progress.shown("uploaded", 10, is_wanted=is_wanted) as advance:
        for _ in range(10):
            clock.now += seconds
            advance(1_000_000)


def test_a_long_transfer_is_shown_and_wiped_away(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run(clock, 0.3)
    lines = terminal.getvalue().split("\r\033[K")[1:]
    assert lines[0] == "uploaded 4 of 10 files, 4.0 MB, 3.3 MB/s"
    assert len(lines) == 8
    assert lines[-1] == ""


def test_a_short_one_is_not(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run(clock, 0.05)
    assert terminal.getvalue() == ""


closed = io.StringIO()
closed.close()


@pytest.mark.parametrize("stream", [io.StringIO(), closed, None])
def test_nor_is_anything_where_nobody_looks_on(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    run(clock, 10)
    assert stream is None or stream.closed or stream.getvalue() == ""


def test_a_setting_turns_it_off(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakeflow.config import is_progress_shown

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert is_progress_shown()
    for prefix in ("MLFLOW", "LAKEFLOW"):
        monkeypatch.setenv(f"{prefix}_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        assert not is_progress_shown()
        run(clock, 10, is_wanted=is_progress_shown())
        assert terminal.getvalue() == ""
        monkeypatch.delenv(f"{prefix}_ENABLE_ARTIFACTS_PROGRESS_BAR")


def test_a_terminal_that_is_gone_breaks_nothing(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    terminal.close()
    run(clock, 10)
