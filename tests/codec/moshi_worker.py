"""Encode and decode with moshi's or rustymimi's Mimi, offline and frame by frame; run with a Python that has them.

    python moshi_worker.py moshi|rustymimi WEIGHTS CONFIG|- GIVEN.npz OUT.npz

GIVEN holds wav float32 [1, 1, T], T whole frames, and codes int64 [1, K, F]; OUT gets codes, wav, streamed_codes and
streamed_wav.
"""

import json
import sys
from pathlib import Path

import numpy as np


def moshi(weights, config, wav, codes):
    import torch
    from moshi.models.loaders import get_mimi

    settings = None if config == "-" else json.loads(Path(config).read_text())
    model = get_mimi(weights, settings, num_codebooks=codes.shape[1])
    size, wav, codes = model.frame_size, torch.from_numpy(wav), torch.from_numpy(codes)
    with torch.no_grad():
        yield "codes", model.encode(wav)
        yield "wav", model.decode(codes)
        with model.streaming(1):
            yield "streamed_codes", torch.cat([model.encode(part) for part in wav.split(size, -1)], -1)
        with model.streaming(1):
            yield "streamed_wav", torch.cat([model.decode(part) for part in codes.split(1, -1)], -1)


def rustymimi(weights, config, wav, codes):
    from rustymimi import Tokenizer

    frames = codes.shape[-1]
    size, codes = wav.shape[-1] // frames, codes.astype(np.uint32)
    model = Tokenizer(weights, num_codebooks=codes.shape[1])
    yield "codes", model.encode(wav)
    yield "wav", model.decode(codes)
    model = Tokenizer(weights, num_codebooks=codes.shape[1])
    steps = [model.encode_step(wav[..., t * size : (t + 1) * size]) for t in range(frames)]
    alone = [np.ascontiguousarray(codes[..., t : t + 1]) for t in range(frames)]
    yield "streamed_codes", np.concatenate(steps, -1)
    yield "streamed_wav", np.concatenate([model.decode_step(step) for step in alone], -1)


if __name__ == "__main__":
    peer, weights, config, given, out = sys.argv[1:]
    given = np.load(given)
    found = {"moshi": moshi, "rustymimi": rustymimi}[peer](weights, config, given["wav"], given["codes"])
    np.savez(out, **{name: np.asarray(value) for name, value in found})
