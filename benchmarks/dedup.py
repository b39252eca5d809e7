"""How well fingerprints find copies, and how fast they are.

    python benchmarks/dedup.py --data DIR [--hours 10]

Quality: every recording of the data directories under DIR is used once, and beside each an altered copy: noise added at
20 dB below the speech, gain of +6 or −6 dB, MP3 at 64 kb/s, or a shift by 10 ms, in turn. A pair is right if it is a
copy and its original. Speed and memory: index and search of so many hours of made-up audio.
"""

import argparse
import io
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.fingerprint_index import IndexWriter, open_index, search
from audiolm.errors import AudiolmError

FS = 16000
ALTERATIONS = ("noise", "louder", "softer", "mp3", "shift")


def alter(wav: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """A copy of float32 [samples] at FS, altered in one of ALTERATIONS."""
    if how == "noise":
        return wav + 0.1 * np.sqrt(np.mean(wav**2)) * rng.standard_normal(len(wav), dtype=np.float32)
    if how in ("louder", "softer"):
        return np.clip(wav * 10 ** ((6 if how == "louder" else -6) / 20), -1, 1)
    if how == "shift":
        return wav[FS // 100 :]
    return mp3(wav)


def mp3(wav: np.ndarray, bitrate: int = 64000) -> np.ndarray:
    """Through MP3 at a constant bitrate (bits/s), resampled to the rate at which libsndfile's encoder offers that."""
    best = None
    for level in np.linspace(0.0, 1.0, 41):  # libsndfile's scale from the most to the fewest bits
        file = io.BytesIO()
        soundfile.write(
            file, wav, FS, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=level
        )
        rate = 8 * file.tell() / (len(wav) / FS)
        if best is None or abs(rate - bitrate) < best[0]:
            best = abs(rate - bitrate), file
        if rate <= bitrate:
            break
    best[1].seek(0)
    return soundfile.read(best[1], dtype="float32")[0]


def clips(root: Path):
    """Yield (name, float32 [samples] at FS) of every recording under ``root``; faulty ones are left out."""
    for directory in sorted(path.parent for path in root.glob("*/wav.scp")):
        data = DataDir.read(directory)
        for reco in data.recos:
            try:
                path = data.wav_path(reco)
                yield f"{directory.name}/{reco}", audio.read(path, fs=FS, channel="mix")
            except AudiolmError as error:
                print(f"left out: {error}")


def quality(root: Path, shortest: float) -> None:
    rng = np.random.default_rng(0)
    kinds: dict[str, str] = {}
    wavs = {name: wav for name, wav in clips(root) if len(wav) >= shortest * FS}
    with tempfile.TemporaryDirectory() as folder:
        with IndexWriter(Path(folder), "all") as index:
            for number, (name, wav) in enumerate(sorted(wavs.items())):
                how = kinds[name] = ALTERATIONS[number % len(ALTERATIONS)]
                index.add(f"{name}#copy", alter(wav, how, rng), FS)
                index.add(f"{name}#original", wav, FS)
        shards = open_index(Path(folder))
        found, strangers = Counter(), set()
        for name, wav in wavs.items():
            others = {match.other for match in search(shards, f"{name}#original", wav, FS)}
            found[kinds[name]] += f"{name}#copy" in others
            strangers |= {frozenset((name, other.rpartition("#")[0])) for other in others if other != f"{name}#copy"}
    right, seconds = sum(found.values()), sum(map(len, wavs.values())) / FS
    print(f"clips of {shortest:g} s and more: {len(wavs)}, {seconds / 60:.1f} min")
    print(f"recall {right / len(wavs):.4f}, precision {right / max(right + len(strangers), 1):.4f}")
    of = Counter(kinds.values())
    print("recall by alteration: " + ", ".join(f"{how} {found[how] / max(of[how], 1):.3f}" for how in ALTERATIONS))
    for pair in sorted(map(sorted, strangers))[:20]:
        print("  taken for copies:", *pair)


def made_up(seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Chords that change at random, float32 [samples] at FS: a few peaks at a time, as in speech."""
    wav, at = np.zeros(round(seconds * FS), dtype=np.float32), 0
    while at < len(wav):
        length = min(int(rng.uniform(0.05, 0.3) * FS), len(wav) - at)
        times = np.arange(length, dtype=np.float32) / FS
        tones = sum(np.sin(2 * np.pi * f * times) for f in rng.uniform(100, 3800, 4))
        wav[at : at + length] = 0.1 * tones * np.hanning(length)
        at += length
    return wav


def speed(hours: float) -> None:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        spent = 0.0
        with IndexWriter(Path(folder), "made_up") as index:
            for number in range(round(60 * hours)):
                wav = made_up(60, rng)
                began = time.process_time()
                index.add(f"{number:06d}", wav, FS)
                spent += time.process_time() - began
            began = time.process_time()
        spent += time.process_time() - began
        size = sum(path.stat().st_size for path in Path(folder).glob("*/*"))
        print(f"index: {3600 * hours / spent:.0f} s of audio a second, {size / hours / 2**20:.1f} MiB an hour")
        shards, began = open_index(Path(folder)), time.process_time()
        for _ in range(10):
            search(shards, "query", made_up(60, rng), FS)
        print(f"search in {hours:g} h: {600 / (time.process_time() - began):.0f} s of audio a second (made on the way)")
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of data directories with real recordings")
    parser.add_argument("--hours", type=float, help="of made-up audio")
    options = parser.parse_args()
    if options.data:
        quality(options.data, 0.0)
        quality(options.data, 1.0)
    if options.hours:
        speed(options.hours)
