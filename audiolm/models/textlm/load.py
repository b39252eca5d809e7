"""Trained and released text LMs, ready to use, and written in another layout or in ours."""

from pathlib import Path

import torch

from audiolm.config.schema import plain
from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.lm import llama
from audiolm.lm.backbone import Backbone
from audiolm.lm.start import NOT_OF_WEIGHTS, PREFIX, SHAPE, is_experiment
from audiolm.lm.text_lm import TextLM, load_released, save_text_lm
from audiolm.spec import ExportRequest
from audiolm.text.tokenizer import Specials, Tokenizer
from audiolm.train import checkpoint, saved
from audiolm.train.tensors import check_same_tensors


def load_text_lm(name: str | Path, device: torch.device | str = "cpu") -> TextLM:
    """A text LM and its tokenizer.

    Args:
        name: an experiment of ``system: textlm`` that was trained with ``tokenizer``, or the folder or hub id of a
            Llama-shaped model of transformers with its tokenizer beside it.

    Raises:
        AudiolmError: there is none, or the model does not fit ours.
    """
    if not is_experiment(name):
        return load_released(name, device)
    system, settings = saved.load(name)
    if system != "textlm":
        raise AudiolmError(f"{name} is an experiment of system '{system}', expected 'textlm'; name a text LM")
    backbone = Backbone(settings.text_vocab, settings.temporal)
    state = checkpoint.load_model(name)
    load = {key.removeprefix(PREFIX): tensor for key, tensor in state.items()}
    try:
        check_same_tensors(backbone.state_dict(), load)
    except AudiolmError as error:
        raise AudiolmError(f"{Path(name) / checkpoint.MODEL}: {error}") from None
    backbone.load_state_dict(load)
    if not Tokenizer.is_in(name):
        raise AudiolmError(f"{name} has no tokenizer beside its weights: train it with --tokenizer, or copy it there")
    tokenizer = Tokenizer.load(name)
    backbone.tokenizer.claim(tokenizer.checksum, "tokenizer")
    if tokenizer.specials != Specials.of(settings.specials):
        raise AudiolmError(
            f"{name}: config.yaml has specials {settings.specials}, its tokenizer {list(tokenizer.specials)}; copy the "
            "tokenizer there that the LM was trained with"
        )
    weights, dialogues = checkpoint.checksum(name), settings.corpus == "dialogues"
    return TextLM(backbone.to(device).eval(), tokenizer, settings.tokens, weights, dialogues)


def is_released(name: str | Path) -> bool:
    """Whether a folder holds a Llama-shaped model of transformers."""
    return llama.is_llama(name)


def export(request: ExportRequest, options: None) -> str:
    """``audiolm export --textlm``."""
    if request.to not in (None, "transformers"):
        raise AudiolmError("a text LM goes --to transformers or audiolm")
    if name := request.parts.get("lm"):
        if request.to is not None:
            raise AudiolmError(f"--to {request.to} takes an audio LM, and {name} is a text LM: name it with --textlm")
        return f"exported {name} to {request.out}; training starts from it with {_export_start(name, request.out)}"
    name = request.parts["textlm"]
    return f"exported {name} to {request.out}; it loads with {export_text_lm(name, request.out, request.to)}"


def _export_start(name: str, out: Path) -> str:
    """Write a text LM as what an audio LM's temporal transformer starts from, with the shape that its config takes."""
    export_text_lm(name, out)
    run = saved.load(out)[1]
    specials = {} if run.specials is None else {"specials": run.specials}
    temporal = {key: value for key, value in plain(run.temporal).items() if key not in NOT_OF_WEIGHTS}
    write_yaml(out / SHAPE, {"model": {"text_vocab": run.text_vocab, **specials, "temporal": temporal}})
    return f"audiolm train --config … --config {out}/{SHAPE} --init {out}"


def export_text_lm(name: str | Path, out: str | Path, to: str | None = None) -> str:
    """Write a text LM and its tokenizer into the folder ``out``, and return how it is loaded there.

    Args:
        name: see :func:`load_text_lm`.
        to: "transformers", or None: ours, an experiment that every verb takes.

    Raises:
        AudiolmError: as :func:`load_text_lm`; the model does not fit the layout; ``out`` is what it is read from.
    """
    out = Path(out)
    if out.resolve() == Path(name).resolve():
        raise AudiolmError(f"{out} is where the LM is read from; name another --out")
    lm = load_text_lm(name)
    if to == "transformers":
        lm.tokenizer.save(out)
        llama.write_llama(lm.backbone, out, lm.tokens, lm.tokenizer.specials)
        return f"AutoModelForCausalLM.from_pretrained('{out}'), {lm.tokenizer.usage(out)}"
    save_text_lm(lm, out)
    return f"--init {out}, or audiolm.load_text_lm('{out}')"
