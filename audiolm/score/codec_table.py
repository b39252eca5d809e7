"""Codecs side by side: how many tokens and bits a second, of configs, of experiments and as published."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiolm.errors import AudiolmError
from audiolm.score.published import published_values
from audiolm.train.options import merge, read_config

PRINTED = 0.05  # kbit/s, half of the last figure that published tables print
HEADINGS = ("", "Hz", "frames/s", "levels", "entries", "tokens/s", "kbit/s", "parameters", "")


@dataclass(frozen=True)
class Codec:
    """A line of the table.

    Attributes:
        name: of the codec.
        frame_rate: frames a second.
        levels: codebooks, of which every frame has a token.
        bits: log2 of a codebook's size.
        sample_rate: Hz, None where it is not told.
        kbps: as published; None where it follows from the rest.
        tokens: tokens a second as published, likewise.
        parameters: of encoder, quantizer and decoder, None where they are not known.
        source: the paper, empty for one of ours.
    """

    name: str
    frame_rate: float
    levels: int
    bits: float
    sample_rate: int | None = None
    kbps: float | None = None
    tokens: float | None = None
    parameters: int | None = None
    source: str = ""

    @property
    def token_rate(self) -> float:
        """Tokens a second: frames a second times levels, where no paper says otherwise."""
        return self.frame_rate * self.levels if self.tokens is None else self.tokens

    @property
    def kbit_rate(self) -> float:
        """kbit/s = tokens/s times log2 of the codebook size / 1000."""
        return self.token_rate * self.bits / 1000

    @property
    def fault(self) -> str:
        """What is wrong with published figures, empty where nothing is."""
        found = []
        if self.kbps is not None and abs(self.kbps - self.kbit_rate) > PRINTED + 1e-9:
            found.append(
                f"inconsistent: {self.token_rate:g} tokens/s of {self.bits:g} bits are {self.kbit_rate:.2g} kbit/s"
            )
        if self.bits % 1 and abs(2**self.bits - round(2**self.bits)) > 0.01:
            found.append(f"inconsistent: 2^{self.bits:g} is no whole number of entries")
        return "; ".join(found)


def read_codec(given: str) -> Codec:
    """The codec of an experiment directory, of a config file, or of several, ``base.yaml+changes.yaml``.

    Raises:
        AudiolmError: none is there, or it is not a codec's.
    """
    files = [path / "config.yaml" if path.is_dir() else path for path in map(Path, given.split("+"))]
    for file in files:
        if not file.is_file():
            raise AudiolmError(f"no {file}: name a codec's config file or experiment directory")
    told = merge(files)[0]
    # Shipped configs leave the data to the command line.
    run = read_config(files, [(key, "none") for key in ("train_dir", "valid_dir") if key not in told])
    if run.system != "codec":
        raise AudiolmError(f"{given} configures a {run.system}, expected a codec")
    config = run.config
    return Codec(
        name="+".join(file.parent.name if file.name == "config.yaml" else file.stem for file in files),
        frame_rate=config.frame_rate,
        levels=config.quantizer.n_q,
        bits=math.log2(config.quantizer.codebook_size),
        sample_rate=config.sample_rate,
        parameters=parameters_of(config),
    )


def parameters_of(config) -> int:
    """Numbers that a codec of that config is made of, codebooks included; nothing is allocated."""
    import torch

    from audiolm.codec.model import Codec as Model
    from audiolm.nn.conv import fold_weight_norm

    with torch.device("meta"):
        model = Model(config)
        fold_weight_norm(model)
    return count(dict(model.state_dict()))


def count(tensors: dict) -> int:
    """Parameters among a codec's tensors: weights and entries, not the counts that training keeps beside them."""
    kept = {"updates", "idle", "initialized", "cluster_usage"}
    return sum(tensor.numel() for name, tensor in tensors.items() if name.rpartition(".")[2] not in kept)


def published_codecs() -> list[Codec]:
    """The codecs of published/codecs.yaml, in its order."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for value in published_values():
        if value.metric.startswith("codec_rates_"):
            source = value.source
            if value.checked == "no":
                source += ", as a digest of its table gives them"
            rows.setdefault((value.row, source), {})[value.metric.removeprefix("codec_rates_")] = value.value
    return [
        Codec(
            name=name,
            frame_rate=row["tokens"] / row["levels"],
            levels=int(row["levels"]),
            bits=row["bits"],
            kbps=row["kbps"],
            tokens=row["tokens"],
            source=source,
        )
        for (name, source), row in rows.items()
    ]


def cells(codec: Codec) -> tuple[str, ...]:
    """A line of the table, under `HEADINGS`."""
    entries = f"{2**codec.bits:.0f}" if abs(2**codec.bits % 1) < 0.01 else f"2^{codec.bits:g}"
    kbps = codec.kbit_rate if codec.kbps is None else codec.kbps
    return (
        codec.name,
        "" if codec.sample_rate is None else str(codec.sample_rate),
        f"{codec.frame_rate:g}",
        str(codec.levels),
        entries,
        f"{codec.token_rate:g}",
        f"{kbps:.3g}",
        "" if codec.parameters is None else f"{codec.parameters / 1e6:.1f} M",
        codec.fault,
    )


def as_text(ours: Sequence[Codec], published: Sequence[Codec]) -> str:
    """An aligned table: ours, then the published ones with their source."""
    table = [HEADINGS, *map(cells, ours), *map(cells, published)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    lines = [_aligned(HEADINGS, widths), *(_aligned(cells(codec), widths) for codec in ours)]
    for source in dict.fromkeys(codec.source for codec in published):
        lines += ["", f"As published ({source})"]
        lines += [_aligned(cells(codec), widths) for codec in published if codec.source == source]
    return "\n".join(lines)


def _aligned(row: tuple[str, ...], widths: Sequence[int]) -> str:
    name, *numbers, note = row
    parts = [name.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:], strict=False))]
    return "  ".join([*parts, note]).rstrip()
