"""Time and memory of data directories of a million entries, and of a stage's worker against the number of recordings.

    python benchmarks/scale.py [--entries 1000000] [--recordings 1000 10000 100000]

Each measurement is a process of its own: its processor time, its wall time and its largest memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = 6


def write_directory(folder: Path, count: int) -> None:
    """A data directory of ``count`` recordings of 10.5 s with an utterance each; their audio is never opened."""
    folder.mkdir(parents=True)
    recos = [f"s{n // 100:05d}-d{n:07d}" for n in range(count)]
    files = {
        "wav.scp": (f"{reco} /corpus/{reco}.flac\n" for reco in recos),
        "reco2dur": (f"{reco} 10.50\n" for reco in recos),
        "segments": (f"{reco}-1 {reco} 1.00 9.00\n" for reco in recos),
        "text": (f"{reco}-1 one sentence of six words here\n" for reco in recos),
        "utt2spk": (f"{reco}-1 {reco[:6]}\n" for reco in recos),
    }
    for name, lines in files.items():
        with open(folder / name, "w") as file:
            file.writelines(lines)


def write_words(folder: Path, count: int) -> None:
    """The ctm of such a directory."""
    folder.mkdir(parents=True)
    with open(folder / "ctm", "w") as file:
        for n in range(count):
            file.writelines(f"s{n // 100:05d}-d{n:07d} 1 {1 + word}.00 0.30 word 1.00\n" for word in range(WORDS))


def measure(name: str, *command: str | Path) -> None:
    """Run a command, and print what it took."""
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{name} failed")
    scale = 2**30 if sys.platform == "darwin" else 2**20
    print(
        f"{name:<52}{wall:>8.1f} s{used.ru_utime + used.ru_stime:>9.1f} s{used.ru_maxrss / scale:>8.2f} GiB", flush=True
    )


def main(entries: int, recordings: list[int]) -> None:
    audiolm = Path(sys.executable).parent / "audiolm"
    print(f"{'':<52}{'wall':>10}{'processor':>11}{'memory':>12}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_directory(folder / "all", entries)
        datadir = [audiolm, "datadir"]
        measure(f"validate {entries} entries, audio not opened", *datadir, "validate", folder / "all")
        measure(f"split {entries} into 8", *datadir, "split", folder / "all", "8")
        tenth = entries // 10
        measure(f"subset of {tenth} of {entries}", *datadir, "subset", folder / "all", str(tenth), folder / "tenth")
    from audiolm.text.tokenizer import train_tokenizer

    for count in recordings:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_directory(folder / "dump/train/audio", count)
            write_words(folder / "dump/train/align", count)
            train_tokenizer(["one sentence of six words here word"], 300).save(folder / "tokenizer")
            text = [audiolm, "text", "--dir", folder, "--sets", "train", "--tokenizer", folder / "tokenizer"]
            measure(f"text streams of {count} recordings", *text, "--frame_rate", "12.5")
            if count >= 10000:
                measure(
                    f"… one job of {count // 1000}", *text, "--frame_rate", "12.5", "--num_jobs", str(count // 1000)
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the data directory (default: %(default)s)")
    parser.add_argument("--recordings", type=int, nargs="*", default=[1000, 10_000, 100_000], help="of the stage's set")
    options = parser.parse_args()
    main(options.entries, options.recordings)
