"""The codec's resynthesis of a set, as a data directory like the original's, for metrics and recognisers."""

import os
from pathlib import Path

import numpy as np
import torch

from audiolm.codec.load import load_codec
from audiolm.codec.model import Codec
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.errors import AudiolmError
from audiolm.train.checkpoint import checksum

BATCH_FRAMES = 4096  # frames decoded at once


def resynthesize(codec_dir: str | Path, dump: str | Path, out: str | Path, levels: int | None = None) -> DataDir:
    """Decode ``<dump>/codes`` into ``out``: one FLAC file a recording, as long as the original, and its tables.

    Args:
        codec_dir: experiment of the codec that made the codes.
        levels: decode the first levels only; None = all.

    Raises:
        AudiolmError: the codes are another codec's, or what it decodes is not finite.
    """
    out = Path(out).absolute()
    codec = load_codec(codec_dir)
    reader = TokenReader(Path(dump) / "codes", "codes", checksum(codec_dir))
    original = DataDir.read(Path(dump) / "audio")
    keys = [key for key in reader.keys() if key in original.wav]
    wav = {}
    for batch in batches(keys, reader):
        for key, samples in zip(batch, decode([reader.read(key)[:, :levels] for key in batch], codec), strict=True):
            if not np.isfinite(samples).all():
                raise AudiolmError(
                    f"{codec_dir} makes samples of '{key}' that are not finite: did its training diverge?"
                )
            wav[key] = str(out / "wav" / f"{key}.flac")
            length = round(original.duration(key) * codec.sample_rate)
            audio.write(wav[key], samples[:length].clip(-1, 1), codec.sample_rate)
    has = set(wav)
    segments = {utt: place for utt, place in original.segments.items() if place.reco in has}
    utts = set(segments) or has
    copy = DataDir(
        wav=wav,
        segments=segments,
        text={utt: text for utt, text in original.text.items() if utt in utts},
        utt2spk={utt: speaker for utt, speaker in original.utt2spk.items() if utt in utts},
        reco2dur={reco: original.duration(reco) for reco in wav},
        path=out,
    )
    copy.write(os.fspath(out))
    return copy


def batches(keys: list[str], reader: TokenReader) -> list[list[str]]:
    """Recordings of like lengths together, at most BATCH_FRAMES padded frames."""
    result: list[list[str]] = []
    for key in sorted(keys, key=lambda key: (reader.num_frames(key), key)):
        if not result or (len(result[-1]) + 1) * reader.num_frames(key) > BATCH_FRAMES:
            result.append([])
        result[-1].append(key)
    return result


@torch.inference_mode()
def decode(codes: list[np.ndarray], codec: Codec) -> list[np.ndarray]:
    """Codes [frames, levels] of several recordings -> float32 samples of each.

    A causal codec decodes them together and what pads them is cut off; another, one by one.
    """
    if not codec.causal and len(codes) > 1:
        return [wav for each in codes for wav in decode([each], codec)]
    longest = max(map(len, codes))
    padded = np.stack([np.pad(each, ((0, longest - len(each)), (0, 0))) for each in codes]).astype(np.int64)
    wav = codec.decode(torch.from_numpy(padded).transpose(1, 2))[:, 0].numpy()
    return [row[: len(each) * codec.frame_size] for row, each in zip(wav, codes, strict=True)]
