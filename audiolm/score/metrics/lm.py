"""How likely an LM finds the streams of unseen speech."""

from pathlib import Path

from audiolm.score.metric import LM, Headline, Metric, Row

METRIC = Metric(
    name="lm",
    help="loss of each stream against its unigram; perplexity of all codes",
    measure=f"{__name__}:measure",
    needs=("lm",),
    rows=(
        Row("lm_loss_text", "loss, text", LM),
        Row("lm_loss_*", "loss, {}", LM),
        Row("perplexity_codes", "perplexity of codes", LM),
    ),
    headlines=(Headline("lm_loss_text", "text loss", 60),),
    place=50,
)


def measure(recipe, options: None) -> dict[Path, list]:
    """Scores of the LM."""
    from audiolm.score import lm_loss

    train = recipe.work / "dump" / recipe.train
    return {recipe.lm_dir: lm_loss.score(recipe.lm_dir, train, recipe.dump, recipe.name)}
