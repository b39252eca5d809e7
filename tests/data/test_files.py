"""Files appear whole or not at all."""

import os
import resource
import subprocess
import sys

import pytest

from audiolm.data.files import CannotWrite, atomic, remove_others, step_folders, write_lines


def test_what_raises_leaves_the_earlier_file(tmp_path):
    write_lines(tmp_path / "deep" / "x", ["one", "zwei – drei"])
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "deep" / "x") as file:
        file.write("half")
        1 / 0  # noqa: B018
    assert (tmp_path / "deep" / "x").read_text(encoding="utf-8") == "one\nzwei – drei\n"
    assert os.listdir(tmp_path / "deep") == ["x"]


def test_a_kill_leaves_the_earlier_file_and_a_rerun_nothing_else(tmp_path):
    write_lines(tmp_path / "x", ["one"])
    code = (
        "import os, sys\nfrom audiolm.data.files import atomic\n"
        "with atomic(sys.argv[1]) as file:\n    file.write('half'); file.flush(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "x"], check=False).returncode == -9
    assert (tmp_path / "x").read_text() == "one\n"
    write_lines(tmp_path / "x", ["two"])
    assert os.listdir(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "two\n"


def test_a_full_disk_is_one_line(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(CannotWrite, match=r"cannot write .*/x: File too large"):
            write_lines(tmp_path / "x", ["long " * 100])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="Not a directory|File exists"):
        write_lines(tmp_path / "file" / "x", [])


def test_others_are_removed(tmp_path):
    for name in "abc":
        (tmp_path / name).touch()
    remove_others(tmp_path, {"b"})
    assert os.listdir(tmp_path) == ["b"]


def test_only_whole_names_of_step_folders_count(tmp_path):
    for name in ("step_9", "step_10", "step_1_0", "step_9.bak", "step_ 3", "step_07", "step_²", "old_step_8"):
        (tmp_path / name).mkdir()
    assert step_folders(tmp_path) == [9, 10]
