"""Cuts of long recordings: nothing is lost, nothing is too long, and pauses are preferred."""

from hypothesis import given
from hypothesis import strategies as st

from audiolm.annotate.segmentation import cut_at_pauses
from audiolm.annotate.turns import union

REGIONS = st.lists(st.tuples(st.floats(0, 300), st.floats(0.1, 20)).map(lambda p: (p[0], p[0] + p[1])), max_size=30)


@given(REGIONS, st.floats(0.1, 400), st.floats(5, 60), st.floats(0, 0.9))
def test_parts_touch_cover_everything_and_are_short(regions, duration, longest, share):
    speech = [(s, min(e, duration)) for s, e in union(regions) if s < duration]
    parts = cut_at_pauses(speech, 0.0, duration, longest, share * longest)
    assert parts[0][0] == 0.0 and parts[-1][1] == duration
    assert all(a[1] == b[0] for a, b in zip(parts, parts[1:], strict=False))
    assert all(0 < end - start <= longest + 1e-9 for start, end in parts)


def test_the_longest_pause_within_reach_is_taken_and_the_later_of_equals():
    speech = [(0, 3), (5, 7), (8, 12), (13, 20)]
    assert cut_at_pauses(speech, 0, 20, 14) == [(0, 4.0), (4.0, 12.5), (12.5, 20)]
    assert cut_at_pauses(speech, 0, 20, 14, shortest=6) == [(0, 12.5), (12.5, 20)]


def test_speech_without_a_pause_is_cut_at_the_limit():
    assert cut_at_pauses([(0, 25)], 0, 25, 10) == [(0, 10), (10, 20), (20, 25)]
