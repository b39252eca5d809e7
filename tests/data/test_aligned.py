"""Archives of several frame rates, read together by seconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.data.aligned import Aligned, frame_at
from audiolm.data.features import FeatureMeta, FeatureWriter
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError


@pytest.fixture
def dump(tmp_path):
    """Units at 25 Hz, codes at 12.5, features at 50, phones without times; each frame holds its own number."""
    frames = {"a": {"units": 51, "codes": 25, "whisper": 101}, "b": {"units": 4, "codes": 4, "whisper": 8}}
    for kind, rate in (("units", 25), ("codes", 12.5), ("phones", 0)):
        with TokenWriter(tmp_path / kind, kind, 1, Meta(rate, (200,), kind)) as writer:
            for key, lengths in frames.items():
                writer.write(key, np.arange(lengths.get(kind, 7))[:, None])
            if kind == "units":
                writer.write("c", np.zeros((5, 1), int))
    with FeatureWriter(tmp_path / "whisper", "whisper", 1, FeatureMeta(50, 2, "toy", "w")) as writer:
        for key, lengths in frames.items():
            writer.write(key, np.arange(lengths["whisper"], dtype=np.float32)[:, None].repeat(2, axis=1))
    return tmp_path


def test_an_item_and_windows_of_it(dump):
    aligned = Aligned(dump, ["units", "codes", "whisper"], {"units": "units"})
    assert aligned.seconds("a") == pytest.approx(2.0)
    assert {kind: len(part) for kind, part in aligned.read("a").items()} == {"units": 51, "codes": 25, "whisper": 101}
    window = aligned.read("a", 0.8, 1.6)
    assert [(part[0, 0], len(part)) for part in window.values()] == [(20, 20), (10, 10), (40, 40)]
    windows = [aligned.read("a", *times) for times in ((0, 0.5), (0.5, 1.3), (1.3, None))]
    for kind, count in aligned.num_frames("a").items():
        assert np.concatenate([window[kind][:, 0] for window in windows]).tolist() == list(range(count))


@given(st.lists(st.floats(0, 60), min_size=2, max_size=5), st.sampled_from([12.5, 21.53, 25, 50, 75]))
def test_windows_that_follow_each_other_part_the_frames(times, rate):
    places = [frame_at(time, rate) for time in sorted(times)]
    assert places == sorted(places)
    for time, place in zip(sorted(times), places, strict=True):
        assert (place + 0.5) / rate >= time - 1e-6 and (place == 0 or (place - 0.5) / rate < time + 1e-6)


def test_what_differs_or_is_missing_is_named(dump):
    aligned = Aligned(dump, ["units", "codes", "whisper"])
    with pytest.raises(AudiolmError, match=r"'b' has 0.160 s of 'units' and 0.320 s of 'codes', more than a frame of"):
        aligned.read("b")
    assert Aligned(dump, ["units", "whisper"]).seconds("b") == pytest.approx(0.16)
    assert aligned.items() == ["a", "b", "c"] and aligned.missing("c") == ["codes", "whisper"]
    with pytest.raises(AudiolmError, match="'c' is not in 'codes'; run the stage that writes it"):
        aligned.read("c")
    with pytest.raises(AudiolmError, match="'a' has 2.000 s, 1.0 to 9.0 s were asked for"):
        aligned.read("a", 1.0, 9.0)
    with pytest.raises(AudiolmError, match="'units' tokens were made by units, the model in use is other"):
        Aligned(dump, ["units"], {"units": "other"})
    with pytest.raises(AudiolmError, match="no kinds of archive"):
        Aligned(dump, [])


def test_entries_without_times_are_read_whole(dump):
    aligned = Aligned(dump, ["phones", "codes"])
    assert [len(part) for part in aligned.read("a").values()] == [7, 25]
    with pytest.raises(AudiolmError, match="'phones' has no times, so no window of 'a' can be read"):
        aligned.read("a", 0.0, 1.0)
