"""pyannote.audio pipelines of random weights in their real file formats."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from tiny_models import pyannote_pipeline

from audiolm.annotate.pyannote import CONFIG, PyannoteDiarizer, load_pipeline
from audiolm.errors import AudiolmError

# Importing pyannote.audio takes seconds: not where tests are only collected.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("pyannote") is None, reason="pyannote.audio is not installed"),
]
FS = 16000
PROBE = """
import os, socket, sys
def refuse(*args, **kwargs): raise SystemExit("asked for the network")
socket.create_connection = socket.getaddrinfo = refuse
from audiolm.annotate.pyannote import PyannoteDiarizer
assert "pyannote.audio" not in sys.modules
import numpy as np
diarizer = PyannoteDiarizer(sys.argv[1])
diarizer(np.zeros(48000, dtype=np.float32), 16000)
from pyannote.audio.telemetry.metrics import is_metrics_enabled, provider
assert not is_metrics_enabled()
print(os.environ["PYANNOTE_METRICS_ENABLED"])
"""


@pytest.fixture
def wav():
    return (0.1 * np.random.default_rng(0).standard_normal(5 * FS)).astype(np.float32)


@pytest.mark.parametrize("clustering", ["AgglomerativeClustering", "VBxClustering"])
def test_a_pipeline_s_turns(tmp_path, wav, clustering):
    diarizer = PyannoteDiarizer(str(pyannote_pipeline(tmp_path, clustering=clustering)))
    turns = diarizer(wav, FS)
    assert {turn.speaker for turn in turns} == {"1"} and "pyannote.audio" in diarizer.name
    assert turns[0].start < 0.1 and 4.8 < turns[-1].end <= 5.0
    assert diarizer(np.concatenate([wav, wav])[: 8 * FS + 7], FS)[-1].end <= 8 + 7 / FS


def test_overlapped_speech_and_speakers_by_order_of_appearance(tmp_path, wav):
    turns = PyannoteDiarizer(str(pyannote_pipeline(tmp_path, speaking=(1, 2))), num_speakers=2)(wav, FS)
    assert [turn.speaker for turn in turns[:2]] == ["1", "2"]
    assert turns[0].end > turns[1].start  # at the same time


def test_usage_reports_are_off_before_the_import(tmp_path):
    pipeline = pyannote_pipeline(tmp_path)
    clean = {name: value for name, value in os.environ.items() if name != "PYANNOTE_METRICS_ENABLED"}
    done = subprocess.run([sys.executable, "-c", PROBE, pipeline], capture_output=True, text=True, env=clean)
    assert done.returncode == 0 and done.stdout.split() == ["false"], done.stderr


def test_parts_by_path_and_parts_that_are_missing(tmp_path, wav):
    pipeline = pyannote_pipeline(tmp_path / "a" if (tmp_path / "a").mkdir() is None else None)
    config = json.loads((pipeline / CONFIG).read_text())
    config["pipeline"]["params"]["embedding"] = str(pipeline / "embedding" / "pytorch_model.bin")
    (pipeline / CONFIG).write_text(json.dumps(config))
    assert PyannoteDiarizer(str(pipeline))(wav, FS)
    (pipeline / "segmentation/pytorch_model.bin").rename(tmp_path / "elsewhere.bin")
    with pytest.raises(AudiolmError, match="no .*segmentation/pytorch_model.bin, the segmentation of"):
        load_pipeline(str(pipeline))
    (tmp_path / "elsewhere.bin").write_bytes(b"no pickle")
    (tmp_path / "elsewhere.bin").rename(pipeline / "segmentation/pytorch_model.bin")
    with pytest.raises(AudiolmError, match="cannot load pyannote.audio pipeline"):
        load_pipeline(str(pipeline))


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL"],)


def test_nothing_in_a_checkpoint_or_a_config_runs(tmp_path, monkeypatch):
    import torch

    pipeline = pyannote_pipeline(tmp_path)
    monkeypatch.setenv("EVIL", str(tmp_path / "evil"))
    weights = pipeline / "embedding/pytorch_model.bin"
    checkpoint = torch.load(weights, weights_only=False)
    torch.save({**checkpoint, "callbacks": Evil()}, weights)
    with pytest.raises(AudiolmError, match="cannot load"):
        load_pipeline(str(pipeline))
    assert not (tmp_path / "evil").exists()
    config = json.loads((pipeline / CONFIG).read_text())
    config["pipeline"]["name"] = "subprocess.Popen"
    (pipeline / CONFIG).write_text(json.dumps(config))
    with pytest.raises(AudiolmError, match="pipeline.name is 'subprocess.Popen', expected pyannote.audio.pipelines"):
        load_pipeline(str(pipeline))
