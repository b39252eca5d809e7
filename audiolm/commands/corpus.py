"""Read a corpus as it is distributed into Kaldi data directories, data/<set> (stage 1).

What cannot be used is named in data/<set>/rejected.tsv: transcripts without audio, audio without a transcript, files
that cannot be read, and what a rule of the corpus leaves out. A recipe's local/data.sh calls this verb.
"""

import argparse
from importlib import import_module
from pathlib import Path

from audiolm.commands.main import Parser
from audiolm.commands.merge import share_of
from audiolm.errors import AudiolmError, did_you_mean

# name -> what it is. The module is audiolm.corpora.<name>.
CORPORA = {
    "ami": "AMI Meeting Corpus: meetings, with turns and words",
    "audiocaps": "AudioCaps: captions of AudioSet clips",
    "clotho": "Clotho: captioned sounds of Freesound",
    "fisher": "Fisher English, parts 1 and 2: two-channel telephone calls",
    "fsdd": "Free Spoken Digit Dataset: strings of digits of six people, 8 kHz",
    "librispeech": "LibriSpeech: read English",
    "ljspeech": "LJ Speech: one woman reading",
    "maestro": "MAESTRO: piano with MIDI",
    "two_channel": "any folder of two-channel recordings, with STM transcripts or without",
    "vctk": "VCTK: read English of many accents",
    "wavcaps": "WavCaps: captioned sounds of four sources",
}


def main(argv: list[str]) -> None:
    """``audiolm corpus NAME …``: only the corpus's own module is imported."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        if not argv:
            raise AudiolmError("no corpus was named")
        return
    name = argv[0]
    if name not in CORPORA:
        raise AudiolmError(f"no corpus '{name}'{did_you_mean(name, CORPORA)}")
    module = import_module(f"audiolm.corpora.{name}")
    parser = Parser(
        prog=f"audiolm corpus {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--corpus_dir", type=_folder, required=True, help="the corpus as it is distributed")
    parser.add_argument(
        "--dir", type=Path, required=True, help="the recipe's work directory; data/<set> are made in it"
    )
    parser.add_argument("--sets", nargs="+", default=["train", "dev", "test"], help="names of the sets")
    parser.add_argument("--nj", type=int, default=4, help="files that are opened at a time")
    parser.add_argument("--max_rejected", default="1%", help="largest share of a set that may be at fault")
    module.add_arguments(parser)
    args = parser.parse_args(argv[1:])
    args.max_rejected = share_of(args.max_rejected)
    module.prepare(args)


def _folder(text: str) -> Path:
    if not text:  # what a recipe passes on where nobody has named it; as a path it would be the current folder
        raise AudiolmError("--corpus_dir names nothing; give it the folder that the corpus lies in")
    return Path(text)


def _overview() -> str:
    width = max(map(len, CORPORA))
    lines = [f"  {name:<{width}}  {what}" for name, what in CORPORA.items()]
    return "\n".join(
        ["usage: audiolm corpus NAME [options]      (audiolm corpus NAME --help for a corpus's options)", "", *lines]
    )
