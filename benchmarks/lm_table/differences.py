"""Differences between pairs of models in the likelihood of what is heard in their continuations, with intervals.

    python benchmarks/lm_table/differences.py --data egs/mini/dialogue1/work/demo --dir work/lm_table \\
        weight100+own+monologue,weight100+own --seeds 0 1 2 3

First less second, nats a token, by bootstrap over the prompts, which both have continued. A star: the interval leaves
out zero. With --seeds every prompt is continued again with each of them, and its continuations count together.
"""

import argparse
from pathlib import Path

import numpy as np

from audiolm.commands.main import main as call
from audiolm.models.textlm.load import load_text_lm
from audiolm.score.asr_backends import Hearing
from audiolm.score.continuations import heard, likelihoods
from audiolm.score.recipe import Recipe

DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the recipe's work directory, as of run.sh")
    parser.add_argument("--dir", type=Path, required=True, help="what run.sh wrote")
    parser.add_argument("--seeds", nargs="*", default=[], help="of new continuations (default: those that are there)")
    parser.add_argument("--prompt", default="3", help="of new continuations: seconds that are given")
    parser.add_argument("--seconds", default="15", help="of new continuations: their length, the prompt included")
    parser.add_argument("pairs", nargs="+", help="two folders in it with a comma between them")
    args = parser.parse_args()
    exp = args.data / "exp"
    recipe = Recipe(args.data, "test", "train", exp / "recognizer", exp / "codec", None, Hearing(["pocketsphinx"]))
    text_lm = load_text_lm(exp / "textlm")

    def counts(name: str) -> np.ndarray:  # [nats and tokens, prompts]
        turns = heard(recipe.judges[0], args.dir / name / "generate" / "continue", recipe.fs)
        return np.array(likelihoods(text_lm, turns))

    for pair in args.pairs:
        counted = []
        for name in pair.split(","):
            parts = [counts(name)] if not args.seeds else []
            for seed in args.seeds:
                generate(args, name, seed)
                parts.append(counts(name))
            counted.append(np.sum(parts, axis=0))
        first, second = counted
        rng, prompts = np.random.default_rng(0), first.shape[1]
        draws = [_difference(first, second, rng.integers(0, prompts, prompts)) for _ in range(DRAWS)]
        low, high = np.quantile(draws, [0.025, 0.975])
        star = "*" if low > 0 or high < 0 else ""
        value = _difference(first, second, np.arange(prompts))
        print(f"{pair.replace(',', ' − ')}: {value:+.2f}{star} ({low:+.2f} to {high:+.2f}) nats a token", flush=True)


def generate(args: argparse.Namespace, name: str, seed: str) -> None:
    """Continue every conversation of test anew."""
    exp = args.data / "exp"
    model = ["--lm", args.dir / name, "--codec", exp / "codec", "--tokenizer", exp / "tokenizer", "--seed", seed]
    asked = ["--modes", "continue", "--num_continue", "0", "--prompt", args.prompt, "--seconds", args.seconds]
    if call(["generate", "--dir", str(args.data), "--sets", "test", *map(str, model), *asked]):
        raise SystemExit(f"{name}: nothing was generated")


def _difference(first: np.ndarray, second: np.ndarray, prompts: np.ndarray) -> float:
    ratios = [each[0, prompts].sum() / each[1, prompts].sum() for each in (first, second)]
    return float(ratios[0] - ratios[1])


if __name__ == "__main__":
    main()
