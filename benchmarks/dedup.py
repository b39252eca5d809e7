"""How well fingerprints find copies, and how fast they are.

    python benchmarks/dedup.py --data DIR [--hours 10]

Quality: every recording of the data directories under DIR is used once, and beside each an altered copy: noise added at
20 dB below the speech, gain of +6 or −6 dB, MP3 at 64 kb/s, or a shift by 10 ms, in turn. A pair of recordings is
right if it is a copy and its original. Speed and memory: index and search of so many hours of made-up audio.
"""

import argparse
import io
import resource
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.fingerprint_index import IndexWriter, open_index, search
from audiolm.errors import AudiolmError

FS = 16000
ALTERATIONS = ("noise", "louder", "softer", "mp3", "shift")
LENGTHS = ((0, np.inf), (0, 0.5), (0.5, 1), (1, 5), (5, np.inf), (1, np.inf))  # seconds


def alter(wav: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """A copy of float32 [samples] at FS, altered in one of ALTERATIONS."""
    if how == "noise":
        return wav + 0.1 * np.sqrt(np.mean(wav**2)) * rng.standard_normal(len(wav), dtype=np.float32)
    if how in ("louder", "softer"):
        return np.clip(wav * 10 ** ((6 if how == "louder" else -6) / 20), -1, 1)
    if how == "shift":
        return wav[FS // 100 :]
    return mp3(wav)


def mp3(wav: np.ndarray) -> np.ndarray:
    """Through MP3 at 64 kb/s, constant, resampled to the rate at which libsndfile's encoder offers that."""
    file = encoded(wav, level_of(64000))
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def encoded(wav: np.ndarray, level: float) -> io.BytesIO:
    file = io.BytesIO()
    soundfile.write(
        file, wav, FS, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=level
    )
    return file


@cache
def level_of(bitrate: int) -> float:
    """libsndfile's compression level, from the most towards the fewest bits, that comes nearest to bits/s."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(10 * FS, dtype=np.float32)
    return min(np.linspace(0.0, 0.975, 40), key=lambda level: abs(8 * encoded(noise, level).tell() / 10 - bitrate))


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


def quality(root: Path) -> None:
    rng = np.random.default_rng(0)
    wavs = dict(sorted(clips(root)))
    kinds = {name: ALTERATIONS[number % len(ALTERATIONS)] for number, name in enumerate(wavs)}
    lengths = {name: len(wav) / FS for name, wav in wavs.items()}
    with tempfile.TemporaryDirectory() as folder:
        with IndexWriter(Path(folder), "all") as index:
            for name, wav in wavs.items():
                index.add(f"{name}#copy", alter(wav, kinds[name], rng), FS)
                index.add(f"{name}#original", wav, FS)
        shards, found, strangers = open_index(Path(folder)), set(), {}
        for name, wav in wavs.items():
            for match in search(shards, f"{name}#original", wav, FS):
                other = match.other.rpartition("#")[0]
                if match.other == f"{name}#copy":
                    found.add(name)
                elif other != name:  # what repeats within a recording makes no copy
                    strangers[frozenset((name, other))] = match
    print(f"{len(wavs)} clips, {sum(lengths.values()) / 60:.1f} min; of a pair the shorter one's length counts")
    print(f"{'length':<14}{'clips':>6}{'recall':>9}{'precision':>11}")
    for first, last in LENGTHS:
        own = [name for name in wavs if first <= lengths[name] < last]
        wrong = sum(first <= min(lengths[name] for name in pair) < last for pair in strangers)
        right = len(found.intersection(own))
        print(
            f"{f'{first:g} to {last:g} s':<14}{len(own):>6}{right / max(len(own), 1):>9.4f}"
            f"{right / max(right + wrong, 1):>11.4f}"
        )
    of, hits = Counter(kinds.values()), Counter(kinds[name] for name in found)
    print("recall by alteration: " + ", ".join(f"{how} {hits[how] / max(of[how], 1):.3f}" for how in ALTERATIONS))
    for pair, match in strangers.items():
        print(f"  taken for copies: {' '.join(sorted(pair))} ({match.end - match.start:.2f} s, {match.votes} votes)")


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
        quality(options.data)
    if options.hours:
        speed(options.hours)
