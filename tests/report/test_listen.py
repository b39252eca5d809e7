import numpy as np
import pytest

from audiolm.data.datadir import DataDir, Segment
from audiolm.report.listen import clip, compared, references_of


@pytest.mark.parametrize(
    "said, heard, line",
    [
        ("one two", "one two", "one two"),
        ("one two", "", "<del>one two</del>"),
        ("one", "one <b>", "one <ins>&lt;b&gt;</ins>"),
        ("a b c", "a x c", "a <del>b</del> <ins>x</ins> c"),
    ],
)
def test_differences_are_marked(said, heard, line):
    assert compared(said.split(), heard.split()) == line


def test_references_are_in_order_of_time():
    data = DataDir(
        wav={"r": "r.flac"},
        segments={"a": Segment("r", 2.0, 3.0), "b": Segment("r", 0.0, 1.0)},
        text={"a": "two", "b": "one"},
    )
    assert references_of(data) == {"r": "one two"}


def test_a_stereo_clip_shows_both_channels_and_the_prompt():
    wav = np.random.default_rng(0).uniform(-1, 1, (800, 2))
    html = clip(wav, 800, "caption", shaded=0.25)
    assert html.count('class="wave s0"') == html.count('class="wave s1"') == 1
    assert 'class="given" x="0" y="0" width="150.0"' in html and 'data-seconds="1.000"' in html
