"""Write a codec, a text LM or a dialogue model in another project's layout or in ours.

  audiolm export --codec exp/codec --to transformers --out mimi      for from_pretrained of MimiModel, EncodecModel …
  audiolm export --codec exp/codec --to moshi --out mimi             for moshi's get_mimi and rustymimi.Tokenizer
  audiolm export --codec kyutai/mimi --levels 8 --out exp/mimi       for every verb here, and for train codec --init
  audiolm export --textlm exp/textlm --to transformers --out helium  for from_pretrained of LlamaForCausalLM
  audiolm export --textlm kyutai/helium-1-preview-2b --out exp/helium  a Llama-shaped LM for train --init
  audiolm export --lm kyutai/moshiko-pytorch-bf16 --out exp/moshi    a released LM and its shape.yaml, for train --init
  audiolm export --lm exp/lm --codec exp/codec --tokenizer exp/tokenizer --out model      as one directory that we load
  audiolm export --lm exp/lm --codec exp/codec --tokenizer exp/tokenizer --to moshi --task dialogue --main_only
                 --out model                                         for moshi's loaders and server (or transformers)

Codec and LMs are trained here or released (audiolm encode --help; audiolm.load_lm): a text LM is Llama, Mistral or
Helium of transformers, a dialogue LM one of the moshi package or MoshiForConditionalGeneration, where nothing in it
differs from ours (of moshi's are refused, with the key: sinusoidal positions, conditions, extra heads, cross attention,
quantized files). What a layout cannot hold is refused. --to audiolm holds every codec, --to transformers those of
mimi.yaml, encodec.yaml and dac.yaml (egs/TEMPLATE/codec1/conf/models), --to moshi those of mimi.yaml; the small codecs
that recipes train by default (conf/codec.yaml, an STFT encoder) load in audiolm alone.
"""

import argparse
from pathlib import Path

from audiolm.commands.options import action_options, add_options, chosen
from audiolm.errors import AudiolmError
from audiolm.spec import ExportRequest, ModelSpec, all_specs, find_spec, resolve

OURS = "audiolm"
LAYOUTS = (OURS, "transformers", "moshi")
PARTS = ("lm", "codec", "textlm", "tokenizer")
KINDS = {"codec": "codec", "textlm": "textlm"}  # options that name a model of one family


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options, and those of every family that is exported."""
    parser.add_argument("--codec", metavar="NAME", help="experiment directory, folder, file or hub id")
    parser.add_argument("--textlm", metavar="NAME", help="text LM, alone: experiment directory, folder or hub id")
    parser.add_argument("--lm", metavar="NAME", help="audio LM: experiment directory, folder or hub id")
    parser.add_argument("--tokenizer", metavar="DIR", help="the audio LM's text tokenizer: folder or file")
    parser.add_argument("--to", choices=LAYOUTS, default=OURS, help="the layout to write")
    parser.add_argument("--out", required=True, metavar="DIR", help="the directory to make")
    add_options(parser, _kinds())


def run(args: argparse.Namespace) -> None:
    """Write it and say what it is."""
    parts = {name: value for name in PARTS if (value := getattr(args, name)) is not None}
    spec = _family(parts)
    action = spec.action("export")
    options = chosen(_kinds(), args, action.options, spec.title)
    to = None if args.to == OURS else args.to
    print(resolve(action.run)(ExportRequest(parts, Path(args.out), to), options))


def _family(parts: dict[str, str]) -> ModelSpec:
    """The family of what is exported: of a model alone, or of an audio LM with its parts."""
    from audiolm.models.open import family_of

    alone = next(iter(parts)) if len(parts) == 1 else None
    if alone in KINDS:
        return find_spec(KINDS[alone])
    whole = [{"lm", *spec.parts} for spec in all_specs().values() if spec.parts]
    if alone != "lm" and set(parts) not in whole:
        raise AudiolmError("name --codec, --textlm or --lm, each alone, or --lm with its --codec and --tokenizer")
    spec = family_of(parts["lm"])
    if spec.name == KINDS["codec"] or (not alone and set(parts) != {"lm", *spec.parts}):
        raise AudiolmError(f"{parts['lm']} is {spec.title} (system: {spec.name}), expected an audio LM for --lm")
    return spec


def _kinds() -> list[type]:
    return action_options(all_specs().values(), "export")
