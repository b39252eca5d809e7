"""A paper's table with a row of ours, in every form; what differs is told."""

import json

import pytest

from audiolm.commands.main import main
from audiolm.score.paper_tables import all_tables, find_table, ours_in
from audiolm.score.record import Score
from audiolm.score.results import collect


@pytest.fixture
def work(tmp_path):
    told = {"unit": "%", "checksum": "", "data": "test", "count": 9}
    scores = [
        Score("wer_asr", 7.5, protocol="greedy", backend="lm_1", **told),
        Score("wer_tts_ctc", 20.0, protocol="heard", backend="the CTC model", **told),
        Score("wer_tts_pocketsphinx", 43.0, protocol="heard", backend="PocketSphinx & co", **told),
    ]
    for score in scores:
        score.write(tmp_path / "exp/lm/scores")
    return tmp_path


def test_ours_are_the_scores_of_the_columns_by_the_most_independent_judge(work):
    found = ours_in(find_table("moshi.section_5.7"), collect(work))
    assert [score.metric for score in found] == ["wer_asr", "wer_tts_pocketsphinx"]
    assert ours_in(find_table("moshi.4"), collect(work)) == [None] * 4


def test_every_table_has_a_value_for_every_column():
    tables = all_tables()
    assert {"moshi.4", "melle.1", "valle2.1", "spiritlm.3", "codecs.1"} <= tables.keys()
    for table in tables.values():
        assert table.rows and all(len(values) == len(table.columns) for values in table.rows.values())
        assert table.checked in ("primary", "secondary", "no") and "20" in table.source


@pytest.mark.parametrize(
    ("form", "has"),
    [
        ([], ["ours", "7.500*", "43.0*", "Moshi 7B", "PocketSphinx & co; heard", "(values checked: secondary)"]),
        (["--markdown"], ["| ours | 7.500* | 43.0* |", "| Moshi 7B | 5.7 | 4.7 |"]),
        (["--latex"], [r"ours & 7.500* & 43.0* \\\\", r"Moshi 7B & 5.7 & 4.7 \\\\", r"\\begin{tabular}{lrr}"]),
    ],
)
def test_the_forms_of_a_table(work, form, has, capsys):
    assert main(["results", "--dir", str(work), "--table", "moshi.section_5.7", *form]) == 0
    out = capsys.readouterr().out
    assert all(text.replace("\\\\", "\\") in out for text in has), out


def test_json_and_the_forms_of_all_results(work, capsys):
    assert main(["results", "--dir", str(work), "--table", "moshi.section_5.7", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ours"]["word error rate of streaming TTS"]["value"] == 43.0
    assert told["published"]["Moshi 7B"]["word error rate of streaming ASR"] == 5.7
    assert main(["results", "--dir", str(work), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["label"] == "streaming ASR, word error rate" and rows[0]["value"] == 7.5
    assert main(["results", "--dir", str(work), "--latex"]) == 0
    assert r"7.5 \% &" in capsys.readouterr().out
    assert main(["results", "--dir", str(work), "--markdown"]) == 0
    assert "| streaming ASR, word error rate | 7.5 % |" in capsys.readouterr().out


def test_a_table_that_is_not_there_has_neighbours(work, capsys):
    assert main(["results", "--dir", str(work), "--table", "moshi.44"]) == 1
    assert "--table moshi.44: no such table; the nearest are: moshi.4, " in capsys.readouterr().err
    assert main(["results"]) == 1
    assert "no --dir: name the recipe's work directory" in capsys.readouterr().err
    assert main(["results", "--table", "list"]) == 0
    assert "melle.1: Zero-shot TTS" in capsys.readouterr().out
