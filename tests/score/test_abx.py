"""Phone ABX against hand-computed cases and fastabx, and the items it is made of."""

import json
import os
import subprocess
from dataclasses import replace

import fastabx_reference
import numpy as np
import pytest

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Word
from audiolm.errors import AudiolmError
from audiolm.score.abx import abx, cells, frames_of
from audiolm.score.dtw import dtw_distances, normalized
from audiolm.score.items import HEADER, Item, read_items, triphones, write_items

RIGHT, UP, BETWEEN = [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]


def item(phone, speaker="s", context=("B", "T"), file="r"):
    return Item(file, 0.0, 0.1, phone, *context, speaker)


def test_dtw_by_hand():
    """Angles are 0, 1/4 and 1/2 of pi. Between [right, up] and [right, between, up] the path is 0, 1/4 or 1/4, 0."""
    sequences = [normalized(np.array(s)) for s in ([RIGHT, UP], [RIGHT, BETWEEN, UP], [UP], [[0.0, 0.0]])]
    first, second = np.array([0, 1, 0, 0, 2, 3]), np.array([1, 0, 2, 0, 2, 0])
    expected = [0.25 / 3, 0.25 / 3, 0.5 / 2, 0, 0, (0.25 + 0.25) / 2]  # a null frame counts as [1, 1]
    assert dtw_distances(sequences, first, second) == pytest.approx(expected)


def test_dtw_of_many_pairs_is_that_of_each():
    rng = np.random.default_rng(0)
    sequences = [normalized(rng.normal(size=(n, 3))) for n in rng.integers(1, 9, 40)]
    first, second = (indices.ravel() for indices in np.meshgrid(range(40), range(40)))
    together = dtw_distances(sequences, first, second)
    alone = [dtw_distances(sequences, np.array([i]), np.array([j]))[0] for i, j in zip(first, second, strict=True)]
    assert together == pytest.approx(alone, abs=1e-12)
    assert together.reshape(40, 40) == pytest.approx(together.reshape(40, 40).T)  # no frames are equal: symmetric


def test_abx_within_a_speaker_by_hand():
    """a1 and a2 are 1/4 pi apart. b1 is at 1/2 from a1 and at 1/4 from a2; so X = a2 ties, X = a1 is right.
    b1 and b2 are equal: right from both sides against a2 and a1. The mean of (1/4, 0) is 1/8."""
    items = [item("A"), item("A"), item("E"), item("E")]
    features = [np.array([frame]) for frame in (RIGHT, BETWEEN, UP, UP)]
    found = abx(items, features)
    assert found.error == pytest.approx(1 / 8)
    assert (found.triples, found.cells, found.speakers, found.items) == (2 * 2 + 2 * 2, 2, 1, 4)
    assert found.drawn == "cells" and found.ci[0] <= found.error <= found.ci[1]


def test_difference_of_two_features_has_an_interval_of_its_own():
    rng = np.random.default_rng(0)
    items = [Item("r", 0.0, 0.1, phone, "k", "s", "ann") for phone in "ab" for _ in range(8)]
    items += [replace(item, previous="t") for item in items]
    signs = np.array([1.0 if item.phone == "a" else -1.0 for item in items])
    good = [np.array([[sign, 1.0]]) + 0.3 * rng.normal(size=(1, 2)) for sign in signs]
    worse = [frames + 0.7 * rng.normal(size=(1, 2)) for frames in good]
    found = abx(items, worse, against=good)
    assert found.error == pytest.approx(abx(items, worse).error - abx(items, good).error)
    assert found.ci[0] <= found.error <= found.ci[1]
    same = abx(items, good, against=good)
    assert (same.error, same.ci) == (0.0, (0.0, 0.0))


def test_abx_averages_contexts_then_speakers_then_phones():
    """Speaker 1 errs always in one context and never in the other; speaker 2 never; E comes once a context only."""
    wrong, right = [RIGHT, UP, RIGHT], [RIGHT, RIGHT, UP]
    items, features = [], []
    for speaker, context, frames in (("1", "x", wrong), ("1", "y", right), ("2", "x", right)):
        items += [item(phone, speaker, (context, "T")) for phone in "AAE"]
        features += [np.array([frame]) for frame in frames]
    # "wrong": X = RIGHT, A = UP, B = RIGHT errs; X = UP, A = RIGHT, B = RIGHT ties: 3/4.
    assert abx(items, features).error == pytest.approx(((3 / 4 + 0) / 2 + 0) / 2)


def test_abx_across_speakers_by_hand():
    items = [item("A", "1"), item("E", "1"), item("A", "2"), item("E", "2")]
    features = [np.array([frame]) for frame in (RIGHT, UP, RIGHT, BETWEEN)]
    found = abx(items, features, "across")
    # X of 2 against A and B of 1: A right, E (between both) ties. X of 1 against those of 2: both right.
    assert found.error == pytest.approx((0 + 1 / 2 + 0 + 0) / 4)
    assert (found.triples, found.cells, found.speakers) == (4, 4, 2)


@pytest.mark.parametrize("speaker", ["within", "across"])
def test_no_triple_is_none(speaker):
    frame = np.array([RIGHT])
    assert abx([], [], speaker) is None
    assert abx([item("A"), item("E")], [frame] * 2, speaker) is None  # no second A, no second speaker
    assert abx([item("A"), item("A"), item("E", context=("P", "T"))], [frame] * 3, speaker) is None


