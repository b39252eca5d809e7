"""Speaker turns and word times against the corpus' own, where it has them, and the share of padding."""

from dataclasses import dataclass
from pathlib import Path

from audiolm.score.metric import ANNOTATION, Headline, Metric, Row

METRIC = Metric(
    name="annotation",
    help="diarization errors; word-start errors; share of padding in the text streams",
    measure=f"{__name__}:measure",
    rows=(
        Row("der", "diarization error rate", ANNOTATION),
        Row("der_collar", "diarization error rate, collar 0.25 s", ANNOTATION),
        Row("der_*", "diarization error rate, {}", ANNOTATION),
        Row("word_start_error", "word starts, mean error", ANNOTATION),
        Row("word_start_p95", "word starts, 95th percentile of the error", ANNOTATION),
        Row("made_up_words", "words made up in silence", ANNOTATION),
        Row("pad_share*", "padding in the text stream{}", ANNOTATION),
    ),
    headlines=(Headline("der", "diarization errors", 40), Headline("word_start", "word starts", 50)),
    options=f"{__name__}:Options",
    place=10,
)


@dataclass
class Options:
    """For the records.

    Attributes:
        diarizer: what made the speaker turns, for the record.
        aligner: what made the word times, for the record.
    """

    diarizer: str = "embedded"
    aligner: str = "pocketsphinx"


def measure(recipe, options: Options) -> dict[Path, list]:
    """Scores of ``exp/annotation``."""
    from audiolm.data.recordings import recorded
    from audiolm.score import der, hallucination, pad_share, word_times

    dump, name, aligner = recipe.dump, recipe.name, options.aligner
    scores = pad_share.score(dump, name)
    turns = recorded(dump) / "rttm"
    if turns.exists():
        scores += der.score(turns, dump / "diarize" / "rttm", name, options.diarizer)
    if recipe.words is not None:
        found = dump / "align" / "ctm"
        if own := _aligned_by(recipe, aligner):
            print(
                f"{name}: {aligner}'s word starts are not scored: those of {own} channels "
                f"in {recipe.words} were made by {aligner} itself"
            )
        else:
            scores += word_times.score(recipe.words, found, name, aligner, segments=recipe.original)
        scores += hallucination.score(recipe.original, found, name, aligner)
    return {recipe.work / "exp" / "annotation": scores}


def _aligned_by(recipe, aligner: str) -> int:
    """How many of the corpus' recordings have the times of their words from this aligner."""
    from audiolm.data.readers import RECO2ALIGNER, read_other

    table = recipe.work / "data" / recipe.name / RECO2ALIGNER
    return sum(made_by == aligner for _, _, made_by in read_other(table)) if table.is_file() else 0
