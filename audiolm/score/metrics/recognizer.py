"""Word errors of recognisers on the original speech."""

from pathlib import Path

from audiolm.score.metric import ANNOTATION, Metric, Row

METRIC = Metric(
    name="recognizer",
    help="word errors of the recognisers on the original speech",
    measure=f"{__name__}:measure",
    needs=("recognizer", "codec"),  # the codec says the sample rate
    rows=(Row("wer_recognizer*", "recogniser, word error rate{}", ANNOTATION),),
    hears=True,
    place=20,
)


def measure(recipe, options: None) -> dict[Path, list]:
    """Scores of ``exp/recognizer``; of the CTC model also without a vocabulary, which shows what it has learnt."""
    from audiolm.score import intelligibility
    from audiolm.score.asr_backends import CtcBackend
    from audiolm.score.intelligibility import Judge

    greedy = Judge(CtcBackend(recipe.recognizer_dir))
    judges = {judge.backend.key: judge for judge in [*recipe.judges, greedy]}
    scores = intelligibility.score_utterances(
        list(judges.values()), recipe.original, None, recipe.fs, recipe.name, "wer_recognizer", recipe.rules
    )
    return {recipe.work / "exp" / "recognizer": scores}
