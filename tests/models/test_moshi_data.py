"""Windows of archives: contents, masks, determinism, bad input."""

import numpy as np
import pytest
import torch

from audiolm.config.schema import plain
from audiolm.config.yaml_files import write_yaml
from audiolm.data.tokens import Meta, TokenReader, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.models.moshi.data import (
    DataConfig,
    MixConfig,
    Recordings,
    Windows,
    delayed_input,
    validation_examples,
    window_example,
)
from audiolm.models.moshi.model import ModelConfig
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
from audiolm.streams.delays import delay
from audiolm.streams.grid import ABSENT
from audiolm.streams.pauses import shorten_pauses, sounding
from audiolm.text.tokenizer import BOS, EOS, PAD
from audiolm.train.experiment import check_config, write_config
from audiolm.train.options import read_config
from audiolm.train.randomness import Key
from audiolm.train.saved import load
from tests.models.conftest import ENTRIES, LEVELS, RATE, TEXT, model_config

MODEL = model_config()
LAYOUT = MODEL.layout


def windows(dump, **mix) -> Windows:
    return Windows(dump / "train", DataConfig(frames=30, mix={"asr": MixConfig(**mix)}), MODEL)


def test_grid_holds_who_it_should(dump):
    recordings = Recordings(dump / "train", LAYOUT)
    codes, text = TokenReader(dump / "train" / "codes", "codes"), TokenReader(dump / "train" / "text", "text")
    grid = recordings.grid("d2-B", 10, 40)  # 25 frames long
    assert grid.shape == (LAYOUT.num_streams, 30)
    assert (grid[0, :15] == text.read("d2-B", 10)[:, 0]).all()
    assert (grid[LAYOUT.main, :15] == codes.read("d2-B", 10).T).all()
    assert (grid[LAYOUT.user, :15] == codes.read("d2-A", 10).T).all()
    assert (grid[:, 15:] == ABSENT).all()
    alone = recordings.grid("x", 0, 40)  # no text, nobody else
    assert (alone[0] == ABSENT).all() and (alone[LAYOUT.user] == ABSENT).all() and (alone[LAYOUT.main] >= 0).all()


def test_the_words_of_a_user_who_is_absent_are_left_out(dump):
    with TokenWriter(dump / "train" / "text", "text", 1, Meta(RATE, (TEXT,), "tokenizer")) as writer:
        text = np.full(60, PAD)
        text[5:9], text[30:33] = [BOS, 7, EOS, 8], [BOS, 9, 9]
        writer.write("d1-A", text[:, None])
    recordings = Recordings(dump / "train", model_config().layout)
    assert (recordings.grid("d1-A", 0, 60)[0] == text).all()
    text[7:9] = PAD
    alone = recordings.grid("d1-A", 0, 60, user=False)
    assert (alone[0] == text).all() and (alone[1 + LEVELS :] == ABSENT).all()


def test_delayed_input_by_hand():
    grid = np.array([[3, 0, 9], [1, 2, 3], [4, 5, 6], [7, 7, 7], [-1, -1, -1], [-1, -1, -1], [-1, -1, -1]])
    tokens = delayed_input(LAYOUT, grid, [1, 0, 2, 2, 0, 2, 2])
    text, entry = TEXT, ENTRIES  # start tokens
    assert tokens.tolist() == [
        [text, text, 3, 0, 9, -1],
        [entry, 1, 2, 3, -1, -1],
        [entry, entry, entry, 4, 5, 6],
        [entry, entry, entry, 7, 7, 7],
        [-1] * 6,
        [-1] * 6,
        [-1] * 6,
    ]


def test_examples_are_functions_of_their_key(dump):
    first, second = windows(dump, text_mask=0.5, own_input_mask=0.25), windows(dump, text_mask=0.5, own_input_mask=0.25)
    for index in (3, 0, 7):
        one, two = first(Key(1, index)), second(Key(1, index))
        assert all((one[name] == two[name]).all() for name in one)
    assert any((first(Key(1, 0))[n] != first(Key(2, 0))[n]).any() for n in ("tokens", "hidden", "depth_frames"))


