"""Phone ABX of a codec's latents (Libri-Light's definition), beside log-mel and the teacher."""

from dataclasses import dataclass
from pathlib import Path

from audiolm.score.metric import CODEC, Headline, Metric, Row

METRIC = Metric(
    name="abx",
    help="phone ABX of the codec's first level and of all, beside log-mel and the teacher",
    measure=f"{__name__}:measure",
    needs=("codec",),
    rows=(
        Row("abx_within", "ABX error, level 1, within speaker", CODEC),
        Row("abx_across", "ABX error, level 1, across speakers", CODEC),
        Row("abx_all_levels", "ABX error, all levels, within speaker", CODEC),
        Row("abx_teacher", "ABX error of the teacher's states, within speaker", CODEC),
        Row("abx_logmel_pooled", "ABX error of log-mel at the codec's rate, within speaker", CODEC),
        Row("abx_logmel", "ABX error of log-mel, within speaker", CODEC),
        Row("abx_*", "ABX error, {}", CODEC),
    ),
    headlines=(Headline("abx_within", "phone ABX, level 1", 62),),
    options=f"{__name__}:Options",
    named_only=True,  # it takes transcripts in English, or items
    place=30,
)


@dataclass
class Options:
    """Whose phones.

    Attributes:
        items: triphones for abx, such as Libri-Light's dev-clean.item; null: PocketSphinx aligns the set's transcripts.
    """

    items: str | None = None


def measure(recipe, options: Options) -> dict[Path, list]:
    """Scores of the codec; a set whose speech is too little has none, with a line that says so."""
    from audiolm.score import phone_abx, phones
    from audiolm.score.items import NoTriples

    items = None if options.items is None else Path(options.items)
    try:
        found, source = phones.items_of(recipe.work, recipe.name, items)
        return {recipe.codec_dir: phone_abx.score(recipe.codec_dir, recipe.dump, found, source, recipe.name)}
    except NoTriples as reason:
        print(f"abx left out: {reason}")
        return {}
