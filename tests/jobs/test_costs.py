"""What measured costs mean on another machine."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.jobs import speed
from audiolm.jobs.costs import Machine, compared, read_table, seconds_here, steady, write_table
from audiolm.jobs.estimate import measure

THERE = Machine("A", 2, 0.0, 2, process=10.0, processes=8.0, products=50.0, training=20.0, date="2026-01-01")
COST = {"seconds": 100.0, "training_seconds": 0.0, "cpu_seconds": 100.0, "memory_mb": 500.0, "disk_mb": 1.0}


def test_steps_go_by_training_and_all_else_by_scalar_work_and_products():
    steps = {**COST, "training_seconds": 100.0}
    assert seconds_here(steps, THERE, THERE) == pytest.approx((100 / 1.15, 115))
    half = replace(THERE, training=10.0)
    assert seconds_here(COST, half, THERE) == pytest.approx((100 / 1.15, 115))
    low, high = seconds_here(steps, half, THERE)
    assert low == pytest.approx(200 / 1.15 / 2**0.25) and high == pytest.approx(200 * 1.15 * 2**0.25)
    assert seconds_here({**COST, "training_seconds": 40.0}, half, THERE)[0] == pytest.approx(0.4 * low + 60 / 1.15)
    low, high = seconds_here(COST, replace(THERE, products=25.0), THERE)
    assert (low, high) == pytest.approx((100 / 1.15, 200 * 1.15 * 2**0.25))


def test_processes_side_by_side_count_where_a_stage_had_them():
    """One core in two is taken: pairs of processes are slower by half, one alone is not."""
    busy = replace(THERE, processes=4.0)
    assert seconds_here(COST, busy, THERE)[0] == pytest.approx(100 / 1.15)
    pairs = {**COST, "cpu_seconds": 200.0}
    assert seconds_here(pairs, busy, THERE)[0] == pytest.approx(200 / 1.15 / 2**0.25)
    one_core = replace(THERE, cores=1, jobs=1, processes=10.0)  # half as many at a time, each a quarter faster
    assert seconds_here(pairs, one_core, THERE)[0] == pytest.approx(160 / 1.15 / 1.6**0.25)


def test_a_table_comes_back_and_another_file_is_refused(tmp_path):
    path = tmp_path / "measured/demo.tsv"
    assert read_table(path) == (None, {})
    write_table(path, THERE, {"codec": {**COST, "cpu_seconds": None, "digest": "x"}})
    assert read_table(path) == (THERE, {"codec": {**COST, "cpu_seconds": 0.0}})
    for text in ("", "# measured on X\ncodec\t1\t2\t3\t4\n", path.read_text().replace("training", "trainings")):
        path.write_text(text)
        with pytest.raises(AudiolmError, match="demo.tsv: no table of measured costs"):
            read_table(path)


def test_what_else_runs_is_said():
    assert compared(replace(THERE, busy=1.04), THERE).endswith(
        "this machine, 2 cores, A; other programs take 1.0 of its cores now: trains 1 times as fast, other work 1 times"
    )
    assert steady(THERE, replace(THERE, training=17.0)) == ""
    assert steady(THERE, replace(THERE, processes=5.0)) == "scalar work 8 then, 5 now"


def test_others_are_the_busy_cores_less_this_process(monkeypatch):
    readings = iter([100.0, 103.5])
    monkeypatch.setattr(speed, "_busy", lambda: next(readings))
    times, clock = iter([(1.0, 0.0, 0.0, 0.0, 0.0), (2.0, 0.5, 0.0, 0.0, 0.0)]), iter([10.0, 12.0])
    monkeypatch.setattr(speed, "os", SimpleNamespace(times=lambda: next(times)))
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    with speed.Others() as others:
        pass
    assert others.cores == 1.0


def test_the_verb_measures_and_a_busy_process_is_felt(tmp_path, capsys, monkeypatch):
    from audiolm.train import speed as training

    for module, name in ((speed, "work"), (training, "product_speed"), (training, "training_speed")):
        measured = getattr(module, name)
        monkeypatch.setattr(module, name, lambda seconds, measured=measured: measured(seconds / 10))
    assert main(["machine", "--jobs", "1", "--out", str(tmp_path / "machine.json")]) == 0
    values = json.loads((tmp_path / "machine.json").read_text())
    assert min(values[key] for key in ("process", "processes", "products", "training", "cores")) > 0
    assert "training steps" in capsys.readouterr().out


def test_a_launcher_that_fails_or_is_a_cluster_leaves_the_machine_unmeasured(monkeypatch):
    monkeypatch.setenv("train_cmd", "audiolm launch --backend slurm")
    assert measure(2) == (None, "jobs run on Slurm, whose machines are not measured here")
    monkeypatch.setenv("train_cmd", "false")
    machine, why = measure(2)
    assert machine is None and why.startswith("this machine could not be measured")