def test_windows_are_cut_from_the_recordings_and_cover_them(dump):
    examples = windows(dump)
    recordings, delays = examples.recordings, MODEL.delays("asr")
    possible = {}
    for key in recordings.keys:
        frames = recordings.num_frames(key)
        for start in range(frames):
            tokens = delayed_input(LAYOUT, recordings.grid(key, start, start + 30), delays)[:, :31]
            possible[tokens.tobytes()] = (key, start)
    found = [possible[examples(Key(0, index))["tokens"].tobytes()] for index in range(len(examples.windows) * 20)]
    assert {key for key, _ in found} == set(recordings.keys)
    starts = [start for key, start in found if key == "d1-A"]
    assert min(starts) == 0 and max(starts) == 60 + max(delays) - 30  # the end of the delayed text is seen


def test_windows_leave_out_what_is_heard_too_often(dump):
    everything = windows(dump)
    (dump / "train/audio/frequent").write_text(f"d1-A {30 / RATE:.6f} {40 / RATE:.6f} 12\n")
    left = windows(dump)
    assert set(left.windows) < set(everything.windows)
    assert ("d1-A", 0) in left.windows and ("d1-A", 30) not in left.windows
    assert ("d1-B", 30) not in left.windows  # who talks with d1-A hears it too
    possible = {
        delayed_input(LAYOUT, left.recordings.grid("d1-A", start, start + 30), MODEL.delays("asr"))[
            :, :31
        ].tobytes(): start
        for start in range(60)
    }
    for index in range(200):
        assert possible.get(left(Key(0, index))["tokens"].tobytes(), 0) in (0, *range(40, 60))
    (dump / "train/audio/frequent").write_text("".join(f"{key} 0.00 99.00 12\n" for key in left.recordings.keys))
    with pytest.raises(AudiolmError, match="every window of .* meets a frequent segment"):
        windows(dump)


def test_masks_have_their_shares(dump):
    masked = [
        windows(dump, text_mask=0.3, user_mask=0.6, own_input_mask=0.25, depth_fraction=0.5)(Key(0, i))
        for i in range(300)
    ]
    two = [e for e in masked if (e["tokens"][LAYOUT.main, 1] >= 0).all()]
    assert abs(np.mean([e["hidden"][0].mean() for e in masked]) - 0.25) < 0.03
    assert not any(e["hidden"][:, 0].any() or e["hidden"][1].any() for e in masked)
    assert 0.5 < np.mean([(e["tokens"][LAYOUT.user] == ABSENT).all() for e in two]) < 0.8
    assert {int(e["depth_frames"].sum()) for e in masked} == {15}


def test_validation_shows_no_text_to_a_task_that_never_sees_any(dump):
    mix = {"asr": MixConfig(), "dialogue": MixConfig(text_mask=1.0), "tts": MixConfig(weight=0.0)}
    config = DataConfig(str(dump / "train"), str(dump / "dev"), frames=20, valid_windows=3, mix=mix)
    examples = validation_examples(config, model_config())
    assert sorted(examples) == ["asr", "dialogue"]
    assert all((example["tokens"][0] == ABSENT).all() for example in examples["dialogue"])
    assert any((example["tokens"][0] >= 4).any() for example in examples["asr"])


def test_windows_begin_between_words(dump):
    drawn = windows(dump)
    text = drawn.recordings.text.read("d1-A")[:, 0]
    pieces = np.flatnonzero(text > PAD)
    for start in range(55):
        begun = drawn._between_words("d1-A", start)
        before = pieces[pieces <= start]
        inside = len(before) and 0 < start - before[-1] < 6  # half a second of 12.5 frames a second
        expected = min([before[-1] + 6, *pieces[pieces > start]]) if inside else start
        assert begun == min(expected, drawn._clip("d1-A", 60))
    assert drawn._between_words("x", 17) == 17  # has no text


