"""What the metrics of a recipe's work directory share: files, models, who judges words; and where records go."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from audiolm.data.datadir import DataDir
from audiolm.score.asr_backends import CtcBackend, Hearing
from audiolm.score.intelligibility import Judge
from audiolm.score.metric import Metric, labelled
from audiolm.score.normalisers import Normaliser, make_normaliser
from audiolm.score.pocketsphinx_asr import PocketSphinxBackend
from audiolm.score.whisper_asr import EARS, WhisperBackend
from audiolm.score.words import PLAIN, WordRules
from audiolm.spec import resolve
from audiolm.text.normalize import normalize

CLOSED = 1000  # words; a larger vocabulary is open, and the CTC model then spells freely


class Recipe:
    """One set of a recipe, to be scored.

    Args:
        work: holds data/, dump/ and exp/.
        name: the set.
        train: the set that was trained on.
        models: experiment directories, or folders of released models, by the names of the verb's options; those that
            the metrics asked for need.
        hearing: which recognisers judge, and how.
        rules: what counts as a word, and as wrong, in word errors.
    """

    def __init__(
        self,
        work: Path,
        name: str,
        train: str,
        models: Mapping[str, Path],
        hearing: Hearing,
        rules: WordRules = PLAIN,
    ):
        self.work, self.name, self.train = work, name, train
        self.models, self.hearing, self.rules = models, hearing, rules
        self.dump = work / "dump" / name

    @property
    def recognizer_dir(self) -> Path:
        return self.models["recognizer"]

    @property
    def codec_dir(self) -> Path:
        return self.models["codec"]

    @property
    def lm_dir(self) -> Path:
        return self.models["lm"]

    @property
    def textlm_dir(self) -> Path:
        return self.models["textlm"]

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

    def measure(self, metric: Metric, options: Any) -> int:
        """Measure what a metric measures, write its records, and return how many."""
        found = resolve(metric.measure)(self, options)
        for experiment, scores in found.items():
            for score in labelled(metric, scores):
                score.write(experiment / "scores")
        return sum(map(len, found.values()))
