"""Recordings worked on in batches: results come back by recording, and progress counts what is done."""

from audiolm.annotate import batches
from audiolm.annotate.attention import words_of
from audiolm.annotate.plausible import judge


def test_batches_run_across_recordings_and_each_is_told_when_it_is_done():
    log = []

    def work(items):
        log.append(list(items))
        return [10 * item for item in items]

    pieces = {"a": [1, 2, 3], "b": [], "c": [4], "d": [5, 6]}
    found = []
    for reco, results in batches.worked(pieces, pieces.get, 2, work, "count"):
        found.append((reco, results, len(log)))
    assert log == [[1, 2], [3, 4], [5, 6]]
    assert found == [("a", [10, 20, 30], 2), ("b", [], 2), ("c", [40], 2), ("d", [50, 60], 3)]


def test_progress_counts_recordings_after_their_last_batch(monkeypatch):
    heard, counted = [], []

    def counting(iterable, total, desc):
        for item in iterable:
            yield item
            counted.append((len(heard), total, desc))

    monkeypatch.setattr(batches, "progress", counting)
    for _ in batches.worked(["a", "b"], lambda reco: [reco] * 3, 3, lambda items: heard.append(1) or items, "hear"):
        pass
    assert counted == [(1, 2, "hear"), (2, 2, "hear")]


class Pieces:
    """A tokenizer whose tokens are given: numbers index them."""

    def __init__(self, *pieces):
        self.pieces = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]

    def decode(self, tokens, **_):
        return b"".join(self.pieces[token] for token in tokens).decode(errors="replace")


def test_a_chunk_without_a_leading_blank_goes_on_with_the_word_before():
    pieces = [" cold", "-", "hearted", ",", " at", " a", ".", "m", ".", " –", ' "', "Uh", "-", "huh", '!"', " $", "5"]
    tokenizer = Pieces(*pieces)
    assert words_of(tokenizer, range(len(pieces))) == [
        ("cold-hearted,", 0, 3),  # the comma has no part in its time
        ("at", 4, 5),
        ("a.m. –", 5, 8),
        ('"Uh-huh!"', 11, 14),
        ("$5", 16, 17),
    ]


def test_languages_without_blanks_and_characters_of_several_tokens():
    pieces = [b"\xe6\x88", b"\x91", "喜歡", "「", "音", "」", "，", "你"]
    assert words_of(Pieces(*pieces), range(8), "zh") == [("我", 0, 2), ("喜歡", 2, 3), ("「音」，", 4, 5), ("你", 7, 8)]
    assert words_of(Pieces("..."), [0]) == []


def test_loops_guesses_and_silence_are_told_apart():
    sentence = "There were thirty-nine findings, and each of them is named in the list with its reason."
    assert judge(sentence, -0.3, 0.9).reason is None  # sure of its words: somebody speaks
    assert judge(sentence, -1.2, 0.9) == ("no speech (probability 0.90)", True)
    assert judge(sentence, -1.2, 0.1) == ("a guess: -1.20 of mean log probability", False)
    assert judge("Thank you. " * 9, -0.1, 0.1).reason.startswith("a loop: the text compresses")
