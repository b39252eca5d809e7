"""Write a codec or text LM in another project's layout or in ours, or a dialogue model as one directory that loads
anywhere.

  audiolm export --codec exp/codec --to transformers --out mimi      for from_pretrained of MimiModel, EncodecModel …
  audiolm export --codec exp/codec --to moshi --out mimi             for moshi's get_mimi and rustymimi.Tokenizer
  audiolm export --codec kyutai/mimi --levels 8 --out exp/mimi       for every verb here, and for train codec --init
  audiolm export --textlm exp/textlm --to transformers --out helium  for from_pretrained of LlamaForCausalLM
  audiolm export --textlm kyutai/helium-1-preview-2b --out exp/helium  a Llama-shaped LM for train --init
  audiolm export --lm exp/lm --codec exp/codec --tokenizer exp/tokenizer --out model      LM, codec and tokenizer

The codec is one trained here or a released one (see audiolm encode --help), and so is the text LM: Llama, Mistral, Qwen2 or
Helium of transformers, where nothing in it differs from our transformer. What a layout cannot hold is refused.
"""

import argparse

from audiolm.errors import AudiolmError

OURS = "audiolm"
LAYOUTS = (OURS, "transformers", "moshi")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--codec", metavar="NAME", help="experiment directory, folder, file or hub id")
    parser.add_argument("--textlm", metavar="NAME", help="text LM, alone: experiment directory, folder or hub id")
    parser.add_argument("--to", choices=LAYOUTS, default=OURS, help="layout of a codec or text LM that is exported alone")
    parser.add_argument("--levels", type=int, help="of a codec that is exported alone, the first levels only")
    parser.add_argument("--lm", metavar="DIR", help="the LM's experiment; with --tokenizer")
    parser.add_argument("--tokenizer", metavar="DIR", help="the text tokenizer; with --lm")
    parser.add_argument("--out", required=True, metavar="DIR", help="the directory to make")


def run(args: argparse.Namespace) -> None:
    """Write it and say what it is."""
    if (args.codec is None) == (args.textlm is None) or (args.textlm and (args.lm or args.tokenizer)):
        raise AudiolmError("name --codec, or --textlm and neither --lm nor --tokenizer")
    if args.textlm is not None:
        _export_text_lm(args)
        return
    if (args.lm is None) != (args.tokenizer is None):
        raise AudiolmError("--lm and --tokenizer go together; a codec alone needs neither")
    if args.lm is None:
        _export_codec(args)
    elif args.to != OURS or args.levels is not None:
        raise AudiolmError("--to and --levels are for a codec that is exported alone; leave --lm and --tokenizer out")
    else:
        _export_model(args)


def _export_codec(args: argparse.Namespace) -> None:
    from audiolm.codec.load import export_codec

    usage = export_codec(args.codec, args.out, None if args.to == OURS else args.to, args.levels)
    print(f"exported {args.codec} to {args.out}; it loads with {usage}")


def _export_text_lm(args: argparse.Namespace) -> None:
    from audiolm.lm.load import export_text_lm

    if args.to == "moshi" or args.levels is not None:
        raise AudiolmError("--to moshi and --levels are for codecs; a text LM goes --to transformers or audiolm")
    usage = export_text_lm(args.textlm, args.out, None if args.to == OURS else args.to)
    print(f"exported {args.textlm} to {args.out}; it loads with {usage}")


def _export_model(args: argparse.Namespace) -> None:
    from audiolm.models.moshi.bundle import write_bundle

    manifest = write_bundle(args.lm, args.codec, args.tokenizer, args.out)
    sums = ", ".join(f"{part} {value}" for part, value in manifest["checksums"].items())
    print(f"exported to {args.out}: {manifest['streams']} streams at {manifest['frame_rate']:g} Hz ({sums})")
