"""``audiolm VERB …``: find the verb, import only its module, print errors as one line."""

import argparse
import os
import re
import select
import sys
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from audiolm import __version__
from audiolm.errors import AudiolmError, did_you_mean

# verb -> what it does, in the order of a recipe's stages. The module is audiolm.commands.<verb>.
VERBS = {
    "corpus": "read a corpus as it is distributed into Kaldi data directories",
    "simulate": "write dialogue scripts and speak them: two-channel audio with exact word times",
    "datadir": "validate, fix, split, subset, combine, import or export Kaldi data directories",
    "audio": "resample a data directory's recordings, one channel a file",
    "dedup": "find copies among recordings by fingerprints, and leave them out",
    "diarize": "find who speaks when; split one microphone into two streams",
    "align": "find the words and their times",
    "tokenizer": "train the text tokenizer",
    "text": "write PAD/EPAD text streams at the codec's frame rate, or show them",
    "tokens": "pack documents of text as token ids, for a text LM",
    "train": "train a recogniser, codec, text LM or audio LM from a config",
    "curve": "make the reference curve that later trainings are compared with",
    "codes": "turn audio into codec tokens",
    "generate": "continue dialogues, transcribe and speak with a trained audio LM",
    "score": "compute one metric and write scores/<metric>.json",
    "results": "print the results table, beside baselines and published values",
    "compare": "compare two experiments: configs, curves, scores with intervals",
    "codecs": "print codecs side by side: tokens and bits a second, beside published ones",
    "report": "write the experiment's report.html",
    "encode": "turn audio files into codes, with any trained or released codec",
    "decode": "turn codes back into audio",
    "transcribe": "write down what is said in audio files, with a trained audio LM",
    "say": "speak a text with a trained audio LM",
    "export": "write a trained model in a layout that other tools load",
    "machine": "measure how fast this machine is now",
    "launch": "run a command as an array of jobs: local processes or a cluster",
    "check": "look at the command lines of a recipe's stages without running them",
    "merge": "join the part files of an array job and count what was rejected",
}


def main(argv: list[str] | None = None) -> int:
    """Run one verb and return the exit status: 0 done, 1 a user's error, 2 wrong usage, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else list(argv)
    # Threads that wait for the next product sleep: where they spin, two beside one busy process are slower than one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"audiolm {__version__}")
        return 0
    verb = argv[0]
    if verb not in VERBS:
        print(f"audiolm: error: unknown verb '{verb}'{did_you_mean(verb, VERBS)}", file=sys.stderr)
        return 2
    module = import_module(f"audiolm.commands.{verb}")
    try:
        try:
            return _run(module, verb, argv[1:])
        finally:
            sys.stdout.flush()  # not at the interpreter's end, where a reader who has left is a fault
    except AudiolmError as error:
        if os.environ.get("AUDIOLM_DEBUG"):
            raise
        print(f"audiolm {verb}: error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        if not _reader_left():
            raise
        return 141  # as a shell counts SIGPIPE
    except OSError as error:  # a full disk, a folder of somebody else: nothing that a traceback explains
        if os.environ.get("AUDIOLM_DEBUG"):
            raise
        where = f" {error.filename}" if error.filename else ""
        print(f"audiolm {verb}: error: cannot read or write{where}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"audiolm {verb}: interrupted; run it again to go on", file=sys.stderr)
        return 130


def _run(module: ModuleType, verb: str, argv: list[str]) -> int:
    if argv and (action := getattr(module, "ACTIONS", {}).get(argv[0])):  # beside what the verb does by itself
        module, verb, argv = import_module(f"audiolm.commands.{action}"), f"{verb} {argv[0]}", argv[1:]
    if hasattr(module, "main"):  # a verb whose options come from config classes parses them itself
        return module.main(argv) or 0
    parser = Parser(
        prog=f"audiolm {verb}", description=module.__doc__, formatter_class=_HelpFormatter, allow_abbrev=False
    )
    module.add_arguments(parser)
    return module.run(parser.parse_args(argv)) or 0


def _reader_left() -> bool:
    """Whether standard output goes nowhere any more (``audiolm … | head``); if so, later writes to it are dropped."""
    watch = select.poll()
    watch.register(sys.stdout.fileno(), select.POLLOUT)
    if not any(event & select.POLLERR for _, event in watch.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line."""

    def error(self, message: str) -> NoReturn:
        found = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        options = [option for option in self._option_string_actions if option.startswith("--")]
        hint = did_you_mean(found[1], options) if found and get_close_matches(found[1], options) else ""
        self.exit(2, f"{self.prog}: error: {message}{hint} ({self.prog} --help explains)\n")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps a module docstring's lines and shows every default, where there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def _overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {what}" for verb, what in VERBS.items()]
    return "\n".join(
        ["usage: audiolm VERB [options]      (audiolm VERB --help for a verb's options)", "", *lines, ""]
        + ["Recipes in egs/ call these verbs stage by stage: cd egs/mini/dialogue1 && ./run.sh --help"]
    )


if __name__ == "__main__":
    sys.exit(main())
