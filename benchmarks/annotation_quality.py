"""How good annotation is on real recordings, with what needs no download.

    OMP_NUM_THREADS=1 python benchmarks/annotation_quality.py WHAT --data ../shared/data

WHAT is

- ``diarization``: error rate on the parts of ami_clips, beside all speech given to one speaker, and where
  the errors come from: the same told the true number, and with the reference's speech and overlap. ``--tune`` searches
  the settings on the training part and on mixes of its excerpts.
- ``words``: distance of word starts from the references of mfa_aligned (10 ms resolution) and aligned_misc.
- ``turns``: units, pauses, gaps and overlaps, from references and from what diarization finds.
- ``silence``: words that a recogniser makes up where nobody speaks, per hour.
"""

import argparse
import dataclasses
import itertools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from audiolm.annotate.align import align_recordings, make_aligner
from audiolm.annotate.campplus import CamPlusPlus
from audiolm.annotate.diarize import (
    ChannelDiarizer,
    Diarizer,
    EmbeddedDiarizer,
    diarize_files,
    files_of,
    make_diarizer,
)
from audiolm.annotate.powerset import PowersetSegmentation
from audiolm.annotate.segmented import SegmentedDiarizer
from audiolm.annotate.separate import write_part
from audiolm.annotate.transcribe import make_transcriber, transcribe_recordings
from audiolm.annotate.turns import SpeakerTurn, turn_statistics, union
from audiolm.annotate.vad import SileroVad
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Turn, read_ctm, read_table
from audiolm.jobs.progress import progress
from audiolm.score.der import by_file, diarization_errors, read_uem
from audiolm.score.hallucination import made_up, silences
from audiolm.score.record import bootstrap_ci
from audiolm.score.word_times import spread_evenly, start_errors

FS = 16000
BLOCK = 5.0  # seconds: what the intervals of error rates are drawn over, for a part may be one recording
HUMAN = ("baby_cry", "person_sneeze")  # sounds of esc10 that people make


# ---------------------------------------------------------------------- diarization


def diarization(options: argparse.Namespace) -> None:
    data, encoder = DataDir.read(options.data / "ami_clips"), CachedEncoder(CamPlusPlus())
    part_of = {reco: part for _, reco, part in read_table(data.path / "reco2part", "<recording> <part>")}
    parts = {part: [r for r in data.recos if part_of[r] == part] for part in ("train", "development", "test")}
    if options.tune:
        return tune(data, parts["train"])
    diarizers = {
        "segmentation-3.0, CAM++": SegmentedDiarizer(),
        "the same, told how many": Told(
            encoder, {r: len({t.speaker for t in own}) for r, own in by_file(data.rttm).items()}
        ),
        "the same, the reference's speech and overlap": Told(encoder, segmentations=segmentations(data.rttm)),
        "Silero, Resemblyzer": EmbeddedDiarizer(),
    }
    found, default = {}, next(iter(diarizers))
    for name, diarizer in diarizers.items():
        began = time.process_time()
        found[name] = turns_of(data, diarizer)
        cost = (time.process_time() - began) / sum(data.duration(reco) for reco in data.recos)
        counted, right = by_file(found[name]), by_file(data.rttm)
        pairs = [[len({t.speaker for t in turns.get(r, ())}) for turns in (counted, right)] for r in data.recos]
        same = sum(ours == theirs for ours, theirs in pairs)
        print(f"{name}: {60 * cost:.2f} s of CPU a minute; speakers right in {same} of {len(pairs)}: {pairs}")
    found["all speech one speaker"] = [dataclasses.replace(t, speaker="one") for t in found[default]]
    heading = ("collar 0 s", "", "missed", "false", "confused", "collar 0.25 s", "")
    print(f"{'% of speaker time':<54}" + "".join(f"{name:>14}" for name in heading))
    for part, recos in parts.items():
        turns = {reco: [t for t in data.rttm if t.file == reco] for reco in recos}
        total = sum(t.duration for own in turns.values() for t in own)
        alone = sum(e - s for own in turns.values() for s, e in union((t.start, t.end) for t in own))
        print(f"{part}: one speaker at a time misses {100 * (total - alone) / total:.1f} at least (overlap)")
        for name, turns in found.items():
            cells = []
            for collar in (0.0, 0.25):
                value, ci, kinds = error_rate(data, recos, turns, collar)
                cells += [f"{value:.1f}", f"({ci[0]:.1f}–{ci[1]:.1f})"] + [f"{k:.1f}" for k in kinds] * (collar == 0)
            print(f"{part + ' (' + str(len(recos)) + '): ' + name:<54}" + "".join(f"{cell:>14}" for cell in cells))


