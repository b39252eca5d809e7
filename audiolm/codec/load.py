"""Trained and released codecs, ready to use; and codecs saved as experiments of ours."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from audiolm.codec.adapters import find_layout, layout_for
from audiolm.codec.adapters.layout import Layout, architecture
from audiolm.codec.model import Codec
from audiolm.config.schema import plain
from audiolm.errors import AudiolmError
from audiolm.nn.conv import fold_weight_norm, folded_state
from audiolm.spec import ExportRequest
from audiolm.train import checkpoint, saved

# What must be there of a codec on the hub, the preferred weights first.
# A repository of the moshi package has its Mimi beside the LM.
HUB_CONFIG, HUB_WEIGHTS = "config.json", ("tokenizer-*.safetensors", "model.safetensors", "pytorch_model.bin")


def load_codec(name: str | Path, device: str | torch.device = "cpu") -> Codec:
    """Return a codec in evaluation mode.

    Its ``encode`` takes samples at ``codec.sample_rate``; samples do not tell their rate, so another rate is not
    noticed, and gives the codes of a voice too slow or too fast. ``audiolm.data.audio.tensor(path, codec.sample_rate)``
    reads a file at that rate.

    Args:
        name: what ``audiolm train`` or ``audiolm export`` left (a folder with config.yaml); a folder of transformers'
            Mimi, EnCodec or DAC (config.json); a safetensors file of moshi's Mimi, or the folder it is in; or a hub id
            such as kyutai/mimi, looked up in the local cache and else fetched.

    Raises:
        AudiolmError: no codec there, or weights of another architecture (the first differing names are told).
    """
    layout, path = _locate(name)
    codec = _load_own(path) if layout is None else layout.load(path)
    codec = codec.eval().requires_grad_(False).to(device)
    return codec.prepare() if torch.device(device).type == "cpu" else codec


def codec_checksum(name: str | Path) -> str:
    """Return by which checksum token archives know the codec that `load_codec` loads: of its weights file.

    The same codec in another layout is another file, so make its archives with one of them.
    """
    layout, path = _locate(name)
    return checkpoint.checksum(path) if layout is None else checkpoint.file_checksum(path)


@dataclass
class ExportOptions:
    """What of a codec is written.

    Attributes:
        levels: of a codec that is exported alone, the first levels only; null: all.
    """

    levels: int | None = None


def is_released(name: str | Path) -> bool:
    """Whether a file or folder holds a codec of another project's layout."""
    return find_layout(Path(name)) is not None


def export(request: ExportRequest, options: ExportOptions) -> str:
    """``audiolm export --codec``."""
    name = request.parts["codec"]
    usage = export_codec(name, request.out, request.to, options.levels)
    return f"exported {name} to {request.out}; it loads with {usage}"


def export_codec(name: str | Path, out: str | Path, to: str | None = None, levels: int | None = None) -> str:
    """Write a codec into the folder ``out`` and return how it is loaded there.

    Args:
        name: see `load_codec`.
        to: a layout's name, "transformers" or "moshi"; None: ours.
        levels: the first levels only; None: all.

    Raises:
        AudiolmError: as `load_codec`; the codec does not fit the layout; ``out`` is what it is read from.
    """
    codec = load_codec(name)
    if Path(out).resolve() == Path(name).resolve():
        raise AudiolmError(f"{out} is where the codec is read from; name another --out")
    if levels is not None:
        codec = first_levels(codec, levels)
    if to is None:
        save_codec(codec, out)
        return f"audiolm.load_codec('{out}')"
    layout = layout_for(codec.config, to)
    weights, _ = layout.save(codec, out)
    return layout.usage(architecture(codec.config), weights)


def save_codec(codec: Codec, out: str | Path) -> None:
    """Write a codec as an experiment of ours: what every verb takes, and what training can start from (``--init``)."""
    settings = {"system": "codec", "train_dir": "", "valid_dir": "", **plain(architecture(codec.config))}
    saved.save_experiment(out, settings, folded_state(codec))


def first_levels(codec: Codec, levels: int) -> Codec:
    """A codec of the first levels only, in evaluation mode: its codes are those of ``codec``.

    Raises:
        AudiolmError: there are not so many, or fewer than the quantizer can have.
    """
    if not 1 <= levels <= codec.n_q:
        raise AudiolmError(f"{levels} levels, expected 1 to {codec.n_q}: so many this codec has")
    if levels == codec.n_q:
        return codec
    quantizer = replace(codec.config.quantizer, n_q=levels, dropout_levels=None)
    fewer = Codec(replace(architecture(codec.config), quantizer=quantizer))
    fold_weight_norm(fewer)
    state = folded_state(codec)
    fewer.load_state_dict({name: state[name] for name in fewer.state_dict()})
    return fewer.eval().requires_grad_(False)


def _locate(name: str | Path) -> tuple[Layout | None, Path]:
    """The layout (None: our own) and its weights file (of ours: the directory)."""
    path = Path(name)
    if (path / "config.yaml").is_file():
        return None, path
    if not path.exists():
        from audiolm.encoders.hub import find_weights

        try:
            path = find_weights(str(name), "codec", HUB_CONFIG, HUB_WEIGHTS)
        except AudiolmError as error:
            raise AudiolmError(f"no folder or file '{name}'; on the hub: {error}") from None
    found = find_layout(path)
    if found is None:
        raise AudiolmError(
            f"no config.yaml of a trained codec in {path}, and neither transformers' Mimi, EnCodec or DAC (config.json "
            "beside model.safetensors) nor moshi's Mimi (a safetensors file): name one of these"
        )
    return found


def _load_own(exp_dir: Path) -> Codec:
    system, settings = saved.load(exp_dir)
    if system != "codec":
        raise AudiolmError(f"{exp_dir} holds a {system}, expected a codec; name a codec's experiment directory")
    codec = Codec(settings)
    fold_weight_norm(codec)
    checkpoint.load_weights(codec, exp_dir)
    return codec
