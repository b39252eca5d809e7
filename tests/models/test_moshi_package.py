"""Dialogue LMs of ours in the moshi package, and its in ours: logits, and greedy streams token for token.

It runs under another Python, which AUDIOLM_MOSHI_PYTHON names (see tests/codec/test_moshi.py).
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from audiolm.codec.load import load_codec
from audiolm.lm.sampling import Sampling
from audiolm.models.moshi.adapters import LAYOUTS
from audiolm.models.moshi.data import delayed_input
from audiolm.models.moshi.generate import MoshiStream
from audiolm.models.moshi.model import MoshiModel
from audiolm.streams.grid import TO_GENERATE
from audiolm.text.tokenizer import train_tokenizer
from tests.codec.foreign_codecs import mimi
from tests.models.foreign_lms import SHAPES, grid, logits, random_model, shape

WORKER = Path(__file__).parent / "moshi_worker.py"
FRAMES = 60  # more than the context of 24


@pytest.fixture(scope="module")
def moshi_python() -> str:
    python = os.environ.get("AUDIOLM_MOSHI_PYTHON", "")
    probe = [python, "-c", "import moshi"]
    if not python or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no moshi: set AUDIOLM_MOSHI_PYTHON to a Python that has it")
    return python


def call(*command) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(python: str, models: dict[Path, MoshiModel]) -> None:
    """Let the package compute what `check` looks at, of folders that hold these models."""
    for folder, model in models.items():
        tokens = grid(model.config, FRAMES).numpy()
        np.savez(folder / "given.npz", grid=tokens, user=tokens[:, 1 + model.config.predicted_levels :])
    call(python, WORKER, "run", *models)


def check(model: MoshiModel, folder: Path) -> dict[str, np.ndarray]:
    """The package's logits and greedy stream of the model in ``folder`` are those of ``model``."""
    found, given = dict(np.load(folder / "out.npz")), np.load(folder / "given.npz")
    (task,) = model.config.tasks
    delays = model.config.delays(task)
    delayed = torch.from_numpy(delayed_input(model.config.layout, given["grid"][0], delays))[None, :, : 1 + FRAMES]
    text, codes = logits(model, delayed)
    assert np.abs(found["text_logits"][:, : FRAMES - delays[0]] - text[:, delays[0] :].numpy()).max() < 1e-4
    for level, (theirs, ours) in enumerate(zip(found["code_logits"], codes.numpy(), strict=True)):
        late = delays[1 + level]
        assert np.abs(theirs[:, : FRAMES - late] - ours[:, late:]).max() < 1e-4
    stream = greedy(model, torch.from_numpy(given["user"]), task)
    assert len(np.unique(found["stream"])) > 10
    assert np.array_equal(found["stream"], stream.numpy())
    return found


def greedy(model: MoshiModel, heard: Tensor, task: str) -> Tensor:
    """Tokens that the model adds to the user's codes [1, K, F], as the package's LMGen does, [1, 1 + levels, F'].

    LMGen takes a frame's codes before its step, so that it leaves out the first; and where delays fill a frame it draws
    all the same, shows it to the later levels of that frame, and forgets it.
    """
    layout, delays = model.config.layout, torch.tensor(model.config.delays(task))
    starts = torch.tensor(layout.vocab_sizes)
    made = 1 + model.config.predicted_levels
    stream = MoshiStream(model, 1, task, Sampling(temperature=0.0))
    frames = []
    for step in range(1, heard.shape[2] + 1):
        forced = torch.where(step > delays, TO_GENERATE, starts)
        forced[:made] = TO_GENERATE
        for index in range(made, layout.num_streams):
            if step > delays[index]:  # the last frame's codes are not there yet, nor looked at
                forced[index] = heard[0, index - made, min(step - int(delays[index]), heard.shape[2] - 1)]
        frame = stream.step(forced[None])
        frames.append(frame.clone())
        stream.previous.copy_(torch.where(step > delays, frame, starts))
    lines = torch.stack(frames, dim=-1)[:, :made]
    count = heard.shape[2] - int(delays.max())
    return torch.stack([lines[:, k, delays[k] : delays[k] + count] for k in range(made)], dim=1)


@pytest.fixture(scope="module")
def saved(moshi_python, tmp_path_factory):
    """Models that we saved, by name, with their folders and the codec in these."""
    codec, tokenizer = mimi(levels=4), train_tokenizer(["one two"], 300)
    models = {name: (random_model(shape(name)), tmp_path_factory.mktemp(name)) for name in SHAPES}
    for model, folder in models.values():
        LAYOUTS["moshi"].save(model, codec, tokenizer, folder)
    run(moshi_python, {folder: model for model, folder in models.values()})
    return models, codec


@pytest.fixture(scope="module")
def made(moshi_python, tmp_path_factory):
    """Models that the package made, and we loaded, by name, with their folders; "lora" has updates to merge."""
    lora = {"lora": True, "lora_rank": 3, "lora_scaling": 2.0, "lora_name": "lora.safetensors"}
    keys = {name: LAYOUTS["moshi"].save_config(shape(name)) for name in SHAPES}
    keys["lora"] = keys["schedule"] | lora
    folders = {name: tmp_path_factory.mktemp(name) for name in keys}
    for name, folder in folders.items():
        (folder / "config.json").write_text(json.dumps(keys[name]))
    call(moshi_python, WORKER, "make", *folders.values())
    models = {name: (LAYOUTS["moshi"].load(folder), folder) for name, folder in folders.items()}
    run(moshi_python, {folder: model for model, folder in models.values()})
    return models


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_what_we_save_runs_there(name, saved):
    models, codec = saved
    model, folder = models[name]
    found = check(model, folder)
    if name != "both":  # the package decodes one speaker
        expected = codec.decode(torch.from_numpy(found["stream"][:, 1:5]))
        assert np.abs(found["wav"] - expected.numpy()).max() < 1e-4
    assert load_codec(folder).n_q == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SHAPES, "lora"])
def test_what_it_makes_runs_here(name, made):
    check(*made[name])
