import pytest

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.score.published import CHECKED, beside, published_values
from audiolm.score.record import Score
from audiolm.score.results import as_markdown, as_text, collect, is_better, mean_of_runs, number, place, write_section


def score(metric: str, value: float = 5.0, **fields) -> Score:
    given = {"unit": "%", "protocol": "counted", "backend": "by hand", "checksum": "", "data": "test", "count": 9}
    return Score(metric, value, **{**given, **fields})


@pytest.fixture
def work(tmp_path):
    score("wer_asr", 5.7, ci=(4.04, 7.0), baseline=100.0, baseline_name="silence").write(tmp_path / "exp/lm_2/scores")
    score("wer_asr", 9.1).write(tmp_path / "exp/lm_1/scores")
    score("der", 3.0, backend="a|b").write(tmp_path / "exp/diarize/scores")
    score("strange_thing", 1.0, unit="", better=None).write(tmp_path / "exp/x/y/scores")
    return tmp_path


def test_rows_come_in_the_order_of_the_layout_and_none_is_lost(work):
    rows = collect(work)
    assert [row.score.metric for row in rows] == ["der", "wer_asr", "wer_asr", "strange_thing"]
    assert [row.experiment for row in rows] == ["diarize", "lm_1", "lm_2", "x/y"]
    assert rows[1].label.endswith("(lm_1)") and rows[0].label == "diarization error rate"
    assert rows[-1].section == "Other" and rows[-1].label == "strange thing"


def test_the_text_table_is_aligned_and_names_published_values(work):
    lines = as_text(collect(work)).splitlines()
    values = [line for line in lines if " %  " in line and line.startswith("  ")]
    assert len({line.index(" %  ") for line in values}) == 1
    assert "4.0 to 7.0" in lines[4] or any("4.0 to 7.0" in line for line in lines)
    assert any("Moshi 7B 5.7 %" in line and "2410.00037" in line for line in lines)


def test_markdown_keeps_its_columns(work):
    table = [line for line in as_markdown(collect(work)).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "a\\|b" in "".join(table)


def test_runs_of_several_seeds_become_means_with_their_range(tmp_path):
    for run, (value, baseline) in enumerate([(4.0, 9.0), (6.0, 11.0), (8.0, 13.0)]):
        score("wer_asr", value, baseline=baseline, baseline_name="silence").write(tmp_path / f"{run}/exp/lm/scores")
    works = [tmp_path / str(run) for run in range(3)]
    (row,) = mean_of_runs(works)
    assert (row.score.value, row.score.ci, row.score.baseline, row.score.count) == (6.0, (4.0, 8.0), 11.0, 27)
    assert "mean of 3 runs" in as_text([row]) and "least to most" in as_markdown([row])
    assert mean_of_runs(works[:1]) == collect(works[0])
    score("der", 3.0).write(tmp_path / "1/exp/diarize/scores")
    with pytest.raises(AudiolmError, match="0 has no score 'der' of diarize"):
        mean_of_runs(works)


def test_no_scores_is_an_error_that_names_the_stage(tmp_path):
    with pytest.raises(AudiolmError, match="no scores in .*stage 'score'"):
        collect(tmp_path)


@pytest.mark.parametrize(
    "value, better, expected", [(5, "lower", True), (11, "lower", False), (11, "higher", True), (5, None, None)]
)
def test_better_than_the_baseline(value, better, expected):
    assert is_better(score("x", value, baseline=10.0, better=better)) is expected


@pytest.mark.parametrize(
    ("ci", "value", "baseline", "better", "expected"),
    [
        ((4.0, 9.0), 5.0, 10.0, "lower", True),
        ((4.0, 11.0), 5.0, 10.0, "lower", False),  # the baseline may as well be chance
        ((11.0, 14.0), 12.0, 10.0, "higher", True),
        ((9.0, 14.0), 12.0, 10.0, "higher", False),
        (None, 100.0, 125.0, "lower", False),  # silence has no more errors
    ],
)
def test_better_is_what_the_interval_shows(ci, value, baseline, better, expected):
    assert is_better(score("x", value, ci=ci, baseline=baseline, better=better)) is expected


def test_numbers_have_the_figures_of_their_unit():
    assert [number(12.345, unit) for unit in ("%", "s", "dB", "nats", "")] == [
        "12.3 %", "12.345 s", "12.3 dB", "12.345 nats", "12.3",
    ]  # fmt: skip


def test_patterns_name_what_they_matched():
    assert place("wer_tts_pocketsphinx")[1:] == ("Through the model", "streaming TTS, word error rate, pocketsphinx")
    assert place("der_collar")[2] == "diarization error rate, collar 0.25 s"


def test_sections_of_a_file_are_replaced_one_by_one(tmp_path):
    path = tmp_path / "RESULTS.md"
    write_section(path, "demo", "Demo", "first")
    write_section(path, "1h", "One hour", "second")
    path.write_text(path.read_text().replace("# Results", "# Results\n\nWritten by hand."))
    write_section(path, "demo", "Demo", "third")
    text = path.read_text()
    assert "first" not in text and text.index("third") < text.index("second") and "Written by hand." in text
    write_section(path, "demo", "Demo", "third")
    assert path.read_text() == text
    path.write_text(text.replace("<!-- end demo -->", ""))
    with pytest.raises(AudiolmError, match="without '<!-- end demo -->'"):
        write_section(path, "demo", "Demo", "fourth")


def test_the_verb_prints_and_writes(work, capsys):
    argv = ["results", "--dir", str(work), "--write", str(work / "RESULTS.md"), "--name", "smoke"]
    assert main(argv) == 0
    assert "diarization error rate" in capsys.readouterr().out
    assert "begin smoke" in (work / "RESULTS.md").read_text()


def test_published_values_name_their_source_and_how_they_were_checked():
    values = published_values()
    assert len(values) > 80
    for value in values:
        assert value.source and value.table and value.row and value.checked in CHECKED
        assert value.better in ("lower", "higher", None)
    assert [value.value for value in beside("wer_tts_pocketsphinx")] == [4.7]
    assert not beside("wer")
