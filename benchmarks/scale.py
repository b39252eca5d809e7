"""Time and memory of data directories of a million entries, and of a stage's jobs against the number of recordings.

    python benchmarks/scale.py [--entries 1000000] [--recordings 1000 10000 100000 1000000]

Each measurement is a process of its own: its wall time, its processor time and its largest memory. The jobs are the
first of as many as give each 1000 recordings; their memory should be the same whatever the number of recordings.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

WORDS = 6
JOB = 1000  # recordings
AUDIOLM = Path(sys.executable).parent / "audiolm"


def recordings(count: int) -> Iterator[str]:
    """Their names, none of them kept: a process begins with the memory of the one that starts it."""
    return (f"s{n // 100:05d}-d{n:07d}" for n in range(count))


def write_directory(folder: Path, count: int, audio: Path = Path("/corpus")) -> None:
    """A data directory of ``count`` recordings of 10.5 s with an utterance each."""
    folder.mkdir(parents=True)
    for name, line in {
        "wav.scp": f"{{0}} {audio}/{{0}}.wav\n",
        "reco2dur": "{0} 10.50\n",
        "segments": "{0}-1 {0} 1.00 9.00\n",
        "text": "{0}-1 one sentence of six words here\n",
        "utt2spk": "{0}-1 {0:.6}\n",
    }.items():
        with open(folder / name, "w") as file:
            file.writelines(map(line.format, recordings(count)))


def write_parts(folder: Path, count: int) -> None:
    """What the jobs of alignment leave of such a directory."""
    folder.mkdir(parents=True)
    recos = recordings(count)
    for job in range(1, count // JOB + 1):
        with open(folder / f"ctm.{job}", "w") as file:
            for reco in islice(recos, JOB):
                file.writelines(f"{reco} 1 {1 + word}.00 0.30 word 1.00\n" for word in range(WORDS))
        (folder / f"rejected.{job}.tsv").touch()


def write_audio(folder: Path, count: int) -> None:
    """One file of 10.5 s at 8 kHz under many names: two seconds of every three are noise."""
    import numpy as np
    import soundfile

    wav = np.random.default_rng(0).normal(0, 0.1, 84_000) * (np.arange(84_000) % 24_000 < 16_000)
    folder.mkdir()
    first, *others = (folder / f"{reco}.wav" for reco in recordings(count))
    soundfile.write(first, wav, 8000)
    for path in others:
        os.link(first, path)


def measure(name: str, *command: str | Path) -> None:
    """Run a command, and print what it took."""
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{name} failed: {errors}")
    scale = 2**30 if sys.platform == "darwin" else 2**20
    print(
        f"{name:<52}{wall:>8.1f} s{used.ru_utime + used.ru_stime:>9.1f} s{used.ru_maxrss / scale:>8.2f} GiB", flush=True
    )


def measure_tables(entries: int) -> None:
    """What is done to a whole directory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_directory(folder / "all", entries)
        datadir = [AUDIOLM, "datadir"]
        measure(f"validate {entries} entries, audio not opened", *datadir, "validate", folder / "all")
        measure(f"split {entries} into 8", *datadir, "split", folder / "all", "8")
        tenth = entries // 10
        measure(f"subset of {tenth} of {entries}", *datadir, "subset", folder / "all", str(tenth), folder / "tenth")


def measure_jobs(count: int, tokenizer: Path) -> None:
    """One job of each stage that needs no trained model, and the join of what all jobs found."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_directory(folder / "dump/train/audio", count, folder / "wav")
        write_directory(folder / "data/train", count, folder / "wav")
        write_parts(folder / "dump/train/align", count)
        write_audio(folder / "wav", JOB)
        jobs = ["--dir", folder, "--sets", "train", "--num_jobs", str(count // JOB)]
        print(f"of {count} recordings")
        measure("  audio, one job", AUDIOLM, "audio", *jobs, "--fs", "8000")
        measure("  diarize by channel, one job", AUDIOLM, "diarize", *jobs, "--backend", "channels")
        measure("  merge of the words of all", AUDIOLM, "merge", *jobs, "--kind", "align")
        measure("  text, one job", AUDIOLM, "text", *jobs, "--tokenizer", tokenizer, "--frame_rate", "12.5")


def main(entries: int, sets: list[int]) -> None:
    from audiolm.text.tokenizer import train_tokenizer

    print(f"{'':<52}{'wall':>10}{'processor':>11}{'memory':>12}")
    measure_tables(entries)
    with tempfile.TemporaryDirectory() as temporary:
        train_tokenizer(["one sentence of six words here word"], 300).save(Path(temporary))
        for count in sets:
            measure_jobs(count, Path(temporary))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the data directory (default: %(default)s)")
    parser.add_argument(
        "--recordings",
        type=int,
        nargs="*",
        default=[JOB, 10_000, 100_000, 1_000_000],
        help=f"of the stages' sets, each a multiple of {JOB}",
    )
    options = parser.parse_args()
    main(options.entries, options.recordings)
