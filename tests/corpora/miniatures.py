"""Corpora of a few seconds in the layouts of the real ones."""

import json

import numpy as np
import soundfile

from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tools import rejections
from audiolm.data.validate import examine


def noise(seconds, fs, channels=1):
    """Quiet noise, float32 [samples] or [samples, channels], the same every time."""
    shape = (round(seconds * fs), channels)[: 1 + (channels > 1)]
    return np.random.default_rng(0).normal(0, 0.05, shape).astype(np.float32)


def write_sphere(path, wav, fs=8000, coding="ulaw"):
    """A SPHERE file as the LDC writes them: mu-law, channels interleaved, a header of 1024 bytes.

    Args:
        wav: [samples, channels] in −1…1.
    """
    raw = path.with_suffix(".raw")
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(raw, wav, fs, format="RAW", subtype="ULAW")
    fields = [
        f"conversation_id -s{len(path.stem)} {path.stem}",
        f"channel_count -i {wav.shape[1]}",
        f"sample_count -i {len(wav)}",
        f"sample_rate -i {fs}",
        "sample_n_bytes -i 1",
        "sample_byte_format -s1 1",
        f"sample_coding -s{len(coding)} {coding}",
        "channels_interleaved -s4 TRUE",
        "end_head\n",
    ]
    header = "\n".join(["NIST_1A", "   1024", *fields]).encode().ljust(1024)
    path.write_bytes(header + raw.read_bytes())
    raw.unlink()


def write_files(root, files):
    """Write name -> text (str), object (as JSON) or samples ((wav, fs))."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif isinstance(content, tuple):
            audio.write(path, *content)
        else:
            path.write_text(json.dumps(content), encoding="utf-8")


def prepare(corpus, corpus_dir, work, *options, status=0):
    """Run ``audiolm corpus`` and return set -> (DataDir, rejected) of what it wrote, which validates."""
    command = ["corpus", corpus, "--corpus_dir", str(corpus_dir), "--dir", str(work), *map(str, options)]
    assert main(command) == status
    sets = {}
    for path in sorted((work / "data").iterdir()) if (work / "data").is_dir() and status == 0 else ():
        assert examine(path, open_audio=False).problems == []
        sets[path.name] = (DataDir.read(path), dict(rejections(path / "rejected.tsv")))
    return sets
