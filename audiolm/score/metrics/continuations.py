"""What is heard in continued dialogues: its likelihood by a text LM, and its length (Moshi, tables 5 and 6)."""

from pathlib import Path

from audiolm.score.metric import THROUGH, Metric, Row

METRIC = Metric(
    name="continuations",
    help="what is heard in continued dialogues: its likelihood by a text LM, its length",
    measure=f"{__name__}:measure",
    needs=("lm", "codec", "textlm"),
    rows=(
        Row("transcript_nll*", "continuations, negative log likelihood of what is heard{}", THROUGH),
        Row("transcript_length*", "continuations, length of what is heard{}", THROUGH),
    ),
    hears=True,
    named_only=True,  # it takes a text LM that speaks the corpus' language
    place=90,
)


def measure(recipe, options: None) -> dict[Path, list]:
    """Scores of the LM."""
    from audiolm.models.open import load_as
    from audiolm.score import continuations

    text_lm, generated = recipe.textlm_dir, recipe.lm_dir / "generate" / "continue"
    scores = continuations.score(
        recipe.judges, load_as(text_lm, "textlm"), generated, recipe.original, recipe.fs, recipe.name, text_lm.name
    )
    return {recipe.lm_dir: scores}
