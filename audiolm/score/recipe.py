"""All scores of a recipe's work directory: which files each metric reads, and where its records go."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from audiolm.data.datadir import DataDir
from audiolm.data.readers import RECO2ALIGNER, read_other
from audiolm.data.recordings import recorded
from audiolm.score import (
    codebooks,
    der,
    hallucination,
    idempotence,
    intelligibility,
    pad_share,
    signal_quality,
    speech_models,
    spoken_turns,
    streaming_asr,
    word_times,
)
from audiolm.score.asr_backends import CtcBackend, Hearing
from audiolm.score.intelligibility import Judge
from audiolm.score.items import NoTriples
from audiolm.score.normalisers import Normaliser, make_normaliser
from audiolm.score.pocketsphinx_asr import PocketSphinxBackend
from audiolm.score.record import Score
from audiolm.score.resynthesis import resynthesize
from audiolm.score.whisper_asr import EARS, WhisperBackend
from audiolm.score.words import PLAIN, WordRules
from audiolm.text.normalize import normalize
from audiolm.train.checkpoint import checksum

CLOSED = 1000  # words; a larger vocabulary is open, and the CTC model then spells freely


class Recipe:
    """One set of a recipe, scored. Every method writes a group of records and returns how many.

    Args:
        work: holds data/, dump/ and exp/.
        name: the set.
        train: the set that was trained on.
        recognizer, codec, lm: experiment directories; None where the metrics asked for need none.
        hearing: which recognisers judge, and how.
        rules: what counts as a word, and as wrong, in word errors.
    """

    def __init__(
        self,
        work: Path,
        name: str,
        train: str,
        recognizer: Path | None,
        codec: Path | None,
        lm: Path | None,
        hearing: Hearing,
        rules: WordRules = PLAIN,
    ):
        self.work, self.name, self.train = work, name, train
        self.recognizer_dir, self.codec_dir, self.lm_dir, self.hearing = recognizer, codec, lm, hearing
        self.rules = rules
        self.dump = work / "dump" / name

    @cached_property
    def original(self) -> DataDir:
        """The set's audio as the models get it."""
        return DataDir.read(self.dump / "audio")

    @cached_property
    def words(self) -> Path | None:
        """The corpus' own word times on the channels of ``original``, if it has any."""
        ctm = self.dump / "audio" / "ctm"
        return ctm if ctm.exists() else None

    @cached_property
    def texts(self) -> list[str]:
        """The training texts: their words are the vocabulary of recognisers that need one."""
        return [normalize(text) for text in DataDir.read(self.work / "data" / self.train).text.values()]

    @cached_property
    def judges(self) -> list[Judge]:
        words = sorted({word for text in self.texts for word in text.split()})
        closed = words if 0 < len(words) <= CLOSED else None
        make = {
            "ctc": lambda: CtcBackend(self.recognizer_dir, closed),
            "pocketsphinx": lambda: PocketSphinxBackend(self.texts),
        }
        for name in EARS:
            make[name] = lambda name=name: WhisperBackend(
                name, self.hearing.model, self.hearing.language, self.hearing.device
            )
        return [Judge(make[name](), self._normaliser(name)) for name in self.hearing.names]

    def _normaliser(self, judge: str) -> Normaliser:
        usual = "english" if self.hearing.language == "en" else "plain"
        return make_normaliser((self.hearing.normaliser or usual) if judge in EARS else "plain")

    @cached_property
    def fs(self) -> int:
        from audiolm.codec.load import load_codec

        return load_codec(self.codec_dir).sample_rate

    def annotation(self, diarizer: str, aligner: str) -> int:
        """Speaker turns and word times against the corpus' own, where it has them, and the share of padding."""
        scores = pad_share.score(self.dump, self.name)
        turns = recorded(self.dump) / "rttm"
        if turns.exists():
            scores += der.score(turns, self.dump / "diarize" / "rttm", self.name, diarizer)
        if self.words is not None:
            found = self.dump / "align" / "ctm"
            if own := self._aligned_by(aligner):
                print(
                    f"{self.name}: {aligner}'s word starts are not scored: those of {own} channels "
                    f"in {self.words} were made by {aligner} itself"
                )
            else:
                scores += word_times.score(self.words, found, self.name, aligner, segments=self.original)
            scores += hallucination.score(self.original, found, self.name, aligner)
        return self._write(self.work / "exp" / "annotation", scores)

    def _aligned_by(self, aligner: str) -> int:
        """How many of the corpus' recordings have the times of their words from this aligner."""
        table = self.work / "data" / self.name / RECO2ALIGNER
        return sum(made_by == aligner for _, _, made_by in read_other(table)) if table.is_file() else 0

    def recognizer(self) -> int:
        """Word errors on the originals; of the CTC model also without a vocabulary, which shows what it has learnt."""
        greedy = Judge(CtcBackend(self.recognizer_dir))
        judges = {judge.backend.key: judge for judge in [*self.judges, greedy]}
        scores = intelligibility.score_utterances(
            list(judges.values()), self.original, None, self.fs, self.name, "wer_recognizer", self.rules
        )
        return self._write(self.work / "exp" / "recognizer", scores)

    def codec(self, measures: Sequence[str]) -> int:
        """Resynthesis by its signals (``measures``) and by the words that are heard in it; codebooks and bitrate."""
        copies = [
            resynthesize(self.codec_dir, self.dump, self.codec_dir / folder / self.name, levels)
            for folder, levels in (("resynthesis", None), ("resynthesis_semantic", 1))
        ]
        scores, made_by = codebooks.score(self.dump, self.name), checksum(self.codec_dir)
        of_pairs = [name for name in measures if name in signal_quality.MEASURES]
        scores += signal_quality.score(self.original, *copies, of_pairs, self.fs, self.name, made_by)
        if "dnsmos" in measures:
            scores += speech_models.dnsmos(self.original, copies[0], self.fs, self.name)
        if "speaker_similarity" in measures:
            scores += speech_models.speaker_similarity(self.original, copies[0], self.fs, self.name)
        if "idempotence" in measures:
            scores += idempotence.score(self.codec_dir, self.dump, self.name)
        if self.hearing.names:
            scores += intelligibility.score_utterances(
                self.judges, self.original, copies[0], self.fs, self.name, "wer_resynthesis", self.rules
            )
        return self._write(self.codec_dir, scores)

    def abx(self, items: Path | None) -> int:
        """Phone ABX of the codec's latents; ``items`` is a ``.item`` file, None has PocketSphinx align phones.

        A set whose speech is too little for it has none, with a line that says so.
        """
        from audiolm.score import phone_abx, phones

        try:
            found, source = phones.items_of(self.work, self.name, items)
            scores = phone_abx.score(self.codec_dir, self.dump, found, source, self.name)
        except NoTriples as reason:
            print(f"abx left out: {reason}")
            return 0
        return self._write(self.codec_dir, scores)

    def lm(self) -> int:
        from audiolm.score import lm_loss

        return self._write(
            self.lm_dir, lm_loss.score(self.lm_dir, self.work / "dump" / self.train, self.dump, self.name)
        )

    def asr(self) -> int:
        scores = streaming_asr.score(self.lm_dir, self.original, self.name, self.words, self.rules)
        return self._write(self.lm_dir, scores)

    def tts(self) -> int:
        scores = intelligibility.score_speech(
            self.judges, self.lm_dir / "generate" / "tts", self.original, self.fs, self.name, rules=self.rules
        )
        turns = self.lm_dir / "generate" / "turns"
        if turns.exists():
            scores += spoken_turns.score(self.judges, turns, self.fs, self.name, rules=self.rules)
        return self._write(self.lm_dir, scores)

    def continuations(self, text_lm: Path) -> int:
        """What is heard in continued dialogues, by a text LM's name."""
        from audiolm.models.textlm.load import load_text_lm
        from audiolm.score import continuations

        generated = self.lm_dir / "generate" / "continue"
        scores = continuations.score(
            self.judges, load_text_lm(text_lm), generated, self.original, self.fs, self.name, text_lm.name
        )
        return self._write(self.lm_dir, scores)

    def textlm(self, experiment: Path) -> int:
        """Perplexity of a text LM on the set's documents, and continuations to read."""
        from audiolm.score import text_lm

        text_lm.write_samples(experiment, self.dump)
        return self._write(experiment, text_lm.score(experiment, self.work / "dump" / self.train, self.dump, self.name))

    def _write(self, experiment: Path, scores: Sequence[Score]) -> int:
        for score in scores:
            score.write(experiment / "scores")
        return len(scores)
