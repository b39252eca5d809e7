"""Word errors and word times of streaming recognition."""

from pathlib import Path

from audiolm.score.metric import THROUGH, Headline, Metric, Row

METRIC = Metric(
    name="asr",
    help="word errors and word times of streaming recognition",
    measure=f"{__name__}:measure",
    needs=("lm",),
    rows=(
        Row("wer_asr*", "streaming ASR, word error rate{}", THROUGH),
        Row("asr_word_start_error", "streaming ASR, word starts, mean error", THROUGH),
        Row("asr_word_start_p95", "streaming ASR, word starts, 95th percentile of the error", THROUGH),
        Row("asr_*", "streaming ASR, {}", THROUGH),
    ),
    headlines=(Headline("wer_asr", "streaming ASR, word errors", 10),),
    place=70,
)


def measure(recipe, options: None) -> dict[Path, list]:
    """Scores of the LM."""
    from audiolm.score import streaming_asr

    scores = streaming_asr.score(recipe.lm_dir, recipe.original, recipe.name, recipe.words, recipe.rules)
    return {recipe.lm_dir: scores}
