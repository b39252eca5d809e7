"""Differences between pairs of models in the likelihood of what is heard in their continuations, with intervals.

    python benchmarks/lm_table/differences.py --data egs/mini/dialogue1/work/demo --dir work/lm_table \\
        weight100+own+monologue,weight100+own

First less second, nats a token, by bootstrap over the prompts, which both have continued. A star: the interval leaves
out zero.
"""

import argparse
from pathlib import Path

import numpy as np

from audiolm.lm.load import load_text_lm
from audiolm.score.continuations import heard, likelihoods
from audiolm.score.recipe import Recipe

DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the recipe's work directory, as of run.sh")
    parser.add_argument("--dir", type=Path, required=True, help="what run.sh wrote")
    parser.add_argument("pairs", nargs="+", help="two folders in it with a comma between them")
    args = parser.parse_args()
    exp = args.data / "exp"
    recipe = Recipe(args.data, "test", "train", exp / "recognizer", exp / "codec", None, ["pocketsphinx"])
    text_lm = load_text_lm(exp / "textlm")
    for pair in args.pairs:
        counted = []
        for name in pair.split(","):
            turns = heard(recipe.judges[0], args.dir / name / "generate" / "continue", recipe.fs)
            counted.append(np.array(likelihoods(text_lm, turns)))  # [nats and tokens, prompts]
        first, second = counted
        rng, prompts = np.random.default_rng(0), first.shape[1]
        draws = [_difference(first, second, rng.integers(0, prompts, prompts)) for _ in range(DRAWS)]
        low, high = np.quantile(draws, [0.025, 0.975])
        star = "*" if low > 0 or high < 0 else ""
        value = _difference(first, second, np.arange(prompts))
        print(f"{pair.replace(',', ' − ')}: {value:+.2f}{star} ({low:+.2f} to {high:+.2f}) nats a token", flush=True)


def _difference(first: np.ndarray, second: np.ndarray, prompts: np.ndarray) -> float:
    ratios = [each[0, prompts].sum() / each[1, prompts].sum() for each in (first, second)]
    return float(ratios[0] - ratios[1])


if __name__ == "__main__":
    main()
