"""Perplexity of a text LM on the set's documents, and continuations to read."""

from pathlib import Path

from audiolm.score.metric import LM, Headline, Metric, Row

METRIC = Metric(
    name="textlm",
    help="perplexity of a text LM on documents, by token, word and byte, and continuations to read",
    measure=f"{__name__}:measure",
    needs=("textlm",),
    rows=(
        Row("textlm_perplexity_token", "text LM, perplexity by token", LM),
        Row("textlm_perplexity_word", "text LM, perplexity by word", LM),
        Row("textlm_bits_per_byte", "text LM, bits a byte", LM),
        Row("textlm_*", "text LM, {}", LM),
    ),
    headlines=(
        Headline("textlm_perplexity_word", "perplexity by word", 70),
        Headline("textlm_perplexity_token", "perplexity by token", 71),
        Headline("textlm_bits_per_byte", "bits a byte", 72),
    ),
    named_only=True,  # it takes packed documents
    place=60,
)


def measure(recipe, options: None) -> dict[Path, list]:
    """Scores of the text LM."""
    from audiolm.score import text_lm

    text_lm.write_samples(recipe.textlm_dir, recipe.dump)
    train = recipe.work / "dump" / recipe.train
    return {recipe.textlm_dir: text_lm.score(recipe.textlm_dir, train, recipe.dump, recipe.name)}
