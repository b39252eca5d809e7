"""Cross entropy of an LM on unseen speech, stream by stream, beside the unigram of each stream; and the perplexity of
all its codes together (Moshi, table 5). The LM's family says how likely its streams are (``likelihood``).
"""

from math import exp
from pathlib import Path

from audiolm.models.open import family_of
from audiolm.score.record import Score, bootstrap_ci
from audiolm.spec import resolve
from audiolm.train.checkpoint import checksum


def score(lm: str | Path, train: str | Path, test: str | Path, data: str, windows: int = 48) -> list[Score]:
    """One score for the text stream, one for each predicted stream of codes, and ``perplexity_codes``.

    Args:
        lm: experiment of the LM.
        train, test: ``dump/<set>`` directories with the archives that the unigram is counted on and both are scored on.
        data: name of the test set.
        windows: number of windows.

    Raises:
        AudiolmError: a set's tokens are of another codec or tokenizer than the LM was trained with; or the LM's family
            tells no likelihoods.
    """
    found = resolve(family_of(lm).action("likelihood").run)(lm, train, test, windows)
    common = {"backend": f"{Path(lm).name}", "checksum": checksum(lm), "data": data}
    scores = [
        Score(
            metric=f"lm_loss_{name}",
            value=float(sums.sum() / counts.sum()),
            unit="nats",
            protocol=found.protocol,
            **common,
            count=int(counts.sum()),
            ci=bootstrap_ci(sums, counts),
            baseline=float(bounds.sum() / counts.sum()),
            baseline_name="unigram of the stream",
        )
        for name, sums, counts, bounds in zip(found.names, found.sums.T, found.counts.T, found.bounds.T, strict=True)
        if counts.sum()
    ]
    nats, codes, bound = (each[:, 1:].sum(axis=1) for each in (found.sums, found.counts, found.bounds))  # [windows]
    ci = bootstrap_ci(nats, codes)
    perplexity = Score(
        metric="perplexity_codes",
        value=exp(nats.sum() / codes.sum()),
        unit="",
        protocol=f"exp of the {found.protocol}, all levels alike; "
        "comparable between models of the same codec and delays",
        **common,
        count=int(codes.sum()),
        ci=None if ci is None else (exp(ci[0]), exp(ci[1])),
        baseline=exp(bound.sum() / codes.sum()),
        baseline_name="unigrams of the streams",
    )
    return [*scores, perplexity]
