"""Progress lines: silent when short, a line a minute in a log, a note to the launcher."""

import pytest

from audiolm.jobs import progress as module
from audiolm.jobs.progress import describe, duration, progress


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_short_loop_says_nothing(capsys):
    assert list(progress(range(5), desc="codes")) == list(range(5))
    assert capsys.readouterr().err == ""


def test_a_long_loop_says_a_line_a_minute(capsys, clock):
    for _ in progress(range(10), desc="codes"):
        clock[0] += 20
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "codes: 3 of 10 (30 %), 0.05 a second, 2 min left",
        "codes: 6 of 10 (60 %), 0.05 a second, 80 s left",
        "codes: 9 of 10 (90 %), 0.05 a second, 20 s left",
        "codes: 10 in 3 min",
    ]


def test_the_launcher_gets_a_note(tmp_path, monkeypatch, clock):
    monkeypatch.setenv(module.RELAY_VARIABLE, str(tmp_path / "note"))
    for _ in progress(iter("abc"), total=4, desc="codes"):
        clock[0] += 1
    assert (tmp_path / "note").read_text() == "3\t4\tcodes\n"


def test_a_note_that_cannot_be_left_stops_nothing(tmp_path, monkeypatch, clock):
    monkeypatch.setenv(module.RELAY_VARIABLE, str(tmp_path / "gone" / "note"))
    assert list(progress("abc", desc="codes")) == ["a", "b", "c"]


def test_unknown_totals_and_durations():
    assert describe(30, None, "clips", 60.0) == "clips: 30, 0.5 a second"
    assert [duration(s) for s in (0.42, 12.3, 180, 7200)] == ["0.4 s", "12 s", "3 min", "2.0 h"]