class Told:
    """The default diarizer, told of each file in turn how many speak in it, or when one does and when two.

    Files are taken in the order that ``diarize_files`` has them in.
    """

    name, mixes = "told", True

    def __init__(self, encoder, numbers: Mapping[str, int] | None = None, segmentations: Mapping | None = None):
        self.diarizer, self.numbers, self.segmentations = SegmentedDiarizer(encoder=encoder), numbers, segmentations
        self.files = iter(sorted(numbers or segmentations))

    def __call__(self, wav, fs):
        file = next(self.files)
        self.diarizer.num_speakers = self.numbers[file] if self.numbers else None
        if self.segmentations:
            self.diarizer.segmentation = self.segmentations[file]
        return self.diarizer(wav, fs)


def segmentations(turns: Sequence[Turn]) -> dict[str, Callable]:
    """For each file, the reference as a segmentation: 0 or 1 per frame, speech and overlap."""

    def segmentation(own):
        def found(wav, frame_rate):
            times = (np.arange(int(np.ceil(len(wav) / FS * frame_rate))) + 0.5) / frame_rate
            count = sum(((t.start <= times) & (times < t.start + t.duration)).astype(int) for t in own)
            return (count > 0).astype(float), (count > 1).astype(float)

        return found

    return {file: segmentation(own) for file, own in by_file(turns).items()}


def turns_of(data: DataDir, diarizer: Diarizer) -> list[Turn]:
    return diarize_files(data, files_of(data), diarizer)[0]


