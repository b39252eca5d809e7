"""Phone ABX of a codec's latents, beside that of log-mel frames and of the states that it was distilled from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from audiolm.codec.load import load_codec
from audiolm.codec.model import Codec
from audiolm.codec.teacher import Teacher
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.encoders.load import load_encoder
from audiolm.encoders.protocol import Encoder
from audiolm.encoders.spectral import MELS
from audiolm.errors import AudiolmError
from audiolm.score.abx import MAX_SIZE_GROUP, MAX_X_ACROSS, Abx, abx, frames_of
from audiolm.score.items import Item, NoTriples
from audiolm.score.record import Score
from audiolm.train import saved
from audiolm.train.checkpoint import checksum

PROTOCOL = (
    f"triphone ABX, {{speaker}} speaker, of {{what}}: angular distance, DTW averaged along its path, at most "
    f"{MAX_SIZE_GROUP} items of a speaker's triphone{{across}}, errors averaged by context, speaker and pair of phones "
    "(Libri-Light); triphones from {items}; interval by bootstrap over {drawn}"
)


@dataclass(frozen=True)
class Features:
    """Something that a recording is turned into: frames [F, D] of ``of(recording)`` at ``rate`` Hz."""

    rate: float
    of: Callable[[str], np.ndarray]


def score(codec_dir: Path, dump: Path, items: Sequence[Item], source: str, data: str) -> list[Score]:
    """Scores of level 1 within and across speakers, of all levels, of log-mel frames and of the teacher.

    All are of the same items: those that have a frame at the codec's rate. A score that no triple can be made for is
    left out, with a line that says so.

    Args:
        items: triphones of recordings of ``<dump>/audio``.
        source: where they come from, for the protocol.

    Raises:
        AudiolmError: the codes are another codec's, features are not finite, or no triple can be made at all.
    """
    codec, settings = load_codec(codec_dir), saved.load(codec_dir)[1]
    original = DataDir.read(dump / "audio")
    codes = TokenReader(dump / "codes", "codes", checksum(codec_dir))
    files = {item.file for item in items if item.file in codes}
    read = {file: codes.read(file).astype(np.int64) for file in files}
    wavs = {file: original.audio(file, fs=codec.sample_rate) for file in files}
    long_enough = [
        item
        for item in items
        if item.file in read and not _empty(frames_of(item, codec.frame_rate, len(read[item.file])))
    ]
    levels = codec.n_q
    latents = {1: latents_of(codec, read, 1), levels: latents_of(codec, read, levels)}
    mel = features_of(load_encoder("logmel", sample_rate=codec.sample_rate), wavs)
    pooled = Features(codec.frame_rate, lambda file: _pooled(mel.of(file), mel.rate / codec.frame_rate))
    rows = [
        ("abx_within", f"the quantized latents of level 1, {codec.frame_rate:g} Hz", latents[1], "within"),
        ("abx_across", f"the quantized latents of level 1, {codec.frame_rate:g} Hz", latents[1], "across"),
        ("abx_all_levels", f"the quantized latents of all {levels} levels", latents[levels], "within"),
        ("abx_logmel", f"{MELS} log-mel bands, 100 Hz", mel, "within"),
        ("abx_logmel_pooled", "the same log-mel frames averaged over the codec's frames", pooled, "within"),
    ]
    if (teacher := _teacher(settings, wavs)) is not None:
        rows.append(
            ("abx_teacher", "the states that level 1 is distilled from, at the codec's rate", teacher, "within")
        )
    common = {"data": data, "source": source, "short": len(items) - len(long_enough), "codec": checksum(codec_dir)}
    values = {name: _measured(features, long_enough, speaker) for name, _, features, speaker in rows}
    if not any(values.values()):
        raise NoTriples(
            f"{len(long_enough)} triphones of {data} make no ABX triple: no speaker says one twice beside another with "
            "the same neighbours; score more speech, or leave abx out"
        )
    bug = _measured(latents[1], long_enough, "within", drop_last=True)
    scores = []
    for name, what, _, speaker in rows:
        if values[name] is None:
            print(f"{name} left out: no two speakers of {data} say the same triphone beside another")
            continue
        beside = {} if name != "abx_within" or bug is None else {"with Libri-Light's slices, %": 100 * bug.error}
        scores.append(_score(name, what, values[name], speaker, values["abx_logmel_pooled"], beside, **common))
    return scores


def _measured(features: Features, items: Sequence[Item], speaker: str, drop_last: bool = False) -> Abx | None:
    """ABX of the items that have frames: all of those that are given, without ``drop_last``."""
    frames, kept = {}, []
    for number, item in enumerate(items):
        if item.file not in frames:
            frames[item.file] = features.of(item.file)
            if not np.isfinite(frames[item.file]).all():
                raise AudiolmError(f"features of '{item.file}' are not finite: did the training diverge?")
        part = frames_of(item, features.rate, len(frames[item.file]), drop_last)
        if not _empty(part):
            kept.append((number, frames[item.file][part]))
    return abx([items[number] for number, _ in kept], [part for _, part in kept], speaker)


def _empty(part: slice) -> bool:
    return part.start >= part.stop


def _score(
    name: str, what: str, found: Abx, speaker: str, mel: Abx | None, beside: dict, data, source, short, codec
) -> Score:
    compared = name in ("abx_within", "abx_all_levels") and mel is not None
    across = f", {MAX_X_ACROSS} speakers of X" if speaker == "across" else ""
    return Score(
        metric=name,
        value=100 * found.error,
        unit="%",
        protocol=PROTOCOL.format(speaker=speaker, what=what, across=across, items=source, drawn=found.drawn),
        backend="",
        checksum="" if name.startswith("abx_logmel") else codec,
        data=data,
        count=found.triples,
        ci=found.ci and (100 * found.ci[0], 100 * found.ci[1]),
        baseline=100 * mel.error if compared else None,
        baseline_name="log-mel averaged over the same frames" if compared else "",
        details={
            "triples": found.triples,
            "cells": found.cells,
            "speakers": found.speakers,
            "triphones": found.items,
            "triphones without a frame at the codec's rate": short,
            **beside,
        },
    )


def latents_of(codec: Codec, codes: Mapping[str, np.ndarray], levels: int) -> Features:
    """What the quantizer makes of the first levels' codes, as the decoder would get it."""

    @torch.inference_mode()
    def of(file: str) -> np.ndarray:
        return codec.quantizer.decode(torch.from_numpy(codes[file].T[None, :levels]))[0].T.float().numpy()

    return Features(codec.frame_rate, of)


