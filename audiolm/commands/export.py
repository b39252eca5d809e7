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

from audiolm.errors import AudiolmError

OURS = "audiolm"
LAYOUTS = (OURS, "transformers", "moshi")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--codec", metavar="NAME", help="experiment directory, folder, file or hub id")
    parser.add_argument("--textlm", metavar="NAME", help="text LM, alone: experiment directory, folder or hub id")
    parser.add_argument("--lm", metavar="NAME", help="dialogue LM: experiment directory, folder or hub id")
    parser.add_argument("--tokenizer", metavar="DIR", help="the dialogue LM's text tokenizer: folder or file")
    parser.add_argument("--to", choices=LAYOUTS, default=OURS, help="the layout to write")
    parser.add_argument("--levels", type=int, help="of a codec that is exported alone, the first levels only")
    parser.add_argument("--task", help="with --to: the one delay pattern to take of a dialogue LM that has several")
    parser.add_argument(
        "--main_only",
        action="store_true",
        help="with --to: leave out what predicts the user, whom other projects' servers hear",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the directory to make")


def run(args: argparse.Namespace) -> None:
    """Write it and say what it is."""
    given = {name for name in ("codec", "textlm", "lm", "tokenizer") if getattr(args, name) is not None}
    kinds = {("codec",): _export_codec, ("textlm",): _export_text_lm, ("lm",): _export_lm}
    system = {"lm", "codec", "tokenizer"}
    if given != system and tuple(given) not in kinds:
        raise AudiolmError("name --codec, --textlm or --lm, each alone, or --lm with its --codec and --tokenizer")
    if args.levels is not None and given != {"codec"}:
        raise AudiolmError("--levels is for a codec that is exported alone; leave it out")
    if (args.task or args.main_only) and (given != system or args.to == OURS):
        raise AudiolmError("--task and --main_only are for a dialogue LM with its parts, --to moshi or transformers")
    if given != system:
        kinds[tuple(given)](args)
    elif args.to == OURS:
        _export_bundle(args)
    else:
        _export_system(args)


def _export_codec(args: argparse.Namespace) -> None:
    from audiolm.codec.load import export_codec

    usage = export_codec(args.codec, args.out, None if args.to == OURS else args.to, args.levels)
    print(f"exported {args.codec} to {args.out}; it loads with {usage}")


def _export_text_lm(args: argparse.Namespace) -> None:
    from audiolm.models.textlm.load import export_text_lm

    if args.to == "moshi":
        raise AudiolmError("a text LM goes --to transformers or audiolm")
    usage = export_text_lm(args.textlm, args.out, None if args.to == OURS else args.to)
    print(f"exported {args.textlm} to {args.out}; it loads with {usage}")


def _export_lm(args: argparse.Namespace) -> None:
    from audiolm.models.moshi.export import export_lm

    if args.to != OURS:
        raise AudiolmError(f"--to {args.to} takes --lm, --codec and --tokenizer: loaders there want all three")
    print(f"exported {args.lm} to {args.out}; training starts from it with {export_lm(args.lm, args.out)}")


def _export_system(args: argparse.Namespace) -> None:
    from audiolm.models.moshi.export import export_system

    usage = export_system(args.to, args.lm, args.codec, args.tokenizer, args.out, args.task, args.main_only)
    print(f"exported to {args.out}; it loads with {usage}")


def _export_bundle(args: argparse.Namespace) -> None:
    from audiolm.models.moshi.bundle import write_bundle

    manifest = write_bundle(args.lm, args.codec, args.tokenizer, args.out)
    sums = ", ".join(f"{part} {value}" for part, value in manifest["checksums"].items())
    print(f"exported to {args.out}: {manifest['streams']} streams at {manifest['frame_rate']:g} Hz ({sums})")
