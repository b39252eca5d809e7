"""What the moshi package makes of folders, and folders that it makes; run with a Python that has it.

    python moshi_worker.py run FOLDER…
    python moshi_worker.py make FOLDER…
    python moshi_worker.py names CONFIG.json

``make`` writes random weights of the config in FOLDER/config.json, and low-rank updates where that asks for them.
``run`` reads the folder as a repository of the hub is read, and FOLDER/given.npz: grid int64 [1, S, T], not delayed,
and user int64 [1, user's streams, F]. FOLDER/out.npz gets text_logits [1, T, V] and code_logits [levels, 1, T, size]
(NaN where delays leave no frame), stream int64 [1, 1 + levels, F'] (greedy, by LMGen, without the frames that delays
fill), and, where there is a codec, wav float32 [1, 1, N], its sound.
"""

import json
import os
import sys
from pathlib import Path

os.environ["NO_TORCH_COMPILE"] = "1"  # which takes a minute, for models of milliseconds

import numpy as np
import torch
from moshi.models import LMGen, loaders
from safetensors.torch import save_file


def load(folder):
    """The folder as a repository: files by the names that its config.json gives."""
    loaders.hf_hub_download = lambda repository, name, revision=None: str(folder / name)
    info = loaders.CheckpointInfo.from_hf_repo("owner/name")
    return info, info.get_moshi(device="cpu", dtype=torch.float32)


@torch.no_grad()
def run(folder):
    given = {name: torch.from_numpy(array) for name, array in np.load(folder / "given.npz").items()}
    info, model = load(folder)
    made = model(given["grid"])
    found = {"text_logits": made.text_logits[:, 0], "code_logits": made.logits.transpose(0, 1)}
    generator = LMGen(model, use_sampling=False)
    with generator.streaming(1):
        steps = [generator.step(frame) for frame in given["user"].split(1, dim=-1)]
    found["stream"] = torch.cat([step for step in steps if step is not None], dim=-1)
    if (folder / "mimi.safetensors").exists():
        assert info.get_text_tokenizer().vocab_size() <= model.text_card
        mimi = info.get_mimi()
        found["wav"] = mimi.decode(found["stream"][:, 1 : 1 + mimi.num_codebooks])
    np.savez(folder / "out.npz", **{name: tensor.numpy() for name, tensor in found.items()})


def make(folder):
    torch.manual_seed(0)
    keys = json.loads((folder / "config.json").read_text())
    usage = ("model_type", "tts_config", "lora_name")
    model = loaders.get_moshi_lm(
        None, {name: value for name, value in keys.items() if name not in usage}, dtype=torch.float32
    )
    for name, parameter in model.named_parameters():
        if "lora" in name:
            parameter.data.mul_(0.3)
        elif "norm" in name or "scale" in name:
            parameter.data.uniform_(0.5, 1.5)
        elif name.startswith(("text_linear", "linears")):
            parameter.data.mul_(4)
    own = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if keys.get("lora"):
        save_file({name: own[name] for name in own if "lora" in name}, folder / "lora.safetensors")
        own = {name.replace(".frozen_W", ""): own[name] for name in own if "lora" not in name}
    save_file(own, folder / "model.safetensors")


def names(config):
    model = loaders.get_moshi_lm(None, json.loads(config.read_text()), device="meta")
    for name, tensor in sorted(model.state_dict().items()):
        print(name, *tensor.shape)


if __name__ == "__main__":
    for path in map(Path, sys.argv[2:]):
        {"run": run, "make": make, "names": names}[sys.argv[1]](path)