def test_limits_of_groups_and_speakers():
    items = [item(phone, speaker) for speaker in "123456789" for phone in "A" * 12 + "E" * 3]
    within = list(cells(items, "within", 10, 5, seed=0))
    assert {(len(c.a), len(c.b)) for c in within} == {(10, 3), (3, 10)} and len(within) == 18
    across = list(cells(items, "across", 10, 5, seed=0))
    assert len(across) == 9 * 2 * 5
    assert all({items[i].speaker for i in c.x}.isdisjoint({c.speaker}) for c in across)
    assert [c.triples for c in cells(items, "within", None, None, 0)][:2] == [12 * 11 * 3, 3 * 2 * 12]


def test_random_frames_are_at_chance_and_labels_in_frames_without_error():
    rng = np.random.default_rng(0)
    items = [item(rng.choice(["A", "E", "O"]), rng.choice(list("123456")), ("B", "D")) for _ in range(300)]
    noise = [rng.normal(size=(rng.integers(1, 5), 8)) for _ in items]
    by_chance = abx(items, noise)
    assert by_chance.drawn == "speakers"
    assert by_chance.error == pytest.approx(0.5, abs=0.03) and by_chance.ci[0] < 0.5 < by_chance.ci[1]
    labels = [np.tile(np.eye(3)["AEO".index(each.phone)], (2, 1)) for each in items]
    assert abx(items, labels).error == 0 and abx(items, labels, "across").error == 0


def fastabx_values():
    """By the fastabx of the Python that AUDIOLM_FASTABX_PYTHON names, else as stored (fastabx.json has its version)."""
    python = os.environ.get("AUDIOLM_FASTABX_PYTHON")
    if python is None:
        text = (fastabx_reference.HERE / "fastabx.json").read_text(encoding="utf-8")
    else:
        command = [python, fastabx_reference.__file__, "--print"]
        text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    return json.loads(text)["values"]


@pytest.fixture(scope="module")
def reference():
    return fastabx_values()


@pytest.mark.parametrize("name", fastabx_reference.CASES)
@pytest.mark.parametrize("key", ["within", "across", "drop_last"])
def test_equals_fastabx(tmp_path, reference, name, key):
    lines, recordings = fastabx_reference.case(name)
    (tmp_path / "x.item").write_text("\n".join(lines) + "\n")
    items = read_items(tmp_path / "x.item")
    frames = [
        recordings[i.file][frames_of(i, fastabx_reference.RATE, len(recordings[i.file]), key == "drop_last")]
        for i in items
    ]
    assert min(map(len, frames)) > 0
    found = abx(items, frames, "across" if key == "across" else "within", max_size_group=None, max_x_across=None)
    assert found.error == pytest.approx(reference[name][key], abs=1e-6)


def test_frames_whose_centres_lie_in_an_item():
    """At 12.5 Hz centres are at 0.04, 0.12, 0.20 … s."""
    at = Item("r", 0.12, 0.28, "A", "B", "T", "s")
    assert frames_of(at, 12.5, 100) == slice(1, 4)
    assert frames_of(at, 12.5, 100, drop_last=True) == slice(1, 3)
    assert frames_of(at, 12.5, 2) == slice(1, 2)
    assert frames_of(Item("r", 0.13, 0.19, "A", "B", "T", "s"), 12.5, 100) == slice(2, 2)


def test_items_written_are_read_back(tmp_path):
    items = [Item("a", 0.0025, 0.1025, "AH", "B", "T", "s1"), Item("b", 1.5, 1.75, "IY", "AH", "K", "s2")]
    write_items(tmp_path / "x.item", items)
    assert (tmp_path / "x.item").read_text().splitlines()[0] == HEADER
    assert read_items(tmp_path / "x.item") == items


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "has no items"),
        (f"{HEADER}\n", "has no items"),
        (f"{HEADER}\na 0.1 0.2 AH B T\n", r"x.item:2: found 'a 0.1 0.2 AH B T'"),
        ("a 0.2 0.1 AH B T s\n", r"x.item:1: item from '0.2' to '0.1' s"),
        ("a x 0.1 AH B T s\n", r"x.item:1: item from 'x' to '0.1' s"),
    ],
)
def test_a_file_that_holds_no_items_is_refused(tmp_path, text, message):
    (tmp_path / "x.item").write_text(text)
    with pytest.raises(AudiolmError, match=message):
        read_items(tmp_path / "x.item")


def test_triphones_do_not_cross_silence():
    """B AH T, then a gap, K IY P S with a silence phone before S; the last lies outside every utterance."""
    rows = [("B", 0.0, 0.1), ("AH", 0.1, 0.1), ("T", 0.2, 0.1), ("K", 0.5, 0.1), ("IY", 0.6, 0.1), ("P", 0.7, 0.1)]
    rows += [("SIL", 0.8, 0.1), ("S", 0.9, 0.1), ("AH", 2.0, 0.1), ("T", 2.1, 0.1), ("D", 2.2, 0.1)]
    phones = [Word("r", "1", start, length, phone) for phone, start, length in rows]
    data = DataDir(wav={"r": "r.wav"}, segments={"u": Segment("r", 0.0, 1.0)}, utt2spk={"u": "sue"})
    found = triphones(phones, data)
    assert [(i.previous, i.phone, i.next, i.speaker) for i in found] == [
        ("B", "AH", "T", "sue"),
        ("K", "IY", "P", "sue"),
    ]
    assert (found[0].onset, found[0].offset) == pytest.approx((0.0, 0.3))