def test_depth_frames_prefer_the_sound_of_words(dump):
    for weight in (1, 20):
        chosen, spoken = [], []
        for index in range(200):
            example = windows(dump, depth_fraction=0.3, depth_speech=weight)(Key(0, index))
            chosen.append(example["depth_frames"])
            # Recognition: text is four frames behind the sound; a word sounds for half a second. The last words'
            # text is beyond the window.
            spoken.append(np.pad(sounding(example["tokens"][0, 5:], 6, TEXT), (0, 4)))
        chosen, spoken = np.array(chosen), np.array(spoken)
        assert (chosen.sum(axis=1) == 9).all()
        share = spoken[chosen].mean()
        assert share == pytest.approx(spoken.mean(), abs=0.05) if weight == 1 else share > spoken.mean() + 0.2


def test_pauses_are_cut_where_nobody_answers(dump):
    cut = windows(dump, user_mask=0.5, pause=2)
    grids = {key: cut.recordings.grid(key, 0, 60, user=False) for key in cut.recordings.keys}
    dense = {key: shorten_pauses(grid, 6, 2, TEXT) for key, grid in grids.items()}
    assert any(dense[key].shape[1] < cut.recordings.num_frames(key) for key in dense)
    whole = [windows(dump, user_mask=0.5)(Key(0, i)) for i in range(100)]
    for index in range(100):
        tokens = cut(Key(0, index))["tokens"]
        assert tokens.shape == (LAYOUT.num_streams, 31)
        if (tokens[LAYOUT.user] != ABSENT).any():
            assert (tokens == whole[index]["tokens"]).all()  # somebody answers: time goes on as it did
        else:
            row = tokens[1, 1:][tokens[1, 1:] >= 0]  # the first level, not delayed
            assert any(row.tobytes() in grid[1].tobytes() for grid in dense.values())


def test_bad_archives_are_named(dump):
    with pytest.raises(AudiolmError, match="expects 4 levels of 8; set model.levels"):
        Recordings(dump / "train", model_config(levels=4).layout)
    with pytest.raises(AudiolmError, match="text of 20 ids, the model has 10; raise model.text_vocab"):
        Recordings(dump / "train", model_config(text_vocab=10).layout)
    with pytest.raises(AudiolmError, match="tokens were made by codec, the model in use is other"):
        Recordings(dump / "train", LAYOUT, codec="other")
    with TokenWriter(dump / "dev" / "text", "text", 1, Meta(RATE, (TEXT,), "tokenizer")) as writer:
        writer.write("d1-A", np.full((59, 1), 3))
    with pytest.raises(AudiolmError, match="'d1-A' has 60 frames of codes, its text 59"):
        Recordings(dump / "dev", LAYOUT).grid("d1-A", 0, 10)
    with TokenWriter(dump / "dev" / "text", "text", 1, Meta(25, (TEXT,), "tokenizer")) as writer:
        writer.write("d1-A", np.full((60, 1), 3))
    with pytest.raises(AudiolmError, match="codes have 12.5 frames a second, text 25"):
        Recordings(dump / "dev", LAYOUT)


def test_config_mistakes_are_named():
    mix = {"asr": MixConfig()}
    with pytest.raises(AudiolmError, match="unknown task 'ars'; did you mean 'asr'"):
        MoshiConfig(MODEL, DataConfig(mix={"ars": MixConfig()}))
    with pytest.raises(AudiolmError, match="no task to train"):
        MoshiConfig(MODEL, DataConfig(mix={}))
    with pytest.raises(AudiolmError, match="window of 4 frames, but task 'asr' delays a stream by 4"):
        MoshiConfig(MODEL, DataConfig(frames=4, mix=mix))


