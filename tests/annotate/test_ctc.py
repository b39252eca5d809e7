"""CTC forced alignment against posteriors whose best path is known."""

import numpy as np
import pytest

from audiolm.annotate.timed import Failure, Utterance

torch = pytest.importorskip("torch")
pytest.importorskip("torchaudio")

from audiolm.annotate.ctc import CtcAligner  # noqa: E402
from audiolm.errors import AudiolmError  # noqa: E402

FS = 8000
FRAME = FS // 25


class Oracle(torch.nn.Module):
    """Reads the posteriors from the waveform: each frame's level is an id, and that id has probability 0.9 there."""

    sample_rate, frame_rate = FS, 25.0
    symbols = " 'abcdefghijklmnopqrstuvwxyz"

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches = []

    def text_ids(self, text):
        if strange := set(text) - set(self.symbols):
            raise AudiolmError(f"character '{min(strange)}' is none of the symbols")
        return [self.symbols.index(character) + 1 for character in text]

    def log_probs(self, wav, lengths):
        self.batches.append(len(wav))
        frames = -(-lengths // FRAME)
        ids = (wav[:, ::FRAME] * 100).round().long()  # [B, F]
        probability = torch.full((*ids.shape, len(self.symbols) + 1), 0.1 / len(self.symbols))
        return probability.scatter(2, ids[..., None], 0.9).log(), frames


def spoken(path, start=0.0, words=None):
    """An utterance whose frames are spelt by ``path``; "_" is the blank."""
    ids = [0 if symbol == "_" else Oracle.symbols.index(symbol) + 1 for symbol in path]
    wav = np.repeat(np.array(ids, dtype=np.float32) / 100, FRAME)
    return Utterance(path, wav, FS, words or path.replace("_", "").split(), start, len(wav) / FS)


def test_words_lie_where_their_symbols_do():
    aligner = CtcAligner(Oracle())
    (found,) = aligner.align([spoken("__oo_n_e__ ttwo_", words=["One,", "two"])])
    assert [(word.word, word.start, word.end) for word in found] == [("One,", 0.08, 0.32), ("two", 0.4, 0.6)]
    assert all(word.confidence == pytest.approx(0.9, abs=1e-4) for word in found)


def test_a_word_that_follows_another_begins_before_its_first_symbol():
    (found,) = CtcAligner(Oracle()).align([spoken("one two  _you____ she", words=["one", "two", "you", "she"])])
    assert [word.start for word in found] == pytest.approx([0.0, 0.14, 0.36, 0.72])


def test_letters_that_repeat_need_a_blank_between():
    (found,) = CtcAligner(Oracle()).align([spoken("_a_l_l_", words=["all"])])
    assert (found[0].start, found[0].end) == (0.04, 0.24)


def test_batches_give_what_single_utterances_do():
    utterances = [spoken("__one__two__"), spoken("th_ree_"), spoken("_four_ _five"), spoken("_s_ix")]
    utterances = [
        Utterance(u.id, u.wav, u.fs, [u.id.replace("_", "").replace(" ", "")], u.start, u.end) for u in utterances
    ]
    oracle = Oracle()
    together = CtcAligner(oracle, batch=3).align(utterances)
    assert oracle.batches == [3, 1]
    assert together == [CtcAligner(Oracle()).align([utterance])[0] for utterance in utterances]


@pytest.mark.parametrize(
    "words, reason",
    [
        (["tests"] * 9, "too few for 53 symbols"),
        (["naïve"], "character 'ï'"),
        (["—"], "no spoken word"),
    ],
)
def test_what_cannot_be_aligned_is_told(words, reason):
    good = spoken("_one_")
    failed, found = CtcAligner(Oracle()).align([spoken("_o_n_e_", words=words), good])
    assert isinstance(failed, Failure) and reason in failed.reason
    assert [word.word for word in found] == ["one"]


def test_other_rates_are_resampled():
    slow = spoken("__oonnee__")
    fast = Utterance("fast", np.repeat(slow.wav, 2), 2 * FS, slow.words, 0.0, slow.end)
    (a,), (b,) = CtcAligner(Oracle()).align([slow, fast])
    assert b.start == pytest.approx(a.start, abs=0.041)
