"""A trained dialogue model as one directory that can be copied anywhere: LM, codec and tokenizer, with checksums.

<bundle>/audiolm.json              what it is, and the checksum of every part
<bundle>/lm/                       config.yaml, model.safetensors: audiolm.load_lm
<bundle>/codec/                    config.yaml, model.safetensors: audiolm.load_codec
<bundle>/tokenizer/                tokenizer.model or tokenizer.json: audiolm.text.tokenizer.Tokenizer.load
<bundle>/README.md                 how to load it
"""

import json
import shutil
from pathlib import Path

from audiolm import __version__
from audiolm.codec.load import load_codec
from audiolm.data.files import temporary
from audiolm.errors import AudiolmError
from audiolm.models.moshi.load import load_lm
from audiolm.models.open import MANIFEST
from audiolm.text.tokenizer import Tokenizer
from audiolm.train.checkpoint import checksum

PARTS = {"lm": ("config.yaml", "model.safetensors"), "codec": ("config.yaml", "model.safetensors")}

CARD = """# {name}

A full-duplex dialogue model in the manner of Moshi: {streams} streams at {frame_rate:g} Hz, {sample_rate} Hz sound.
Made by audiolm {version}; `audiolm.json` holds the checksums of its parts.

```python
import audiolm

model, config = audiolm.load_lm("{name}/lm")
codec = audiolm.load_codec("{name}/codec")
codes = codec.encode(wav)  # float32 [B, 1, T] at {sample_rate} Hz -> int64 [B, {levels}, frames]
```

From the shell: `audiolm transcribe talk.wav --model {name}`, `audiolm say "good morning" --model {name} --out it.wav`
"""


def write_bundle(lm: str | Path, codec: str | Path, tokenizer: str | Path, out: str | Path) -> dict:
    """Load a finished LM, its codec and its tokenizer, copy them into ``out``, and return the manifest.

    ``out`` appears whole or not at all; one that was there before is replaced.

    Raises:
        AudiolmError: a part is unfinished, or not what the LM was trained with (vocabulary sizes, levels, checksums),
            or ``out`` is a folder that no export has made.
    """
    lm, codec, tokenizer, out = Path(lm), Path(codec), Path(tokenizer), Path(out)
    if out.exists() and not (out / MANIFEST).exists():
        raise AudiolmError(f"{out} exists and is no exported model: name another --out, or remove it")
    manifest = _check(lm, codec, tokenizer)
    hidden = temporary(out)
    shutil.rmtree(hidden, ignore_errors=True)
    for part, source in (("lm", lm), ("codec", codec)):
        (hidden / part).mkdir(parents=True)
        for file in PARTS[part]:
            shutil.copyfile(source / file, hidden / part / file)
        if checksum(hidden / part) != manifest["checksums"][part]:
            raise AudiolmError(f"{source} changed while it was copied; export again when its training has ended")
    Tokenizer.load(tokenizer).save(hidden / "tokenizer")
    (hidden / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    (hidden / "README.md").write_text(
        CARD.format(name=out.name, version=__version__, levels=manifest["n_q"], **manifest), encoding="utf-8"
    )
    shutil.rmtree(out, ignore_errors=True)
    hidden.rename(out)
    return manifest


def _check(lm: Path, codec_dir: Path, tokenizer_dir: Path) -> dict:
    """The manifest of parts that must load and fit together."""
    for part, folder in (("lm", lm), ("codec", codec_dir)):
        if folder.is_dir() and not (folder / "config.yaml").is_file():
            raise AudiolmError(
                f"{folder} is of another layout, and a bundle's parts are ours; make it one: audiolm export --{part} "
                f"{folder} --out DIR"
            )
    model, _ = load_lm(lm)
    codec = load_codec(codec_dir)
    tokenizer = Tokenizer.load(tokenizer_dir)
    layout = model.config.layout
    levels = list(codec.codebook_sizes)
    found, made = list(layout.vocab_sizes), [tokenizer.vocab_size] + levels * layout.speakers
    if found[0] < made[0] or found[1:] != made[1:]:
        raise AudiolmError(
            f"the LM has streams of {found} tokens, but this tokenizer and codec make {made}; "
            "export the codec and tokenizer that the LM was trained with"
        )
    model.codec.claim(checksum(codec_dir), "codec")
    model.backbone.tokenizer.claim(tokenizer.checksum, "tokenizer")
    return {
        "format": 1,
        "audiolm": __version__,
        "sample_rate": codec.sample_rate,
        "frame_rate": codec.frame_rate,
        "n_q": codec.n_q,
        "streams": len(found),
        "vocab_sizes": found,
        "checksums": {
            "lm": checksum(lm),
            "codec": checksum(codec_dir),
            "tokenizer": tokenizer.checksum,
        },
    }
