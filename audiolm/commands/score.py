"""Measure what a recipe has made, each figure beside its baseline, and write exp/*/scores/<metric>.json (stage 13)."""

import argparse
from pathlib import Path
from typing import Any

from audiolm.commands.judges import add_judge_options, check_judges, hearing_of
from audiolm.commands.marks import marks_of
from audiolm.commands.options import add_options, read_options
from audiolm.errors import AudiolmError
from audiolm.score.metric import Metric, all_metrics, find_metric
from audiolm.spec import resolve

MODELS = {
    "recognizer": "experiment of the CTC recogniser",
    "codec": "experiment of the codec",
    "lm": "experiment of the audio LM",
    "textlm": "experiment of the text LM, or folder of a released one",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options, and those of every metric."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds data/ dump/ exp/)")
    parser.add_argument("--set", required=True, help="the set to score on")
    parser.add_argument("--train_set", default="train", help="the set whose tokens the unigrams are counted on")
    metrics = all_metrics().values()
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=[metric.name for metric in metrics if not metric.named_only],
        help="what to measure: names of the list above, or package.module of a metric of your own",
    )
    for name, told in MODELS.items():
        parser.add_argument(f"--{name}", type=Path, help=told)
    add_judge_options(parser)
    add_options(parser, [resolve(metric.options) for metric in metrics if metric.options])
    told = [f"  {m.name:<15}{m.help}{' (only where it is named)' * m.named_only}" for m in metrics]
    parser.description = "\n".join([parser.description or "", "Metrics:", *told])


def check(args: argparse.Namespace) -> list[tuple[Metric, Any]]:
    """The metrics that are asked for, each with its options.

    Raises:
        AudiolmError: one that is not there, a model or a file of marks that is missing, or a judge without its model.
    """
    metrics = [find_metric(name) for name in args.metrics]
    if any(metric.hears for metric in metrics):
        check_judges(args)
    for metric in metrics:
        if missing := [model for model in metric.needs if getattr(args, model, None) is None]:
            raise AudiolmError(
                f"metric '{metric.name}' needs --{missing[0]}: name its experiment, or leave it out of --metrics"
            )
    marks_of(args)
    return [(metric, read_options(resolve(metric.options), args) if metric.options else None) for metric in metrics]


def run(args: argparse.Namespace) -> None:
    """Measure one metric after another."""
    asked = check(args)
    from audiolm.jobs.progress import progress
    from audiolm.score.recipe import Recipe

    models = {name: path for name in MODELS if (path := getattr(args, name)) is not None}
    recipe = Recipe(args.dir, args.set, args.train_set, models, *hearing_of(args))
    written = 0
    for metric, options in progress(asked, total=len(asked), desc="score"):
        written += recipe.measure(metric, options)
    print(f"{written} scores of '{args.set}' in {args.dir}/exp/*/scores")
