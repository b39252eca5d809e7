"""Turns joined, and conversations counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiolm.annotate.turns import Events, SpeakerTurn, join_turns, turn_statistics, union

TURNS = st.lists(
    st.builds(
        lambda start, length, speaker: SpeakerTurn(start / 10, (start + length) / 10, speaker),
        st.integers(0, 60),
        st.integers(1, 20),
        st.sampled_from("abc"),
    ),
    max_size=8,
)


def speaking(turns, tick):
    """Who speaks in the tenth of a second that begins at tick / 10 s."""
    middle = tick / 10 + 0.05
    return {turn.speaker for turn in turns if turn.start < middle < turn.end}


def test_a_short_pause_does_not_end_a_turn_unless_another_speaks_in_it():
    monologue = [SpeakerTurn(0.0, 1.0, "a"), SpeakerTurn(1.2, 2.0, "a"), SpeakerTurn(2.4, 3.0, "a")]
    assert join_turns(monologue) == [SpeakerTurn(0.0, 2.0, "a"), SpeakerTurn(2.4, 3.0, "a")]
    assert join_turns([*monologue, SpeakerTurn(0.9, 1.1, "b")])[0] == SpeakerTurn(0.0, 1.0, "a")


@given(TURNS)
def test_joining_adds_only_pauses_that_nobody_fills(turns):
    joined = join_turns(turns, 0.3)
    assert join_turns(joined, 0.3) == joined
    for tick in range(85):
        before, after = speaking(turns, tick), speaking(joined, tick)
        assert after == before or (not before and len(after) == 1)


@given(TURNS)
def test_union_is_disjoint_ordered_and_covers_the_same(turns):
    regions = union((turn.start, turn.end) for turn in turns)
    assert all(end < start for (_, end), (start, _) in zip(regions, regions[1:], strict=False))
    for tick in range(85):
        middle = tick / 10 + 0.05
        assert any(start < middle < end for start, end in regions) == bool(speaking(turns, tick))


def test_a_conversation_counted_by_hand():
    # a: 0-1, 1.1-2 (one IPU: the silence is under 0.2 s), 2.5-3; b: 2.8-4 (overlaps a), 5-6; a: 6.5-7
    turns = [
        SpeakerTurn(0.0, 1.0, "a"),
        SpeakerTurn(1.1, 2.0, "a"),
        SpeakerTurn(2.5, 3.0, "a"),
        SpeakerTurn(2.8, 4.0, "b"),
        SpeakerTurn(5.0, 6.0, "b"),
        SpeakerTurn(6.5, 7.0, "a"),
    ]
    found = turn_statistics(turns)
    assert found.ipu.count == 5 and found.ipu.seconds == pytest.approx(2.0 + 0.5 + 1.2 + 1.0 + 0.5)
    assert found.pause.count == 2 and found.pause.seconds == pytest.approx(0.5 + 1.0)  # a's 2-2.5, b's 4-5
    assert found.gap.count == 1 and found.gap.seconds == pytest.approx(0.5)  # 6-6.5
    assert found.overlap.count == 1 and found.overlap.seconds == pytest.approx(0.2)
    assert found.ipu.per_minute(30.0) == Events(10.0, pytest.approx(2 * found.ipu.seconds))


def test_a_backchannel_inside_a_turn_leaves_the_turn_holder_with_the_silence():
    turns = [SpeakerTurn(0.0, 3.0, "a"), SpeakerTurn(1.0, 1.5, "b"), SpeakerTurn(4.0, 5.0, "a")]
    found = turn_statistics(turns)
    assert (found.pause.count, found.gap.count, found.overlap.seconds) == (1, 0, 0.5)


@given(TURNS)
def test_statistics_account_for_all_time(turns):
    found = turn_statistics(turns)
    if not turns:
        assert found.ipu.count == 0
        return
    ipus = [SpeakerTurn(*unit) for unit in _ipus(turns)]
    silence = sum(not speaking(ipus, tick) for tick in range(_first(ipus), _last(ipus))) / 10
    several = sum(len(speaking(ipus, tick)) > 1 for tick in range(85)) / 10
    assert found.pause.seconds + found.gap.seconds == pytest.approx(silence, abs=1e-6)
    assert found.overlap.seconds == pytest.approx(several, abs=1e-6)


def _ipus(turns):
    for speaker in {turn.speaker for turn in turns}:
        yield from join_turns([turn for turn in turns if turn.speaker == speaker], 0.2)


def _first(turns):
    return round(10 * min(turn.start for turn in turns))


def _last(turns):
    return round(10 * max(turn.end for turn in turns))
