"""What a recipe asks for, and the data directories that come of it."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
import yaml

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment
from audiolm.data.tokens import TokenReader, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.lm.sampling import Sampling
from audiolm.models.moshi.data import Recordings
from audiolm.models.moshi.modes import Drawing
from audiolm.models.moshi.output import Item, Writer
from audiolm.models.moshi.requests import Requests
from audiolm.models.moshi.speak import SpeakConfig
from audiolm.streams.grid import ABSENT
from audiolm.text.specials import SENTENCEPIECE
from audiolm.text.tokenizer import BOS, EOS
from audiolm.train.checkpoint import write_model
from tests.models.conftest import ENTRIES, RATE, TEXT, make_model, model_config

DRAWING = Drawing(Sampling(1.0), Sampling(1.0), seed=3, batch=2)


class Letters:
    """A tokenizer of letters: 16 of them, a to p; every piece begins a word but those of the second half."""

    specials = SENTENCEPIECE

    vocab_size, checksum = TEXT, "tokenizer"

    def encode_word(self, word: str) -> list[int]:
        return [4 + ord(c) - ord("a") + 8 * (i > 0) for i, c in enumerate(word)]

    def decode(self, ids) -> str:
        return "".join(chr(ord("a") + (i - 4) % 8) for i in ids if i > 3)

    def starts_word(self, i: int) -> bool:
        return 4 <= i < 12


class Tones:
    """A codec whose sound is the sum of its codes."""

    frame_rate, frame_size, sample_rate = RATE, 640, 8000

    def parameters(self):
        yield torch.zeros(1)

    def decode(self, codes):  # [B, K, F] -> [B, 1, F * 640]
        return (codes.sum(dim=1, keepdim=True) / 100.0).repeat_interleave(640, dim=2)


@pytest.fixture
def requests(dump, tmp_path) -> Requests:
    return make_requests(dump, tmp_path / "lm", {"weight": 1.0})


def make_requests(dump, exp, mix: dict) -> Requests:
    """Of an untrained model whose config says that dialogue was mixed so."""
    exp.mkdir()
    config = {"system": "moshi", "model": asdict(model_config()), "data": {"mix": {"dialogue": mix}}}
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    model = make_model()
    Recordings(dump / "train", model.config.layout).claim(model)
    write_model(exp, model.state_dict())
    data = DataDir.read(dump / "dev" / "audio")
    data.text = {"d1-A": "ab cd", "d1-B": "a", "x": "ef ba c"}
    data.write(dump / "dev" / "audio")
    return Requests([dump / "dev"], exp, "codec", Letters())


def test_a_model_without_inner_monologue_is_given_no_text_and_asked_for_none(dump, tmp_path):
    requests = make_requests(dump, tmp_path / "lm", {"weight": 1.0, "text_mask": 1.0})
    items = requests.converse(0, prompt=0.8, seconds=2.4, drawing=DRAWING) + requests.imagine(1, 2.4, DRAWING)
    assert len(items) == 4
    for item in items:
        assert (item.grid[0] == ABSENT).all() and (item.grid[1:4] >= 0).all()


def test_conversations(requests):
    items = requests.converse(0, prompt=0.8, seconds=2.4, drawing=DRAWING)
    assert [(item.file, item.recos) for item in items] == [
        ("d1-continued", ["d1-continued-A", "d1-continued-B"]),
        ("d2-continued", ["d2-continued-A", "d2-continued-B"]),
        ("x-continued", ["x-continued-A"]),  # alone
    ]
    recordings = requests.sets[0][0]
    for item in items:
        assert item.grid.shape == (7, 30)
        assert (item.grid[:, :10] == recordings.grid(item.meta["source"], 0, 10)).all()
        assert (item.grid[1:4] >= 0).all()
    assert (items[2].grid[4:] == ABSENT).all() and (items[2].grid[0, :10] == ABSENT).all()
    free = requests.imagine(3, 2.4, DRAWING)
    assert len(free) == 3 and all((item.grid >= 0).all() and item.grid.max() < TEXT for item in free)
    assert not (free[0].grid == free[1].grid).all()
    assert all((a.grid == b.grid).all() for a, b in zip(free, requests.imagine(3, 2.4, DRAWING), strict=True))


def test_transcripts_do_not_depend_on_the_batch(requests):
    many, single = (requests.transcribe(0, user=True, batch=b) for b in (5, 1))
    assert [item.recos for item in many] == [["d1-A"], ["d1-B"], ["d2-A"], ["d2-B"], ["x"]]
    assert all((a.grid == b.grid).all() for a, b in zip(many, single, strict=True))
    assert many[1].channels == ["B"] and many[1].source.endswith("d1-B.flac")
    assert (many[0].grid[0] >= 0).all()


def test_nothing_to_say_is_an_error(requests):
    with pytest.raises(AudiolmError, match="no utterance of 9 words or more to speak"):
        requests.say(0, 9, DRAWING, SpeakConfig())


def test_speech_says_its_words(requests, tmp_path):
    items = requests.say(0, 2, DRAWING, SpeakConfig(max_pause=3))
    items += requests.reply(2, DRAWING, SpeakConfig(max_pause=3))
    assert [item.file for item in items] == ["d1-A", "x", "d1-A-said", "d2-A-said"]
    assert [item.grid.shape[1] for item in items[2:]] == [60, 25]
    assert (items[0].grid[1:4] >= 0).all() and (items[0].grid[4:] == ABSENT).all()
    writer = Writer(tmp_path / "tts", requests.layout, Tones(), Letters(), requests.word_initial)
    writer.write(items)
    data = DataDir.read(tmp_path / "tts")
    assert (data.text["d1-A"], data.text["x"]) == ("ab cd", "ef ba c")
    assert [word.word for word in data.words()["x"]] == ["ef", "ba", "c"]


def test_of_streams_with_turns_words_are_said_with_their_marks(requests):
    grids = {}
    for name in ("plain", "turns"):
        if name == "turns":
            recordings = requests.sets[0][0]
            with TokenWriter(recordings.text.directory, "text", 1, recordings.text.meta) as writer:
                for reco in ("d1-A", "d1-B"):
                    text = recordings.text.read(reco)[:, 0]
                    first, last = np.flatnonzero(text >= 4)[[0, -1]]
                    text[first - 1], text[last - 1] = BOS, EOS
                    writer.write(reco, text[:, None])
            recordings.text = TokenReader(recordings.text.directory, "text")
            del recordings.turns  # what it was
        said = requests.say(1, 2, DRAWING, SpeakConfig(max_pause=3)) + requests.reply(
            1, DRAWING, SpeakConfig(max_pause=3)
        )
        grids[name] = [item.grid[0] for item in said]
    assert all(not np.isin(text, (BOS, EOS)).any() for text in grids["plain"])
    alone, reply = grids["turns"]
    assert alone[np.flatnonzero(alone >= 4)[0] - 1] == BOS and np.isin(alone, (BOS, EOS)).sum() == 1
    assert [int(token) for token in reply if token in (BOS, EOS)] in (
        [BOS],
        [BOS, EOS],
    )  # what it had time for


def test_turns_are_said_by_both_speakers(requests, tmp_path):
    data = requests.sets[0][1]
    data.segments = {
        "d1-A-1": Segment("d1-A", 1.0, 1.5), "d1-A-2": Segment("d1-A", 3.0, 3.5), "d1-A-3": Segment("d1-A", 3.6, 4.0),
        "d1-B-1": Segment("d1-B", 0.2, 0.5), "d1-B-2": Segment("d1-B", 2.0, 2.5),
    }  # fmt: skip
    data.text = {"d1-A-1": "ab cd", "d1-A-2": "e", "d1-A-3": "f", "d1-B-1": "a", "d1-B-2": "ba c"}
    [item] = requests.say_turns(0, 4, DRAWING, SpeakConfig(max_pause=3))
    assert (item.file, item.recos) == ("d1-turns", ["d1-turns-A", "d1-turns-B"])
    assert item.meta["texts"] == {"d1-turns-A": "a ba c", "d1-turns-B": "ab cd e f"}  # who begins is the main speaker
    assert (item.grid[1:] >= 0).all()
    marks = [int(token) for token in item.grid[0] if token in (BOS, EOS)]
    assert marks == [BOS, EOS, BOS, EOS]
    Writer(tmp_path / "out", requests.layout, Tones(), Letters(), requests.word_initial).write([item])
    written = DataDir.read(tmp_path / "out")
    assert written.text == item.meta["texts"]
    assert {word.channel for word in written.words()["d1-turns-B"]} == {"B"}
    [short] = requests.say_turns(0, 2, DRAWING, SpeakConfig(max_pause=3))
    assert short.meta["texts"] == {"d1-turns-A": "a", "d1-turns-B": "ab cd"}
    data.text = {"d1-A-1": "ab"}
    with pytest.raises(AudiolmError, match="no two speakers of one file with transcripts"):
        requests.say_turns(0, 4, DRAWING, SpeakConfig())


def test_what_is_written(tmp_path):
    layout = model_config().layout
    grid = np.full((7, 10), 0)
    grid[0] = [3, 0, 5, 13, 3, 3, 0, 6, 3, 3]
    grid[1:4], grid[4:] = 2, 4
    initial = np.array([Letters().starts_word(i) for i in range(TEXT)])
    writer = Writer(tmp_path, layout, Tones(), Letters(), initial)
    two = Item("d", ["d-A", "d-B"], ["A", "B"], grid, meta={"mode": "continue"})
    heard = Item("e", ["e-2"], ["2"], grid[:, :5], source="/nowhere/e.flac", meta={"mode": "asr"})
    writer.write([two, heard])
    data = DataDir.read(tmp_path)
    assert data.wav["e-2"] == "/nowhere/e.flac" and data.text == {"d-A": "bb c", "e-2": "bb"}
    assert data.reco2file_and_channel == {"d-A": ("d", "A"), "d-B": ("d", "B"), "e-2": ("e", "2")}
    first, second = data.words()["d-A"]
    assert (first.start, first.duration, first.word) == (0.2, 0.16, "bb")
    assert (second.start, second.word) == (0.6, "c") and data.words()["e-2"][0].channel == "2"
    wav = data.audio("d-A"), data.audio("d-B")
    assert [len(w) for w in wav] == [6400, 6400]
    np.testing.assert_allclose([w.mean() for w in wav], [0.06, 0.12], atol=1e-4)
    Writer(tmp_path / "first", layout, Tones(), Letters(), initial, levels=1).write([two])
    quiet = DataDir.read(tmp_path / "first")
    np.testing.assert_allclose([quiet.audio(c).mean() for c in ("d-A", "d-B")], [0.02, 0.04], atol=1e-4)
    lines = [json.loads(line) for line in (tmp_path / "meta.jsonl").read_text().splitlines()]
    assert lines[0] == {"id": "d-A", "mode": "continue", "seconds": 0.8, "words": [[0.2, "bb"], [0.6, "c"]]}


def test_blanks_and_control_characters_that_pieces_spell_stay_out_of_the_tables(tmp_path):
    class Bytes(Letters):
        def decode(self, ids):
            return {5: "a \x0b\tb", 6: "\x00\n"}[ids[0]]

    grid = np.full((7, 4), 0)
    grid[0] = [5, 3, 6, 3]
    initial = np.array([Letters().starts_word(i) for i in range(TEXT)])
    writer = Writer(tmp_path, model_config().layout, Tones(), Bytes(), initial)
    writer.write([Item("d", ["d-A"], ["A"], grid, source="/nowhere/d.flac")])
    assert DataDir.read(tmp_path).text == {"d-A": "ab"}


def test_another_codec_is_refused(requests, dump, tmp_path):
    with pytest.raises(AudiolmError, match="tokens were made by codec, the model in use is other"):
        Requests([dump / "dev"], tmp_path / "lm", "other", Letters())
    assert requests.layout.codebook_size == ENTRIES
