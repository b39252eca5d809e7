"""Words that a transcriber makes up in an hour where nobody speaks, with the 95 % interval of their rate.

    OMP_NUM_THREADS=1 python benchmarks/made_up_words.py --whisper MODEL [--hours 1] [--data DIR …]

Made here: digital silence, white noise at -60 dB of full scale and brown noise at -40 dB, ``--hours`` of each. DIR:
data directories without speech, each recording once; ``noise.scp`` is taken where there is no ``wav.scp``.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from audiolm.annotate.transcribe import HEARING, make_transcriber, stretches, transcribe_recordings
from audiolm.annotate.vad import SileroVad
from audiolm.data import audio
from audiolm.data.datadir import DataDir

FS = 16000
MINUTES = 10  # of a recording that is made here


class Counting:
    """silero-vad as transcription uses it; adds up the seconds that are passed on."""

    def __init__(self):
        self.vad, self.seconds = SileroVad(HEARING), 0.0
        self.name = self.vad.name

    def __call__(self, wav: np.ndarray, fs: int) -> list[tuple[float, float]]:
        found = self.vad(wav, fs)
        self.seconds += sum(stretch.seconds for stretch in stretches(found, len(wav) / fs))
        return found


def made(hours: float, folder: Path) -> Iterator[tuple[str, DataDir]]:
    """(kind, recordings of MINUTES minutes) of silence and noise."""
    samples, rng = MINUTES * 60 * FS, np.random.default_rng(0)
    for kind, level in (("silence", 0.0), ("white", 1e-3), ("brown", 1e-2)):
        wavs = {}
        for number in range(max(1, round(hours * 60 / MINUTES))):
            noise = rng.standard_normal(samples)
            if kind == "brown":
                noise = np.fft.rfft(noise) / np.maximum(np.fft.rfftfreq(samples, 1 / FS), 20.0)  # flat below 20 Hz
                noise = np.fft.irfft(noise, samples)
            wavs[f"{kind}{number}"] = str(folder / f"{kind}{number}.flac")
            audio.write(wavs[f"{kind}{number}"], (noise * level / noise.std()).astype(np.float32), FS)
        yield kind if not level else f"{kind} noise, {20 * np.log10(level):.0f} dB", DataDir(wav=wavs)


def given(path: Path) -> DataDir:
    """A data directory, or the recordings of its ``noise.scp``."""
    if (path / "wav.scp").is_file():
        return DataDir.read(path)
    lines = (path / "noise.scp").read_text().splitlines()
    return DataDir(wav={key: str(path / name) for key, name in (line.split(maxsplit=1) for line in lines)})


def interval(count: int, hours: float) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson rate; where nothing was counted, 0 and a one-sided bound."""
    from scipy.stats import chi2

    if not count:
        return 0.0, float(chi2.ppf(0.95, 2) / 2 / hours)
    return float(chi2.ppf(0.025, 2 * count) / 2 / hours), float(chi2.ppf(0.975, 2 * count + 2) / 2 / hours)


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    transcriber = make_transcriber(options.backend, options.whisper, "en")
    with tempfile.TemporaryDirectory() as folder:
        parts = list(made(options.hours, Path(folder))) if options.hours else []
        for kind, data in [*parts, *((path.name, given(path)) for path in options.data)]:
            vad = Counting()
            words, rejected = transcribe_recordings(data, list(data.wav), transcriber, vad)
            hours = sum(data.duration(reco) for reco in data.wav) / 3600
            low, high = interval(len(words), hours)
            print(
                f"{kind:<22}{60 * hours:>6.1f} min, {vad.seconds:>6.1f} s passed on, {len(words):>3} words: "
                f"{len(words) / hours:.1f} an hour ({low:.1f} to {high:.1f}), {len(rejected)} lines of rejected.tsv",
                f"| {' '.join(word.word for word in words[:20])}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whisper", required=True, help="model, as audiolm align takes it")
    parser.add_argument("--backend", default="whisper", help="whisper or whisper_timestamped")
    parser.add_argument("--hours", type=float, default=1.0, help="of each kind that is made here; 0: none")
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="data directories without speech")
    main(parser.parse_args())
