"""Resynthesis by its signals and by the words that are heard in it; codebooks and bitrate."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from audiolm.score.metric import CODEC, Headline, Metric, Row

METRIC = Metric(
    name="codec",
    help="resynthesis by --measures (mel distance, SI-SDR, STOI, PESQ, ViSQOL, DNSMOS, speaker similarity, codes that "
    "come back when it is encoded again) and by its word errors; codebooks, bitrate, tokens a second",
    measure=f"{__name__}:measure",
    needs=("codec",),
    rows=(
        Row("bitrate", "bitrate", CODEC),
        Row("token_rate", "tokens a second", CODEC),
        Row("codec_mel_distance", "mel distance", CODEC),
        Row("codec_si_sdr", "SI-SDR", CODEC),
        Row("codec_pesq", "PESQ", CODEC),
        Row("codec_stoi", "STOI", CODEC),
        Row("codec_visqol", "ViSQOL, audio mode", CODEC),
        Row("codec_visqol_speech", "ViSQOL, speech mode", CODEC),
        Row("codec_dnsmos", "DNSMOS", CODEC),
        Row("codec_speaker_similarity", "speaker similarity", CODEC),
        Row("codec_idempotence_1", "codes kept when encoded again, level 1", CODEC),
        Row("codec_idempotence", "codes kept when encoded again, all levels", CODEC),
        Row("codec_*", "{}", CODEC),
        Row("codebook_perplexity_*", "codebook perplexity, level {}", CODEC),
        Row("codebook_use", "entries in use", CODEC),
        Row("wer_original*", "originals, word error rate{}", CODEC),
        Row("wer_resynthesis*", "resynthesis, word error rate{}", CODEC),
    ),
    headlines=(
        Headline("wer_resynthesis_{judge}", "codec, word errors", 30),
        Headline("bitrate", "bitrate", 61),
        Headline("codec_visqol_speech", "ViSQOL, speech", 63),
        Headline("codec_mel_distance", "mel distance", 64),
        Headline("codec_speaker_similarity", "speaker similarity", 65),
    ),
    options=f"{__name__}:Options",
    hears=True,
    place=40,
)
OF_PAIRS = ("mel_distance", "si_sdr", "stoi", "pesq", "visqol", "visqol_speech")
Measure = Literal[
    "mel_distance", "si_sdr", "stoi", "pesq", "visqol", "visqol_speech", "dnsmos", "speaker_similarity", "idempotence"
]


@dataclass
class Options:
    """What is measured.

    Attributes:
        measures: of resynthesis against originals; for speech only: stoi pesq visqol_speech dnsmos speaker_similarity.
    """

    measures: list[Measure] = field(default_factory=lambda: [*OF_PAIRS, "dnsmos", "speaker_similarity", "idempotence"])


def measure(recipe, options: Options) -> dict[Path, list]:
    """Scores of the codec."""
    from audiolm.score import codebooks, idempotence, intelligibility, signal_quality, speech_models
    from audiolm.score.resynthesis import resynthesize
    from audiolm.train.checkpoint import checksum

    codec, dump, name, original, fs = recipe.codec_dir, recipe.dump, recipe.name, recipe.original, recipe.fs
    copies = [
        resynthesize(codec, dump, codec / folder / name, levels)
        for folder, levels in (("resynthesis", None), ("resynthesis_semantic", 1))
    ]
    scores, measures = codebooks.score(dump, name), options.measures
    of_pairs = [measure for measure in measures if measure in signal_quality.MEASURES]
    scores += signal_quality.score(original, *copies, of_pairs, fs, name, checksum(codec))
    if "dnsmos" in measures:
        scores += speech_models.dnsmos(original, copies[0], fs, name)
    if "speaker_similarity" in measures:
        scores += speech_models.speaker_similarity(original, copies[0], fs, name)
    if "idempotence" in measures:
        scores += idempotence.score(codec, dump, name)
    if recipe.hearing.names:
        scores += intelligibility.score_utterances(
            recipe.judges, original, copies[0], fs, name, "wer_resynthesis", recipe.rules
        )
    return {codec: scores}
