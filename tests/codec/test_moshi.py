"""Mimi files of ours in the moshi package and in rustymimi, offline and frame by frame.

They run under another Python, since moshi needs an older torch: AUDIOLM_MOSHI_PYTHON names one that has both
(python3.11 -m venv moshi && moshi/bin/pip install moshi==0.2.13 rustymimi).
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_codecs import mimi, sound

from audiolm.codec.adapters.moshi_mimi import MoshiMimi
from audiolm.codec.load import load_codec

WORKER = Path(__file__).parent / "moshi_worker.py"


@pytest.fixture(scope="module")
def moshi_python() -> str:
    python = os.environ.get("AUDIOLM_MOSHI_PYTHON", "")
    probe = [python, "-c", "import moshi, rustymimi"]
    if not python or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no moshi and rustymimi: set AUDIOLM_MOSHI_PYTHON to a Python that has them")
    return python


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """A Mimi of the paper's shape with 8 levels, and the file that moshi and rustymimi read."""
    codec = mimi(small=False, levels=8)
    return codec, *MoshiMimi().save(codec, tmp_path_factory.mktemp("paper"))


def peer(python, name, weights, config, wav, codes, folder) -> dict[str, np.ndarray]:
    np.savez(folder / "given.npz", wav=wav.numpy(), codes=codes.numpy())
    command = [python, WORKER, name, weights, config, folder / "given.npz", folder / "out.npz"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "out.npz"))


def near_ties(codec, wav) -> np.ndarray:
    """Frames in which some level's two nearest entries are equally far to 1e-5, [F]: there rounding decides."""
    tied = []
    latents = codec.to_latents(wav)
    for branch in (codec.quantizer.semantic, codec.quantizer.acoustic):
        residual = branch._project(latents)
        for layer in branch.layers:
            distance = torch.cdist(residual, layer.codebook.entries[None]).square()[0]
            nearest = distance.topk(2, largest=False).values
            tied.append((nearest[:, 1] - nearest[:, 0]) < 1e-5 * nearest[:, 1])
            residual = residual - layer.codebook.decode(layer.codebook.encode(residual))
    return torch.stack(tied).any(0).numpy()


def check(codec, wav, found):
    codes = codec.encode(wav)
    tied = near_ties(codec, wav)
    print(f"{tied.sum()} of {len(tied)} frames have near ties")
    assert tied.mean() < 0.1 and len(codes.unique()) > codes.shape[1]
    for name in ("codes", "streamed_codes"):
        assert np.array_equal(found[name][..., ~tied], codes.numpy()[..., ~tied]), name
    stream = codec.streaming(len(wav))
    streamed = torch.cat([stream.encode(samples) for samples in wav.split(codec.frame_size, dim=-1)], dim=-1)
    assert np.array_equal(found["streamed_codes"][..., ~tied], streamed.numpy()[..., ~tied])
    expected = codec.decode(codes).numpy()
    for name in ("wav", "streamed_wav"):
        assert np.abs(found[name] - expected).max() < 1e-4, name


@pytest.mark.slow
def test_small_mimi_in_moshi_by_its_config(moshi_python, tmp_path):
    codec = mimi()
    weights, config = MoshiMimi().save(codec, tmp_path)
    wav = sound(codec, 3)  # streaming moshi forgets one step too early beyond its context, here 6 steps of 2 a frame
    codes = codec.encode(wav)
    check(codec, wav, peer(moshi_python, "moshi", weights, config, wav, codes, tmp_path))
    longer = sound(codec, 40)
    found = peer(moshi_python, "moshi", weights, config, longer, codec.encode(longer), tmp_path)
    assert np.array_equal(found["codes"], codec.encode(longer).numpy())
    assert np.abs(found["wav"] - codec.decode(codec.encode(longer)).numpy()).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["moshi", "rustymimi"])
def test_mimi_of_the_papers_shape(name, moshi_python, paper, tmp_path):
    codec, weights, config = paper
    wav = sound(codec, 25)
    config = config if name == "moshi" else "-"
    check(codec, wav, peer(moshi_python, name, weights, config, wav, codec.encode(wav), tmp_path))


@pytest.mark.slow
def test_what_moshi_saves_loads_here(moshi_python, tmp_path):
    make = (
        "import sys, torch; from moshi.models.loaders import get_mimi; from safetensors.torch import save_file; "
        "torch.manual_seed(0); m = get_mimi(None, num_codebooks=32)\n"
        "for name, buffer in m.named_buffers():\n"
        "    if name.endswith('embedding_sum'): buffer.normal_()\n"
        "    if name.endswith('_initialized'): buffer.fill_(1)\n"
        "save_file({k: v.contiguous() for k, v in m.state_dict().items()}, sys.argv[1])"
    )
    weights = tmp_path / "mimi.safetensors"
    subprocess.run([moshi_python, "-c", make, weights], check=True, capture_output=True)
    codec = load_codec(weights)
    wav = sound(codec, 5)
    codes = codec.encode(wav)
    assert codec.n_q == 32
    found = peer(moshi_python, "moshi", weights, "-", wav, codes, tmp_path)
    assert np.mean(found["codes"] == codes.numpy()) > 0.99  # all entries are far away: near ties happen
    assert np.abs(found["wav"] - codec.decode(codes).numpy()).max() < 1e-4
