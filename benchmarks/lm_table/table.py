"""Markdown tables of the models that run.sh has scored, beside the figures that Moshi's paper prints.

    python benchmarks/lm_table/table.py --dir work/lm_table heads+ladder ladder speech+asr

Values with their 95 % intervals over windows, continuations or utterances of the test set.
"""

import argparse
from pathlib import Path

from audiolm.score.published import published_values
from audiolm.score.record import Score

# Model -> row of the paper's table. Its delays 0 to 7 are those of eight levels.
TABLE_5 = {
    "heads+ladder": "delays 0 to 7, parallel heads",
    "ladder": "delays 0 to 7, RQ-Transformer",
    "heads": "delays 0 and 2, parallel heads",
    "moshi": "delays 0 and 2, RQ-Transformer",
}
TABLE_6 = {
    "delay0": "delay 0 then 1",
    "delay1": "delay 1 then 1",
    "moshi": "delay 2 then 1",
    "weight100": "delay 2 then 1, weight 100, shared depth parameters",
    "weight100+own": "delay 2 then 1, weight 100, per-codebook depth parameters",
    "weight100+own+monologue": "the last, with inner monologue",
}
WORDS = {
    "speech+asr": "recognition alone",
    "speech+tts": "speech alone",
    "speech+told": "one set of weights, told the delay",
}
PERPLEXITY, NLL, LENGTH = "perplexity_codes", "transcript_nll", "transcript_length"
JUDGE = "pocketsphinx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="what run.sh wrote")
    parser.add_argument("models", nargs="+", help="folders in it")
    args = parser.parse_args()
    scores = {name: args.dir / name / "scores" for name in args.models}

    def read(name: str, metric: str) -> Score | None:
        path = scores[name] / f"{metric}.json"
        return Score.read(path) if path.exists() else None

    rows = [
        (row, read(name, PERPLEXITY), paper("5", row, PERPLEXITY)) for name, row in TABLE_5.items() if name in scores
    ]
    table(
        ("table 5", "perplexity of codes", "of unigrams", "in the paper"),
        [(row, cell(found, 1), base(found, 1), theirs) for row, found, theirs in rows],
    )
    lines = []
    for name, row in TABLE_6.items():
        if name in scores:
            kinds = [read(name, PERPLEXITY), read(name, f"{NLL}_{JUDGE}"), read(name, f"{LENGTH}_{JUDGE}")]
            cells = [cell(found, digits) for found, digits in zip(kinds, (1, 2, 0), strict=True)]
            lines.append((row, *cells, paper("6", row, NLL), paper("6", row, LENGTH)))
            real = [base(found, digits) for found, digits in zip(kinds[1:], (2, 0), strict=True)]
    if lines:
        lines.append(("the originals' same seconds", "", *real, "", ""))
    table(("table 6", "perplexity of codes", "nats a token", "characters", "paper: nats", "characters"), lines)
    metrics = ("wer_asr", f"wer_tts_{JUDGE}")
    table(
        ("word errors, %", "recognition", "speech"),
        [(row, *(cell(read(name, m), 1) for m in metrics)) for name, row in WORDS.items() if name in scores],
    )


def paper(number: str, row: str, metric: str) -> str:
    """What the paper prints."""
    [value] = [v for v in published_values() if (v.table, v.row, v.metric) == (number, row, metric)]
    return f"{value.value:g}"


def cell(found: Score | None, digits: int) -> str:
    """Value and interval; a dash where there is none."""
    if found is None:
        return "–"
    interval = "" if found.ci is None else f" ({found.ci[0]:.{digits}f} to {found.ci[1]:.{digits}f})"
    return f"{found.value:.{digits}f}{interval}"


def base(found: Score | None, digits: int) -> str:
    """The baseline of a value."""
    return "–" if found is None or found.baseline is None else f"{found.baseline:.{digits}f}"


def table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> None:
    """Print one, if it has a line."""
    if lines:
        print("|", " | ".join(head), "|")
        print("|---" * len(head) + "|")
        for line in lines:
            print("|", " | ".join(line), "|")
        print()


if __name__ == "__main__":
    main()
