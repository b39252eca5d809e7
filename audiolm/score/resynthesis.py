"""The codec's resynthesis of a set, as a data directory like the original's, for metrics and recognisers."""

import os
from pathlib import Path

import numpy as np

from audiolm.codec.bulk import decode_each
from audiolm.codec.load import load_codec
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.errors import AudiolmError
from audiolm.train.checkpoint import checksum


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
    frames = {key: reader.num_frames(key) for key in reader.keys() if key in original.wav}
    wav = {}
    for key, samples in decode_each(codec, frames, lambda key, *span: reader.read(key, *span)[:, :levels]):
        if not np.isfinite(samples).all():
            raise AudiolmError(f"{codec_dir} makes samples of '{key}' that are not finite: did its training diverge?")
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
