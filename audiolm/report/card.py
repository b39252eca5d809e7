"""What a codec is, in a few lines, beside the rates of published ones."""

from html import escape
from pathlib import Path

from audiolm.score import codec_table
from audiolm.train import config

LEAD = "What it is made of, and how many tokens and bits stand for a second of sound."
ENTRIES = {  # by kind of quantizer
    "ema": "moving averages",
    "gradient": "learnt by gradient",
    "factorised": "learnt by gradient, directions compared (factorised)",
}


def card(codec_dir: Path) -> str:
    """Rates, size and make of a trained codec, and a table of published codecs to open."""
    codec, settings = codec_table.read_codec(str(codec_dir)), config.load(codec_dir)[1]
    frame = 1000 / codec.frame_rate
    rows = {
        "sound": f"{codec.sample_rate} Hz, one channel",
        "frames": f"{codec.frame_rate:g} a second, {frame:g} ms each",
        "levels": f"{codec.levels} of {2**codec.bits:.0f} entries, {ENTRIES[settings.quantizer.kind]}"
        + (", level 1 beside the others" if settings.quantizer.split and codec.levels > 1 else ""),
        "tokens": f"{codec.token_rate:g} a second",
        "bitrate": f"{codec.kbit_rate:.3g} kbit/s ({codec.token_rate:g} tokens of {codec.bits:g} bits)",
        "compression": f"{codec.sample_rate * 16 / 1000 / codec.kbit_rate:.0f} times smaller than 16-bit samples",
        "parameters": f"{codec.parameters / 1e6:.1f} M, codebooks included",
        "encoder, decoder": f"{_kind(settings.encoder)}, {_kind(settings.decoder)}",
        "distilled from": _teacher(settings.teacher),
    }
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f'<div class="wide"><table class="card">{lines}</table></div>{_published(codec)}'


def is_distilled(codec_dir: Path) -> bool:
    """Whether level 1 learns from a teacher, and may be called semantic; True where no config says."""
    if not (codec_dir / "config.yaml").is_file():
        return True
    return config.load(codec_dir)[1].teacher is not None


def _kind(side) -> str:
    return next(name for name, value in vars(side).items() if value is not None)


def _teacher(teacher) -> str:
    if teacher is None:
        return "nothing: level 1 is like the others"
    return f"layer {teacher.layer} of {Path(teacher.path).name} ({teacher.backend})"


def _published(codec: codec_table.Codec) -> str:
    """A table with ours first; rows that break kbit/s = tokens/s x bits are marked."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in codec_table.HEADINGS)
    published = codec_table.published_codecs()
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in codec_table.cells(each))}</tr>"
        for each in (codec, *published)
    )
    sources = ", ".join(dict.fromkeys(each.source for each in published))
    return (
        f'<details class="file"><summary>Beside published codecs ({escape(sources)})</summary><div class="wide">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
