"""The data of benchmarks/codec_table: real speech of several corpora, speakers of dev and test unseen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiolm.data import audio
from audiolm.data.datadir import DataDir

ROOT = Path(__file__).parents[2]


def call(*options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUDIOLM_VENV": str(Path(sys.executable).parents[1])}
    command = [ROOT / "benchmarks/codec_table/data.sh", *options]
    return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_sets_share_no_speaker_and_keep_their_text(shared_data, tmp_path):
    names = ("librispeech_train_clean_100", "librispeech_clean_misc", "librispeech_test_other", "ljspeech", "fsdd")
    folders = [shared_data / name for name in names]
    done = call("--corpora", " ".join(map(str, folders)), "--dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    sets = {name: DataDir.read(tmp_path / f"dump/{name}/audio") for name in ("train", "dev", "test")}
    speakers = {name: set(data.utt2spk.values()) for name, data in sets.items()}
    assert speakers["test"] == {"367", "533", "2033", "theo"} and speakers["dev"] == {"2609", "1272", "yweweler"}
    assert len(speakers["train"]) == 42 and not speakers["train"] & (speakers["dev"] | speakers["test"])
    assert sum(len(data.wav) for data in sets.values()) == sum(len(DataDir.read(folder).wav) for folder in folders)
    for data in sets.values():
        assert data.text.keys() == data.wav.keys()
        assert audio.info(data.wav_path(data.recos[0])).fs == 16000


def test_no_corpora_are_refused(tmp_path):
    done = call("--dir", tmp_path)
    assert done.returncode == 1 and "--corpora names nothing" in done.stderr