def test_training_writes_down_whether_it_learns_turns(dump, tmp_path):
    path = tmp_path / "exp" / "config.yaml"
    keys = {"system": "moshi", **plain(MoshiConfig(MODEL, DataConfig(str(dump / "train"), mix={"asr": MixConfig()})))}
    write_yaml(tmp_path / "given.yaml", keys)
    run = read_config([tmp_path / "given.yaml"])
    system = MoshiSystem(run.config)
    write_config(run, path.parent, system.found())
    assert load(path.parent)[1].data.turns is False
    with TokenWriter(dump / "train" / "text", "text", 1, Meta(12.5, (TEXT,), "tokenizer")) as writer:
        writer.write("d1-A", np.full((60, 1), BOS))
    write_config(run, path.parent, system.found())
    assert load(path.parent)[1].data.turns is True
    (path.parent / "checkpoints/step_1").mkdir(parents=True)
    check_config(run, path.parent)  # what was found is no change of the user's
    write_config(run, path.parent, {"data.frames": 77})
    with pytest.raises(AudiolmError, match="data.frames is 250, was 77"):
        check_config(run, path.parent)


def test_weights_remember_codec_and_tokenizer(dump):
    data = DataConfig(str(dump / "train"), str(dump / "dev"), frames=30, valid_windows=2, mix={"asr": MixConfig()})
    config = MoshiConfig(MODEL, data)
    system = MoshiSystem(config)
    system.examples()
    later = MoshiSystem(config)
    later.load_init(system.export_state())
    later.examples()
    with TokenWriter(dump / "train" / "codes", "codes", 1, Meta(RATE, (ENTRIES,) * LEVELS, "another")) as writer:
        writer.write("d1-A", np.zeros((60, LEVELS), np.int64))
    with pytest.raises(AudiolmError, match="trained on tokens of another codec than another"):
        later.examples()
    config.data.train, config.data.valid = config.data.valid, config.data.train  # and for what is validated on
    with pytest.raises(AudiolmError, match="trained on tokens of another codec than another"):
        later.examples()


def test_task_order_does_not_matter():
    swapped = ModelConfig(TEXT, tasks=dict(reversed(MODEL.tasks.items())))
    assert (
        [swapped.task_index(t) for t in ("asr", "dialogue", "tts")]
        == [0, 1, 2]
        == [MODEL.task_index(t) for t in ("asr", "dialogue", "tts")]
    )


def test_same_window_for_every_task_differs_by_delay_only(dump):
    recordings = Recordings(dump / "train", LAYOUT)
    for task in MODEL.tasks:
        tokens = window_example(recordings, MODEL, task, "d1-A", 5, 20)["tokens"]
        delayed, valid = delay(recordings.grid("d1-A", 5, 25), MODEL.delays(task))
        assert (tokens[:, 1:] == delayed[:, :20])[valid[:, :20]].all()
    assert torch.is_tensor(torch.from_numpy(tokens))


def test_of_both_speakers_words_both_inputs_are_hidden_and_only_common_pauses_are_cut(dump):
    with TokenWriter(dump / "train" / "text", "text", 1, Meta(RATE, (TEXT,), "tokenizer")) as writer:
        text = np.full(60, PAD)
        text[5:9], text[40:42], text[50:52] = [BOS, 7, EOS, 8], [BOS, 9], [EOS, 10]
        for key in ("d1-A", "d1-B"):
            writer.write(key, text[:, None])
    both = windows(dump, own_input_mask=0.5, pause=2)
    examples = [both(Key(0, i)) for i in range(60)]
    turns = [e for e in examples if np.isin(e["tokens"][0], (BOS, EOS)).any()]
    assert turns and all((e["hidden"][0] == e["hidden"][1]).all() and e["hidden"][1].any() for e in turns)
    texts = [e["tokens"][0].tolist() for e in turns]
    gaps = [text.index(9) - text.index(8) for text in texts if 8 in text and 9 in text]
    assert gaps and max(gaps) < 41 - 8  # 33 frames apart in the recording
