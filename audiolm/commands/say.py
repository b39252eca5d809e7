"""Speak a text with a trained audio LM, and tell when each word is said.

  audiolm say "good morning" --model model --out morning.wav       morning.wav, and the words' times in morning.ctm
  audiolm say --model model --out story.flac < story.txt           the text from a pipe
  audiolm say "how are you" --voice she.wav --model model --out her.wav    in the voice of some seconds of speech
  audiolm say "good morning" "and to you" --turns --model model --out two.wav

With --turns each TEXT (each line of a pipe) is a turn, of one speaker after the other, on two channels; the model must
have been trained with BOS and EOS at turns (a recipe's run.sh --text.turns). A --voice then has the two speakers on its
two channels. Write the text as the model's transcripts were: `a` and `A` may be different words to it.
"""

import argparse
import sys
from pathlib import Path

from audiolm.commands.options import action_options, add_options, chosen
from audiolm.commands.parts import add_model_options, load_model
from audiolm.errors import AudiolmError
from audiolm.spec import all_specs, resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options, and those of every family that speaks."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what to say (default: what stands on stdin)")
    add_model_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".wav or .flac; the times beside, .ctm")
    add_options(parser, action_options(all_specs().values(), "speak"))


def run(args: argparse.Namespace) -> None:
    """Speak it, write sound and times, and say what was done."""
    import time
    from dataclasses import replace

    from audiolm.data import audio
    from audiolm.data.readers import BLANK
    from audiolm.data.tables import write_ctm

    if args.out.suffix not in audio.FORMATS:
        raise AudiolmError(f"--out {args.out}: expected a name that ends in {' or '.join(audio.FORMATS)}")
    texts = _texts(args)
    spec, model = load_model(args)
    action = spec.action("speak")
    options = chosen(action_options(all_specs().values(), "speak"), args, action.options, spec.title)
    start = time.perf_counter()
    speech = resolve(action.run)(model, texts, options)
    file, times = BLANK.sub("%20", args.out.stem), args.out.with_suffix(".ctm")
    audio.write(args.out, speech.wav, speech.sample_rate)
    write_ctm(times, [replace(word, file=file) for word in speech.words])
    print(
        f"said {len(speech.words)} words in {len(speech.wav) / speech.sample_rate:.1f} s of sound, in "
        f"{time.perf_counter() - start:.1f} s: {args.out}, {times}"
    )


def _texts(args: argparse.Namespace) -> list[str]:
    """The texts that are given, or the lines of stdin; blank ones left out."""
    from audiolm.data.files import lines_of

    texts = args.text or lines_of(sys.stdin.read())
    said = [text for text in texts if text.strip()]
    if not said:
        raise AudiolmError("nothing to say: give a TEXT, or write one to the verb's standard input")
    return said
