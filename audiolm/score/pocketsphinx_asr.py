"""PocketSphinx as the independent judge of a corpus with a closed vocabulary.

What mattered on 8 kHz speech, in word errors of the originals (espeak voices of the mini corpus; FSDD's digits as
strings of six): a language model instead of a grammar that loops over the words (FSDD 36 -> 22 %, and up to sixty times
faster), word pairs as the training texts have them instead of equally likely words (espeak 50 -> 24 %), the upper band
filled (24 -> 14 %), cepstral means of a voice's utterances together instead of each alone (53 -> 50 %). Levels,
insertion penalties, silence probabilities and beams changed less than 2 points in all useful ranges.
"""

import hashlib
import math
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from audiolm.annotate.pronunciations import guess
from audiolm.data.audio import resample
from audiolm.errors import AudiolmError
from audiolm.score.narrowband import RATE, fill_upper_band
from audiolm.text.normalize import normalize

LANGUAGE_WEIGHT = 3.0  # 1 to 10 differ by 2 points
PAUSE = np.zeros(round(0.3 * RATE), np.float32)  # beside every utterance


class PocketSphinxBackend:
    """PocketSphinx with its English acoustic model and the word pairs of a corpus.

    Args:
        texts: training texts of the corpus; their words are the vocabulary.
        processes: how many transcribe at once.

    Raises:
        AudiolmError: there is no word, or one that no English pronunciation can be guessed for.
    """

    key = "pocketsphinx"

    def __init__(self, texts: Sequence[str], processes: int | None = None):
        sentences = [normalize(text).split() for text in texts]
        self.words = tuple(sorted({word for sentence in sentences for word in sentence}))
        if not self.words:
            raise AudiolmError("no word in the training texts, so there is no vocabulary: score with --asr ctc")
        self.dictionary = "\n".join(pronunciations(self.words)) + "\n"
        self.language_model = bigrams(sentences)
        self.processes = processes or len(os.sched_getaffinity(0))
        self.name = f"PocketSphinx {version('pocketsphinx')}, word pairs of {len(self.words)} words"
        self.checksum = _checksum(self.dictionary + self.language_model)

    def transcribe(self, waves: Sequence[np.ndarray], fs: int, voices: Sequence[str] | None = None) -> list[str]:
        """Texts of utterances, float32 [samples] at ``fs`` Hz; empty where nothing is found.

        Args:
            voices: who speaks in each; utterances of a voice share their cepstral means. None = each its own.
        """
        groups: dict[str, list[int]] = {}
        for i in range(len(waves)):
            groups.setdefault(voices[i] if voices else str(i), []).append(i)
        shares: list[list[list[int]]] = [[] for _ in range(min(self.processes, len(groups)))]
        for group in sorted(groups.values(), key=lambda group: -sum(len(waves[i]) for i in group)):
            min(shares, key=lambda share: sum(len(waves[i]) for g in share for i in g)).append(group)
        texts = [""] * len(waves)
        # Not forked: the parent may hold the threads and locks of torch.
        with ProcessPoolExecutor(max(1, len(shares)), mp_context=get_context("spawn")) as pool:
            work = [
                pool.submit(
                    _transcribe, [[waves[i] for i in g] for g in share], fs, self.dictionary, self.language_model
                )
                for share in shares
            ]
            for share, done in zip(shares, work, strict=True):
                for group, found in zip(share, done.result(), strict=True):
                    for i, text in zip(group, found, strict=True):
                        texts[i] = text
        return texts


