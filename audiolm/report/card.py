"""What a codec is, in a few lines, beside the rates of published ones."""

from html import escape
from pathlib import Path

from audiolm.score import codec_table
from audiolm.train import saved

LEAD = "What it is made of, and how many tokens and bits stand for a second of sound."
ENTRIES = {  # by kind of quantizer
    "ema": "each is the moving average of the vectors that choose it",
    "gradient": "learnt by gradient descent",
    "factorised": "learnt by gradient descent; the nearest is the one in the most similar direction",
}


def card(codec_dir: Path) -> str:
    """Rates, size and make of a trained codec, and a table of published codecs to open."""
    codec, settings = codec_table.read_codec(str(codec_dir)), saved.load(codec_dir)[1]
    frame = 1000 / codec.frame_rate
    rows = {
        "sound": f"{codec.sample_rate} Hz, one channel",
        "frames": f"{codec.frame_rate:g} a second, {frame:g} ms each",
        "levels": f"{codec.levels}, each with a codebook of {2**codec.bits:.0f} entries",
        "entries": ENTRIES[settings.quantizer.kind],
        "level 1": _first_level(settings.quantizer, codec.levels),
        "tokens": f"{codec.token_rate:g} a second",
        "bitrate": f"{codec.kbit_rate:.3g} kbit/s ({codec.token_rate:g} tokens of {codec.bits:g} bits)",
        "compression": f"{codec.sample_rate * 16 / 1000 / codec.kbit_rate:.0f} times smaller than 16-bit samples",
        "parameters": f"{codec.parameters / 1e6:.1f} M, codebooks included",
        "encoder, decoder": f"{_kind(settings.encoder)}, {_kind(settings.decoder)}",
        "distilled from": _teacher(settings.teacher),
    }
    lines = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows.items() if text)
    return f'<div class="wide"><table class="card">{lines}</table></div>{_published(codec)}'


def is_distilled(codec_dir: Path) -> bool:
    """Whether level 1 learns from a teacher, and may be called semantic; True where no config says."""
    if not (codec_dir / "config.yaml").is_file():
        return True
    return saved.load(codec_dir)[1].teacher is not None


def _kind(side) -> str:
    return next(name for name, value in vars(side).items() if value is not None)


def _first_level(quantizer, levels: int) -> str:
    """How level 1 stands to the others; empty where there are none."""
    if levels < 2:
        return ""
    if quantizer.split:
        others = "level 2 codes" if levels == 2 else f"levels 2 to {levels} code"
        return f"codes the whole sound by itself; {others} it a second time, and the decoder gets the sum"
    return "codes the whole sound; each further level codes what the levels before it have missed"


def _teacher(teacher) -> str:
    """Whose states level 1 learns."""
    if teacher is None:
        return "nothing: level 1 learns as the others do"
    layer = "the mean of all layers" if teacher.layer == "mean" else f"layer {teacher.layer}"
    name = Path(teacher.path).name
    return f"{layer} of the " + (
        f"CTC recogniser in folder '{name}'" if teacher.backend == "recognizer" else f"model {name}"
    )


def _published(codec: codec_table.Codec) -> str:
    """A table with ours first; rows that break kbit/s = tokens/s x bits are marked."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in codec_table.HEADINGS)
    published = codec_table.published_codecs()
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in codec_table.cells(each))}</tr>"
        for each in (codec, *published)
    )
    sources = "; ".join(dict.fromkeys(each.source for each in published))
    return (
        '<details class="file"><summary>Beside published codecs</summary>'
        f'<p>Rates from {escape(sources)}.</p><div class="wide">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