def features_of(encoder: Encoder, wavs: Mapping[str, np.ndarray]) -> Features:
    """Frames of any encoder, of waveforms at its rate."""

    @torch.inference_mode()
    def of(file: str) -> np.ndarray:
        return encoder(torch.from_numpy(wavs[file])[None]).states[0].numpy()

    return Features(encoder.frame_rate, of)


def _pooled(frames: np.ndarray, ratio: float) -> np.ndarray:
    """Frames [F, D] -> their means over ``ratio`` (not always whole) frames, [ceil(F / ratio), D]."""
    number = (np.arange(len(frames)) / ratio).astype(int)
    sums = np.zeros((number[-1] + 1, frames.shape[1]))
    np.add.at(sums, number, frames)
    return sums / np.bincount(number)[:, None]


def _teacher(settings, wavs: dict[str, np.ndarray]) -> Features | None:
    """The teacher's states at the codec's rate; None, with a line that says why, where it is gone."""
    if settings.teacher is None:
        return None
    try:
        teacher = Teacher(settings.teacher, settings.sample_rate, settings.frame_rate)
    except AudiolmError as error:
        print(f"abx_teacher left out: {error}")
        return None

    def of(file: str) -> np.ndarray:
        wav = np.pad(wavs[file], (0, -len(wavs[file]) % settings.frame_size))
        return teacher(torch.from_numpy(wav)[None, None])[0].numpy()

    return Features(settings.frame_rate, of)