def pronunciations(words: Sequence[str]) -> list[str]:
    """Lines of a PocketSphinx dictionary for ``words``: those of its own where it has them, else guessed."""
    from pocketsphinx import get_model_path

    known: dict[str, list[str]] = {}
    with open(get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as file:
        for line in file:
            name, phones = line.rstrip("\n").split(" ", 1)
            known.setdefault(name.partition("(")[0], []).append(phones)
    lines = []
    for word in words:
        variants = known.get(word) or [guess(word, lambda stem: known.get(stem, [None])[0])]
        if variants[0] is None:
            raise AudiolmError(
                f"no pronunciation for '{word}', expected an English word of a to z; score with --asr ctc"
            )
        lines += [f"{word}{f'({n})' if n > 1 else ''} {phones}" for n, phones in enumerate(variants, 1)]
    return lines


def bigrams(sentences: Sequence[Sequence[str]]) -> str:
    """Word pairs with Witten-Bell smoothing (Witten and Bell 1991, method C) over add-one unigrams, as an ARPA file."""
    counts: dict[str, Counter] = {}
    words = sorted({word for sentence in sentences for word in sentence})
    for sentence in sentences:
        for first, second in zip(["<s>", *sentence], [*sentence, "</s>"], strict=True):
            counts.setdefault(first, Counter())[second] += 1
    singles = Counter(dict.fromkeys([*words, "</s>"], 1))
    for seconds in counts.values():
        singles.update(seconds)
    total = sum(singles.values())
    unigrams, pairs = [], []
    for first in ["<s>", *words]:
        seconds = counts.get(first, Counter())
        mass = len(seconds) / (len(seconds) + sum(seconds.values())) if seconds else 1.0  # for unseen pairs
        backed = 0.0  # unigram mass of the seen ones
        for second in sorted(seconds):
            single = singles[second] / total
            backed += single
            probability = seconds[second] / (len(seconds) + sum(seconds.values())) + mass * single
            pairs.append(f"{math.log10(probability):.4f} {first} {second}")
        # Σ seen (c/(n+t) + mass·p) + weight · Σ unseen p = 1 holds for weight = mass.
        weight = math.log10(mass) if backed < 1 else -99.0
        alone = -99.0 if first == "<s>" else math.log10(singles[first] / total)
        unigrams.append(f"{alone:.4f} {first} {weight:.4f}")
    unigrams.append(f"{math.log10(singles['</s>'] / total):.4f} </s>")
    head = ["\\data\\", f"ngram 1={len(unigrams)}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    return "\n".join([*head, *unigrams, "", "\\2-grams:", *pairs, "", "\\end\\", ""])


@lru_cache(maxsize=1)
def _decoder(dictionary: str, language_model: str):
    from pocketsphinx import Decoder

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "words.dict").write_text(dictionary, encoding="utf-8")
        Path(folder, "words.arpa").write_text(language_model, encoding="utf-8")
        return Decoder(
            lm=str(Path(folder, "words.arpa")),
            dict=str(Path(folder, "words.dict")),
            lw=LANGUAGE_WEIGHT,
            cmn="live",  # takes the means it is given
            loglevel="FATAL",
        )


def _transcribe(groups: list[list[np.ndarray]], fs: int, dictionary: str, language_model: str) -> list[list[str]]:
    """Texts of the utterances of each voice."""
    decoder = _decoder(dictionary, language_model)
    texts = []
    for group in groups:
        sounds = [_pcm(wave, fs) for wave in group]
        decoder.start_utt()
        decoder.process_raw(b"".join(sounds), no_search=True, full_utt=True)
        decoder.end_utt()
        means = decoder.get_cmn(False)
        texts.append([])
        for sound in sounds:
            decoder.set_cmn(means)
            decoder.start_utt()
            decoder.process_raw(sound)
            decoder.end_utt()
            found = decoder.hyp()
            texts[-1].append(found.hypstr if found else "")
    return texts


def _pcm(wave: np.ndarray, fs: int) -> bytes:
    if len(wave) and fs != RATE:
        wave = resample(wave, fs, RATE)
        if fs < RATE:
            wave = fill_upper_band(wave)
    samples = np.concatenate((PAUSE, wave, PAUSE))
    return (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()


def _checksum(texts: str) -> str:
    """Of the acoustic model, the dictionary and the language model."""
    from pocketsphinx import get_model_path

    digest = hashlib.sha256(texts.encode())
    for path in sorted(Path(get_model_path("en-us/en-us")).iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
