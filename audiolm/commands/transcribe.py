"""Write down what is said in audio files, word by word with times: streaming recognition with a trained audio LM.

  audiolm transcribe talk.wav --model model                    prints: talk good morning
  audiolm transcribe calls/ data/test --model model --out asr    asr/text, and asr/ctm with the words' times
  audiolm transcribe call.wav --model model --user given       two channels: each is heard with the other as the user
  cat talk.flac | audiolm transcribe - --model model --times    a recording from a pipe; prints lines of a ctm
  arecord -t raw -f S16_LE -r 16000 | audiolm transcribe - --live 16000 --model model    words as they are said

A line of ctm is: file, channel, start and duration in seconds, word, confidence. Files with several channels give one
transcript each. Audio of another rate is resampled. What cannot be read is told, and goes to rejected.tsv in --out.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiolm.commands.options import action_options, add_options, chosen, read_options
from audiolm.commands.parts import add_model_options, check_numbers, load_model
from audiolm.errors import AudiolmError
from audiolm.spec import all_specs, resolve

STDIN, STDIN_NAME = Path("-"), "stdin"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options, and those of every family that transcribes or listens."""
    parser.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="file, folder, data directory, -: stdin")
    add_model_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for text and ctm (default: print)")
    parser.add_argument("--times", action="store_true", help="print lines of a ctm in place of texts")
    parser.add_argument(
        "--live", type=int, metavar="HZ", help="- is raw sound of this rate without an end, 16 bit, one channel"
    )
    parser.add_argument("--channel", type=int, help="of files with several channels, from 1 (default: each, as _ch1 …)")
    parser.add_argument(
        "--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in data directories' wav.scp"
    )
    add_options(parser, _kinds())


def run(args: argparse.Namespace) -> None:
    """Transcribe everything and say what was done."""
    import shutil
    import tempfile

    check_numbers(args, {"channel": 1, "live": 1})
    if args.out is not None and args.times:
        raise AudiolmError("--times is for printing; --out writes texts and times")
    if args.live is not None:
        if args.inputs != [STDIN] or args.out is not None or (args.user or "absent") != "absent":
            raise AudiolmError("--live prints what one speaker says on stdin: give - and neither --out nor --user")
        from audiolm.models.transcripts import print_live

        if not print_live(sys.stdin.buffer, args.live, _asked(args, "listen")(), STDIN_NAME, args.times):
            print("audiolm transcribe: no word was heard", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        piped = Path(folder) / STDIN_NAME
        if STDIN in args.inputs:
            with open(piped, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        _transcribe(args, [piped if path == STDIN else path for path in args.inputs])


def _transcribe(args: argparse.Namespace, inputs: list[Path]) -> None:
    from audiolm.codec.files import find_recordings
    from audiolm.models.transcripts import lines_of_text, words_in_order, write_transcripts

    sources = find_recordings(inputs, args.channel, args.allow_pipes)
    found = _asked(args, "transcribe")(sources.data)
    found.rejected = sorted(sources.rejected + found.rejected)
    if not found.words:
        raise AudiolmError(f"every recording was rejected; the first: {': '.join(found.rejected[0])}")
    words = words_in_order(found)
    if args.out is not None:
        write_transcripts(args.out, found)
        told = f"; {len(found.rejected)} rejected: {args.out / 'rejected.tsv'}" if found.rejected else ""
        print(f"transcribed {len(found.words)} recordings, {found.seconds:.1f} s, {len(words)} words: {args.out}{told}")
        return
    for line in [word.line for word in words] if args.times else lines_of_text(found):
        print(line)
    if not words:
        print(f"audiolm transcribe: no word was heard in {', '.join(found.words)}", file=sys.stderr)
    for name, reason in found.rejected:
        print(f"audiolm transcribe: {name}: {reason}", file=sys.stderr)


def _asked(args: argparse.Namespace, name: str) -> Callable[..., Any]:
    """What the model that is named does under this name, with the options that are given."""
    spec, model = load_model(args)
    run, options = spec.action(name).run, spec.action(name).options
    chosen(_kinds(), args, spec.action("transcribe").options, spec.title)  # whose options hold those of listening
    return lambda *given: resolve(run)(model, *given, read_options(resolve(options), args))


def _kinds() -> list[type]:
    return action_options(all_specs().values(), "transcribe")
