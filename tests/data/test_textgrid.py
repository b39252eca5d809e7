"""TextGrids: every tier covers the time without holes, nothing is lost, overlaps get tiers of their own."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from audiolm.commands.main import main
from audiolm.data.tables import Turn, Word, write_ctm, write_rttm
from audiolm.data.textgrid import _filled, _layers, write_textgrid

TIMES = st.integers(0, 9000).map(lambda n: n / 1000)


@example([(0.102, 0.118, "a"), (0.22, 0.001, "a")])  # the first ends at 0.21999999999999997
@given(st.lists(st.tuples(TIMES, st.integers(1, 3000).map(lambda n: n / 1000), st.text("ab", min_size=1)), max_size=20))
def test_tiers_touch_and_keep_every_interval(entries):
    intervals = [(start, min(round(start + length, 6), 10.0), label) for start, length, label in entries]
    layers = _layers("t", intervals)
    kept = []
    for _, layer in layers:
        filled = list(_filled(layer, 10.0))
        assert filled[0][0] == 0 and filled[-1][1] == 10.0
        assert all(a[1] == b[0] for a, b in zip(filled, filled[1:], strict=False))
        kept += [interval for interval in filled if interval[2]]
    assert sorted(kept) == sorted(intervals)


def test_the_long_format(tmp_path):
    write_textgrid(tmp_path / "a.TextGrid", {"words": [(0.5, 1.0, 'say "so"')]}, 2.0)
    text = (tmp_path / "a.TextGrid").read_text()
    assert text.startswith(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2.00\ntiers? <exists>\n'
    )
    assert "intervals: size = 3" in text and 'text = "say ""so"""' in text
    assert re.findall(r"xm(?:in|ax) = ([\d.]+)", text)[4:] == ["0.00", "0.50", "0.50", "1.00", "1.00", "2.00"]


def test_the_verb_writes_a_file_for_every_recording_with_its_channels(tmp_path, capsys):
    (tmp_path / "wav.scp").write_text("c-A c.wav\nc-B c.wav\n")
    (tmp_path / "reco2file_and_channel").write_text("c-A c A\nc-B c B\n")
    (tmp_path / "reco2dur").write_text("c-A 3.00\nc-B 3.00\n")
    assert main(["datadir", "textgrid", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "neither ctm nor rttm" in capsys.readouterr().err
    write_rttm(tmp_path / "rttm", [Turn("c", "1", 0.0, 2.0, "x"), Turn("c", "2", 1.0, 1.0, "y")])
    write_ctm(tmp_path / "found", [Word("c", "A", 0.1, 0.2, "one"), Word("c", "2", 1.1, 0.2, "two")])
    command = ["datadir", "textgrid", str(tmp_path), str(tmp_path / "out"), "--ctm", str(tmp_path / "found")]
    assert main(command) == 0
    names = re.findall(r'name = "([^"]*)"', (tmp_path / "out/c.TextGrid").read_text())
    assert names == ["speaker x", "speaker y", "words A", "words B"]
    write_ctm(tmp_path / "found", [Word("c", "30", 0.1, 0.2, "one")])
    assert main(command) == 0
    assert 'name = "words 30"' in (tmp_path / "out/c.TextGrid").read_text()
    write_ctm(tmp_path / "found", [Word("d", "A", 0.1, 0.2, "one")])
    assert main(command) == 1
    assert f"{tmp_path}/found names a recording 'd' (at 0.10 s), which {tmp_path}/wav.scp" in capsys.readouterr().err