def error_rate(
    data: DataDir, recos: Sequence[str], turns: Sequence[Turn], collar: float
) -> tuple[float, tuple[float, float], list[float]]:
    """Error rate in %, its interval over blocks, and the shares that are missed, falsely found and confused."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate
    from pyannote.metrics.identification import IdentificationErrorRate

    from audiolm.score.der import annotation_of

    reference, found, uem = by_file(data.rttm), by_file(turns), read_uem(data.path / "uem")
    rows = []
    for reco in recos:
        truth, guess = annotation_of(reco, reference[reco]), annotation_of(reco, found.get(reco, ()))
        mapping = DiarizationErrorRate(collar=2 * collar).optimal_mapping(
            truth, guess, uem=Timeline([Segment(*stretch) for stretch in uem[reco]], uri=reco)
        )
        named = guess.rename_labels(mapping=mapping)
        for start, end in uem[reco]:
            for first in np.arange(start, end, BLOCK):
                block = Timeline([Segment(first, min(first + BLOCK, end))], uri=reco)
                metric = IdentificationErrorRate(collar=2 * collar, skip_overlap=False)
                c = metric.compute_components(truth, named, uem=block)
                rows.append([c["total"], c["missed detection"], c["false alarm"], c["confusion"]])
    total, *kinds = np.array(rows).T
    rate = [100 * kind.sum() / total.sum() for kind in kinds]
    return sum(rate), bootstrap_ci(100 * sum(kinds), total), rate


class CachedEncoder:
    """Embeds each window of some audio once."""

    def __init__(self, encoder):
        self.encoder, self.known = encoder, {}

    def embed(self, wav, fs, regions):
        audio = hash(wav[:: len(wav) // 1000 + 1].tobytes())
        new = [region for region in regions if (audio, region) not in self.known]
        if new:
            self.known |= {
                (audio, region): row for region, row in zip(new, self.encoder.embed(wav, fs, new), strict=True)
            }
        return np.stack([self.known[audio, region] for region in regions])


class CachedSegmentation(PowersetSegmentation):
    """Segments the same audio once."""

    def __init__(self):
        super().__init__()
        self.known = {}

    def __call__(self, wav, frame_rate):
        key = hash(wav[:: len(wav) // 1000 + 1].tobytes())
        if key not in self.known:
            self.known[key] = super().__call__(wav, frame_rate)
        return self.known[key]


# Excerpts of the training part without a common speaker, mixed: overlap as in no excerpt of that part.
PAIRS = [
    pair.split("+")
    for pair in """
    trn03+trn06 trn00+trn04 trn08+trn09 trn00+trn08 trn05+trn07 trn04+trn09 trn06+trn08
    trn00+trn05 trn05+trn09 trn04+trn08 trn07+trn09 trn03+trn09 trn00+trn06 trn05+trn08""".split()
]


SHARES = (0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


def tune(data: DataDir, recos: Sequence[str]) -> None:
    """Print the settings with the least error rate, of a grid; then each recording with those best for the others."""
    reference, wavs = {r: by_file(data.rttm)[r] for r in recos}, {r: data.audio(r, fs=FS) for r in recos}
    for pair in PAIRS:
        name, length = "+".join(pair), min(len(wavs[reco]) for reco in pair)
        wavs[name] = sum(wavs[reco][:length] for reco in pair) / 2
        reference[name] = [dataclasses.replace(turn, file=name) for reco in pair for turn in reference[reco]]
    names, settings = list(wavs), ("onset", "overlap", "distance", "overlap_share")
    grid = list(itertools.product((0.2, 0.3), (0.1, 0.2), (0.7, 0.75, 0.8), SHARES))
    segmentation, encoder, errors, total = CachedSegmentation(), CachedEncoder(CamPlusPlus()), [], None
    for values in progress(grid, desc="settings"):
        made = {"segmentation": segmentation, "encoder": encoder, **dict(zip(settings, values, strict=True))}
        diarizer, found = SegmentedDiarizer(**made), {}
        for name, wav in wavs.items():
            found[name] = [Turn(name, "1", t.start, t.end - t.start, t.speaker) for t in diarizer(wav, FS)]
        rows = diarization_errors(reference, found, 0.0)
        errors.append([rows[name].errors for name in names])
        total = np.array([rows[name].total for name in names])
    errors, alone = np.array(errors), np.array(["+" not in name for name in names])  # [settings, recordings]
    rates = [100 * errors[:, part].sum(axis=1) / total[part].sum() for part in (alone | ~alone, alone, ~alone)]
    print("".join(f"{name:>14}" for name in ("all", "excerpts", "mixes", *settings)))
    for row in np.argsort(rates[0], kind="stable"):
        print("".join(f"{value:>14.2f}" for value in (*(rate[row] for rate in rates), *grid[row])))
    held_out, chosen = 0.0, set()
    for left in recos:
        others = np.array([left not in name for name in names])
        best = int(errors[:, others].sum(axis=1).argmin())
        held_out += errors[best, names.index(left)]
        chosen.add(grid[best])
    rate = 100 * held_out / total[alone].sum()
    print(f"each excerpt with the settings best for the others and their mixes: {rate:.2f}, by {sorted(chosen)}")


# ---------------------------------------------------------------------- words


def words(options: argparse.Namespace) -> None:
    heading = ("words", "rejected", "mean", "median", "95 %", "≤50 ms", "≤100 ms")
    print(f"{'word starts, ms':<34}" + "".join(f"{name:>10}" for name in heading))
    aligners = {"pocketsphinx": {}}
    if options.recognizer:
        aligners["ctc"] = {"recognizer": options.recognizer}
    if options.wav2vec2:
        aligners["wav2vec2"] = {"model": options.wav2vec2}
    for name in ("mfa_aligned", "aligned_misc"):
        data = DataDir.read(options.data / name)
        data.ctm = read_ctm(data.path / "ctm.words")
        for backend, model in aligners.items():
            report(f"{name}, {backend}", data, *align_recordings(data, data.recos, make_aligner(backend, **model)))
        if options.whisper:
            transcriber = make_transcriber("whisper_timestamped", options.whisper, "en")
            report(f"{name}, whisper_timestamped", data, *transcribe_recordings(data, data.recos, transcriber))
        report(f"{name}, spread evenly", data, spread_evenly(data), [])


def report(name: str, data: DataDir, found: list, rejected: list) -> None:
    errors = np.abs(np.concatenate([1000 * e for e in start_errors(data.ctm, found).values()]))
    cells = [f"{len(errors)}/{len(data.ctm)}", str(len(rejected))]
    if len(errors):
        cells += [f"{v:.0f}" for v in (errors.mean(), np.median(errors), np.percentile(errors, 95))]
        cells += [f"{100 * np.mean(errors <= limit):.0f} %" for limit in (50, 100)]
    print(f"{name:<34}" + "".join(f"{cell:>10}" for cell in cells), flush=True)
    for utt, reason in rejected:
        print(f"  rejected {utt}: {reason}")


# ---------------------------------------------------------------------- turns


def turns(options: argparse.Namespace) -> None:
    kinds = ("ipu", "pause", "gap", "overlap")
    print(f"{'a minute: number (seconds)':<52}" + "".join(f"{kind:>16}" for kind in kinds))
    root, two = options.data, make_diarizer("embedded", 2)
    for name, diarizer in (("ami_clips", make_diarizer("embedded")), ("telephone_clip", two)):
        data = DataDir.read(root / name)
        statistics(f"{name}, reference", data, by_file(data.rttm))
        statistics(f"{name}, embedded diarizer", data, by_file(turns_of(data, diarizer)))
    for name, channels in (("telephone_2ch", 2), ("dialog_unlabelled", 2), ("dialog_unlabelled", 1)):
        data = channels_of(DataDir.read(root / name), channels)
        diarizer = two if channels == 1 else ChannelDiarizer()
        found = by_file(turns_of(data, diarizer))
        for file in sorted(found):
            statistics(f"{name}/{file}, {'embedded' if channels == 1 else 'channels'}", data, {file: found[file]})


def statistics(name: str, data: DataDir, found: Mapping[str, Sequence[Turn]]) -> None:
    """Print the events of some files, summed."""
    files = {data.file_and_channel(reco)[0]: data.duration(reco) for reco in data.recos}
    events = [turn_statistics(SpeakerTurn(t.start, t.end, t.speaker) for t in turns) for turns in found.values()]
    length = sum(files[file] for file in (files if len(found) > 1 else found)) / 60  # minutes
    cells = []
    for kind in ("ipu", "pause", "gap", "overlap"):
        count, seconds = (
            sum(getattr(getattr(e, kind), what) for e in events) / length for what in ("count", "seconds")
        )
        cells.append(f"{count:.1f} ({seconds:.1f})")
    print(f"{name:<52}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def channels_of(data: DataDir, channels: int) -> DataDir:
    """The files with so many channels, one recording a channel."""
    from audiolm.data import audio

    out = DataDir()
    for reco in data.recos:
        if audio.info(data.wav_path(reco)).channels == channels:
            for channel in "AB"[:channels]:
                out.wav[f"{reco}-{channel}"] = data.wav_path(reco)
                out.reco2file_and_channel[f"{reco}-{channel}"] = (reco, channel)
    return out


# ---------------------------------------------------------------------- silence


def silence(options: argparse.Namespace) -> None:
    root, transcribers = options.data, {"pocketsphinx_transcribe": make_transcriber("pocketsphinx_transcribe", None)}
    if options.whisper:
        transcribers["whisper_timestamped"] = make_transcriber("whisper_timestamped", options.whisper, "en")
    with tempfile.TemporaryDirectory() as folder:
        sets = {
            "noise (noise_rir, esc10 but people)": noises(root),
            "meetings (ami_clips)": DataDir.read(root / "ami_clips"),
            "streams parted by turns (ami_clips, telephone_clip)": streams(root, Path(folder)),
        }
        print(f"{'words made up an hour of silence':<76}{'without VAD':>13}{'with':>7}{'minutes':>9}")
        for name, data in sets.items():
            quiet = silences(
                data.rttm, {(data.file_and_channel(r)[0], channel(data, r)): data.duration(r) for r in data.recos}
            )
            hours = sum(end - start for regions in quiet.values() for start, end in regions) / 3600
            for backend, transcriber in transcribers.items():
                counts = []
                for vad in (lambda wav, fs: [(0.0, len(wav) / fs)], SileroVad()):
                    found, _ = transcribe_recordings(data, data.recos, transcriber, vad)
                    counts.append(sum(made_up(found, quiet).values()) / hours)
                print(f"{name + ', ' + backend:<76}{counts[0]:>13.0f}{counts[1]:>7.0f}{60 * hours:>9.1f}", flush=True)


def channel(data: DataDir, reco: str) -> int:
    return data.channel(reco) or 0


def noises(root: Path) -> DataDir:
    """Recordings in which nobody speaks."""
    folder = root / "noise_rir"
    paths = {name: str((folder / path).absolute()) for _, name, path in read_table(folder / "noise.scp", "<id> <file>")}
    sounds = DataDir.read(root / "esc10")
    paths |= {name: sounds.wav_path(name) for name in sounds.recos if not name.startswith(HUMAN)}
    return DataDir(wav=paths, rttm=[])


def streams(root: Path, folder: Path) -> DataDir:
    """The main speaker of each recording and everybody else, parted by the reference's turns."""
    for name in ("ami_clips", "telephone_clip"):
        data = DataDir.read(root / name)
        write_part(data, data.recos, data.rttm, folder / name, seed=0)
    parts = [DataDir.read(folder / name / "part.1") for name in ("ami_clips", "telephone_clip")]
    first, second = parts
    for table in ("wav", "reco2dur", "reco2file_and_channel"):
        getattr(first, table).update(getattr(second, table))
    first.rttm = first.rttm + second.rttm
    return first


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("diarization", "words", "turns", "silence"))
    parser.add_argument("--data", type=Path, required=True, help="folder of data directories with real recordings")
    parser.add_argument("--tune", action="store_true", help="of diarization: search the settings on the training part")
    parser.add_argument("--recognizer", type=Path, help="experiment of a CTC recogniser, for words")
    parser.add_argument("--whisper", help="for words and silence, as audiolm align takes it")
    parser.add_argument("--wav2vec2", help="for words, as audiolm align takes it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"diarization": diarization, "words": words, "turns": turns, "silence": silence}[options.what](options)
