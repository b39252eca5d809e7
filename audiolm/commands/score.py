"""Measure what a recipe has made, each figure beside its baseline, and write exp/*/scores/<metric>.json (stage 13).

Metrics:
  annotation  diarization errors; word-start errors; share of padding in the text streams
  recognizer  word errors of the recognisers on the original speech
  codec       resynthesis by --measures (mel distance, SI-SDR, STOI, PESQ, ViSQOL, DNSMOS, speaker similarity, codes
              that come back when it is encoded again) and by its word errors; codebooks, bitrate, tokens a second
  abx         phone ABX of the codec's first level and of all, beside log-mel and the teacher; only where it is named
  lm          loss of each stream against its unigram; perplexity of all codes
  asr         word errors and word times of streaming recognition
  tts         word errors of generated speech, and of both speakers' channels where their turns were spoken
  continuations
              what is heard in continued dialogues: its likelihood by a text LM, its length; only where it is named
  textlm      perplexity of a text LM on documents, by token, word and byte, and continuations to read; only where it is
              named
"""

import argparse
from pathlib import Path

from audiolm.commands.marks import add_marks_option, marks_of
from audiolm.errors import AudiolmError

# What can be measured -> the options that name the models it needs.
METRICS: dict[str, tuple[str, ...]] = {
    "annotation": (),
    "recognizer": ("recognizer", "codec"),  # the codec says the sample rate
    "codec": ("codec",),
    "abx": ("codec",),
    "lm": ("lm",),
    "asr": ("lm",),
    "tts": ("lm", "codec"),
    "continuations": ("lm", "codec", "textlm"),
    "textlm": ("textlm",),
}
# They need transcripts in English, or --items; a text LM that speaks the corpus' language; packed documents.
NAMED_ONLY = ("abx", "continuations", "textlm")
HEARING = {"recognizer", "codec", "tts", "continuations"}  # those in which --asr hears words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--set", required=True, help="the set to score on")
    parser.add_argument("--train_set", default="train", help="the set whose tokens the unigrams are counted on")
    from audiolm.score.normalisers import CHOICES
    from audiolm.score.signal_quality import MEASURES
    from audiolm.score.whisper_asr import EARS

    measures = [*MEASURES, "dnsmos", "speaker_similarity", "idempotence"]
    default = [metric for metric in METRICS if metric not in NAMED_ONLY]
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=default, help="what to measure")
    parser.add_argument("--recognizer", type=Path, help="experiment of the CTC recogniser")
    parser.add_argument("--codec", type=Path, help="experiment of the codec")
    parser.add_argument("--lm", type=Path, help="experiment of the dialogue LM")
    parser.add_argument("--textlm", type=Path, help="experiment of the text LM, or folder of a released one")
    parser.add_argument(
        "--asr",
        nargs="*",
        choices=("ctc", "pocketsphinx", *EARS),
        default=["ctc", "pocketsphinx"],
        help="what hears the words of originals, resynthesis and generated speech (ctc pocketsphinx); none: words are "
        "not scored. Whisper's need --asr_model, and no vocabulary that they could guess from",
    )
    parser.add_argument("--asr_model", help="of Whisper's judges: folder, file, hub id or size")
    parser.add_argument("--asr_language", default="en", help="of the speech, for Whisper (en); auto: Whisper finds it")
    parser.add_argument(
        "--asr_normaliser",
        choices=CHOICES,
        help="what references and Whisper's texts go through before their words are compared: plain; english, "
        "Whisper's own (where the language is en); digits, the same with each digit a word, for strings of digits",
    )
    parser.add_argument("--asr_device", default="cpu", help="of Whisper's judges: cpu or cuda")
    parser.add_argument(
        "--measures",
        nargs="*",
        choices=measures,
        default=measures,
        help="of resynthesis against originals; for speech only: stoi pesq visqol_speech dnsmos speaker_similarity",
    )
    parser.add_argument(
        "--items",
        type=Path,
        help="triphones for abx, such as Libri-Light's dev-clean.item; else PocketSphinx aligns the set's transcripts",
    )
    add_marks_option(parser)
    parser.add_argument(
        "--optional_words",
        action="store_true",
        help="in word errors, a word of the reference in parentheses, (uh), may be missing and counts as right then: "
        "sclite's -D",
    )
    parser.add_argument(
        "--fragments",
        action="store_true",
        help="in word errors, th- is right for every word that begins so, -ing for every one that ends so: sclite's -F",
    )
    parser.add_argument("--diarizer", default="embedded", help="what made the speaker turns, for the record")
    parser.add_argument("--aligner", default="pocketsphinx", help="what made the word times, for the record")


def check(args: argparse.Namespace) -> None:
    """Refuse what no metric can go without.

    Raises:
        AudiolmError: a model or a file of marks that is missing, or a judge without its model: how to name it.
    """
    from audiolm.score.whisper_asr import EARS

    judges = [name for name in args.asr if name in EARS]
    if judges and HEARING & set(args.metrics):
        if args.asr_model is None:
            raise AudiolmError(
                f"--asr {judges[0]} needs a Whisper model: name its folder, file, hub id or size with --asr_model (of "
                "a recipe: --judge_model)"
            )
        if args.asr_model.startswith(("/", "./", "../", "~")) and not Path(args.asr_model).expanduser().exists():
            raise AudiolmError(f"--asr_model {args.asr_model}: there is no such file or folder")
    for metric in args.metrics:
        for model in METRICS[metric]:
            if getattr(args, model) is None:
                raise AudiolmError(
                    f"metric '{metric}' needs --{model}: name its experiment, or leave it out of --metrics"
                )
    if "ctc" in args.asr and args.recognizer is None and HEARING & set(args.metrics):
        raise AudiolmError("--asr ctc needs --recognizer: name its experiment, or other recognisers with --asr")
    marks_of(args)


def run(args: argparse.Namespace) -> None:
    """Measure one group after another."""
    check(args)
    from audiolm.jobs.progress import progress
    from audiolm.score.asr_backends import Hearing
    from audiolm.score.recipe import Recipe
    from audiolm.score.words import WordRules

    rules = WordRules(marks_of(args), args.optional_words, args.fragments)
    language = None if args.asr_language == "auto" else args.asr_language
    hearing = Hearing(args.asr, args.asr_model, language, args.asr_normaliser, args.asr_device)
    recipe = Recipe(args.dir, args.set, args.train_set, args.recognizer, args.codec, args.lm, hearing, rules)
    options = {
        "annotation": (args.diarizer, args.aligner),
        "codec": (args.measures,),
        "abx": (args.items,),
        "continuations": (args.textlm,),
        "textlm": (args.textlm,),
    }
    written = 0
    for metric in progress(args.metrics, total=len(args.metrics), desc="score"):
        written += getattr(recipe, metric)(*options.get(metric, ()))
    print(f"{written} scores of '{args.set}' in {args.dir}/exp/*/scores")
