"""The Kaldi-named tools, called as Kaldi's users call them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiolm.data.datadir import DataDir

UTILS = Path(__file__).parents[2] / "utils"


@pytest.fixture
def data(tmp_path):
    utts = [f"{spk}-{n}" for spk in ("anna", "bert", "carl") for n in "1234"]
    DataDir(
        wav={utt: f"/audio/{utt}.flac" for utt in utts},
        text=dict.fromkeys(utts, "one two"),
        utt2spk={utt: utt[:4] for utt in utts},
        reco2dur=dict.fromkeys(utts, 1.0),
    ).write(tmp_path / "train set")
    return tmp_path / "train set"


def tool(name, *options):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run([UTILS / name, *options], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_validate_then_fix(data):
    assert tool("validate_data_dir.sh", "--no-feats", data)[0] == 0
    (data / "text").write_text("carl-1 unsorted\nanna-1 text\nnobody-1 x\n")
    status, said = tool("validate_data_dir.sh", data)
    assert status == 1 and "nobody-1" in said
    assert tool("fix_data_dir.sh", data)[0] == 0
    assert tool("validate_data_dir.sh", data)[0] == 0


def test_split_subset_and_combine_put_together_what_they_took_apart(data, tmp_path):
    assert tool("split_data_dir.sh", data, "3")[0] == 0
    parts = [data / "split3" / str(n) for n in (1, 2, 3)]
    assert [set(DataDir.read(part).utt2spk.values()) for part in parts] == [{"anna"}, {"bert"}, {"carl"}]
    assert tool("combine_data.sh", tmp_path / "all", *parts)[0] == 0
    assert (tmp_path / "all/text").read_bytes() == (data / "text").read_bytes()
    assert tool("subset_data_dir.sh", "--per-spk", data, "1", tmp_path / "some")[0] == 0
    assert len(DataDir.read(tmp_path / "some").utts) == 3
    (tmp_path / "list").write_text("bert-2\n")
    assert tool("subset_data_dir.sh", "--utt-list", tmp_path / "list", data, tmp_path / "one")[0] == 0
    assert DataDir.read(tmp_path / "one").utts == ["bert-2"]
