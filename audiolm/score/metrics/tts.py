"""Word errors of generated speech, and of both speakers' channels where their turns were spoken."""

from pathlib import Path

from audiolm.score.metric import THROUGH, Headline, Metric, Row

METRIC = Metric(
    name="tts",
    help="word errors of generated speech, and of both speakers' channels where their turns were spoken",
    measure=f"{__name__}:measure",
    needs=("lm", "codec"),
    rows=(
        Row("wer_tts*", "streaming TTS, word error rate{}", THROUGH),
        Row("wer_turns*", "streaming TTS of two speakers, word error rate by channel{}", THROUGH),
        Row("tts_*", "streaming TTS, {}", THROUGH),
    ),
    headlines=(Headline("wer_tts_{judge}", "streaming TTS, word errors", 20),),
    hears=True,
    place=80,
)


def measure(recipe, options: None) -> dict[Path, list]:
    """Scores of the LM."""
    from audiolm.score import intelligibility, spoken_turns

    generated = recipe.lm_dir / "generate"
    scores = intelligibility.score_speech(
        recipe.judges, generated / "tts", recipe.original, recipe.fs, recipe.name, rules=recipe.rules
    )
    if (generated / "turns").exists():
        scores += spoken_turns.score(recipe.judges, generated / "turns", recipe.fs, recipe.name, rules=recipe.rules)
    return {recipe.lm_dir: scores}
