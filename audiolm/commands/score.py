"""Measure what a recipe has made, each figure beside its baseline, and write exp/*/scores/<metric>.json (stage 13).

Metrics:
  annotation  diarization errors; word-start errors; share of padding in the text streams
  recognizer  word errors of the recognisers on the original speech
  codec       mel distance, SI-SDR, PESQ, STOI, codebook perplexities, bitrate, word errors of resynthesis
  lm          loss of each stream against its unigram
  asr         word errors and word times of streaming recognition
  tts         word errors of generated speech
"""

import argparse
from pathlib import Path

METRICS = ("annotation", "recognizer", "codec", "lm", "asr", "tts")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--set", required=True, help="the set to score on")
    parser.add_argument("--train_set", default="train", help="the set whose tokens the unigrams are counted on")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=list(METRICS), help="what to measure")
    parser.add_argument("--recognizer", type=Path, required=True, help="experiment of the CTC recogniser")
    parser.add_argument("--codec", type=Path, required=True, help="experiment of the codec")
    parser.add_argument("--lm", type=Path, required=True, help="experiment of the dialogue LM")
    parser.add_argument("--asr", nargs="+", choices=("ctc", "pocketsphinx"), default=["ctc", "pocketsphinx"])
    parser.add_argument("--diarizer", default="embedded", help="what made the speaker turns, for the record")
    parser.add_argument("--aligner", default="pocketsphinx", help="what made the word times, for the record")


def run(args: argparse.Namespace) -> None:
    """Measure one group after another."""
    from audiolm.jobs.progress import progress
    from audiolm.score.recipe import Recipe

    recipe = Recipe(args.dir, args.set, args.train_set, args.recognizer, args.codec, args.lm, args.asr)
    written = 0
    for metric in progress(args.metrics, total=len(args.metrics), desc="score"):
        written += (
            recipe.annotation(args.diarizer, args.aligner) if metric == "annotation" else getattr(recipe, metric)()
        )
    print(f"{written} scores of '{args.set}' in {args.dir}/exp/*/scores")
