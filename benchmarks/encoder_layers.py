"""Which layer of a speech encoder tells phones apart: ABX by layer, beside log-mel and MFCC frames.

    python benchmarks/encoder_layers.py --data ../shared/data/librispeech_test_other --model /weights/whisper-tiny.en \\
      --layers 1 2 3 4 mean

Of Whisper also what it changes to cut its positions instead of padding to 30 s (--pad): ABX, and how similar both are.
Phones are those of PocketSphinx's alignment of English transcripts, or of a .item file. One thread.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from audiolm.data.datadir import DataDir
from audiolm.encoders.load import load_encoder
from audiolm.score.items import read_items, triphones
from audiolm.score.phone_abx import Features, _measured, features_of
from audiolm.score.phones import _phones

CROPS = (0.96, 3.0, 12.0)  # seconds of training examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data directory with text and utt2spk")
    parser.add_argument("--items", type=Path, help="triphones (default: PocketSphinx finds them)")
    parser.add_argument("--model", required=True, help="folder or hub id of transformers")
    parser.add_argument("--layers", nargs="+", default=["mean"], help="0 … their number, mean")
    parser.add_argument("--pad", action="store_true", help="of Whisper: padded to 30 s, too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = DataDir.read(args.data)
    items = read_items(args.items) if args.items else triphones(_phones(data, list(data.recos))[0], data)
    wavs = {reco: data.audio(reco, fs=16000) for reco in data.recos}
    print("| frames | within speakers, % | across, % | seconds of a core for a minute |\n|---|---|---|---|")
    for name in ("logmel", "mfcc"):
        row(name, load_encoder(name, sample_rate=16000), wavs, items)
    for name in args.layers:
        layer = int(name) if name.isdigit() else name
        cut = load_encoder("transformers", args.model, layer)
        found = row(f"layer {name}", cut, wavs, items)
        if args.pad:
            padded = load_encoder("transformers", args.model, layer, pad=True)
            other = row(f"layer {name}, padded to 30 s", padded, wavs, items)
            told(f"layer {name}, cut and padded", [similarity(found[reco], other[reco]) for reco in wavs])
            for seconds in CROPS:
                crops = {reco: wav[: round(seconds * 16000)] for reco, wav in wavs.items()}
                both = [features_of(encoder, crops) for encoder in (cut, padded)]
                told(f"its first {seconds:g} s", [similarity(*(each.of(reco) for each in both)) for reco in wavs][::6])


def row(name: str, encoder, wavs: dict, items: list) -> dict[str, np.ndarray]:
    """Print a line of the table; returns the frames of each recording."""
    features, began = features_of(encoder, wavs), time.process_time()
    frames = {reco: features.of(reco) for reco in wavs}
    seconds = (time.process_time() - began) / sum(map(len, wavs.values())) * 16000 * 60
    ready = Features(features.rate, frames.get)
    cells = []
    for speaker in ("within", "across"):
        found = _measured(ready, items, speaker)
        low, high = found.ci or (float("nan"),) * 2
        cells.append(f"{100 * found.error:.1f} ({100 * low:.1f}–{100 * high:.1f})")
    print("|", name, "|", " | ".join(cells), f"| {seconds:.2f} |", flush=True)
    return frames


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity of frames [F, D] and [F, D]."""
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def told(name: str, values: list[np.ndarray]) -> None:
    every = np.concatenate(values)
    print(f"  {name}: cosine similarity {every.mean():.3f}, of 5 % of the frames below {np.quantile(every, 0.05):.3f}")


if __name__ == "__main__":
    main()
