"""The dialogue LM as a streaming recogniser: its word errors, and when it says that words begin."""

from pathlib import Path

from audiolm.data.datadir import DataDir
from audiolm.score import normalisers, word_times
from audiolm.score.record import Score
from audiolm.score.wer import word_error_rate
from audiolm.score.words import PLAIN, WordRules
from audiolm.train.checkpoint import checksum


def score(
    lm: str | Path, original: DataDir, data: str, reference_ctm: str | Path | None, rules: WordRules = PLAIN
) -> list[Score]:
    """Whole recordings of ``<lm>/generate/asr`` against the words of the set.

    Args:
        original: the set's data directory, with text.
        reference_ctm: exact word times; None: the corpus has none, and the model's are not scored.
        rules: what counts as a word, and as wrong.
    """
    generated = DataDir.read(Path(lm) / "generate" / "asr")
    references: dict[str, list[str]] = {reco: [] for reco in generated.wav}
    by_time = sorted(original.text, key=lambda utt: (original.place(utt).reco, original.place(utt).start))
    for utt in by_time:
        reco = original.place(utt).reco
        if reco in references:
            references[reco].append(original.text[utt])
    texts = {reco: " ".join(parts) for reco, parts in references.items()}
    rate = word_error_rate(texts, {reco: generated.text.get(reco, "") for reco in texts}, rules)
    backend, sums = Path(lm).name, checksum(lm)
    errors = Score(
        metric="wer_asr",
        value=rate.percent,
        unit="%",
        protocol=f"words wrong in the text stream, greedy, over {rate.utterances} whole channels of the set"
        + rules.told,
        backend=f"{backend}, task asr",
        checksum=sums,
        data=data,
        count=rate.words,
        ci=rate.ci,
        items=rate.items,
        details=rate.details,
        normaliser=normalisers.PLAIN.name,
    )
    if reference_ctm is None or not rate.words - rate.substitutions - rate.deletions:
        return [errors]  # where no word is right, none has a time
    times = word_times.score(
        reference_ctm,
        Path(lm) / "generate" / "asr" / "ctm",
        data=data,
        backend=f"{backend}, task asr",
        checksum=sums,
        metric="asr_word_start",
        segments=original,
    )
    return [errors, *times]
