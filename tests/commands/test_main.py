"""The command line itself: names, and errors on one line whatever they are."""

import subprocess
import sys
from contextlib import suppress

import pytest

from audiolm.commands.main import VERBS, main

GENERATE = "generate --sets test --lm l --codec c --tokenizer t"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_overview_names_every_verb(capsys, option):
    assert main([option]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb}  " in out or f"\n  {verb} " in out for verb in VERBS)
    assert main([]) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_shows_only_defaults_that_there_are(capsys, verb):
    with suppress(SystemExit):
        main([verb, "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith(f"usage: audiolm {verb}") and "default: None" not in out


def test_a_reader_who_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m audiolm.commands.main train --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_a_verb_that_is_none(capsys):
    assert main(["aling", "--dir", "x"]) == 2
    assert capsys.readouterr().err == "audiolm: error: unknown verb 'aling'; did you mean 'align'?\n"


def test_what_the_system_refuses_is_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "log").touch()  # a file where a folder should be
    words = ["launch", str(tmp_path / "log" / "x.log"), "true"]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"audiolm launch: error: cannot read or write {tmp_path}/log") and error.count("\n") == 1
    monkeypatch.setenv("AUDIOLM_DEBUG", "1")
    with pytest.raises(OSError):
        main(words)


@pytest.mark.parametrize(
    "words, reason",
    [
        ("simulate scripts --hours 0", "--hours 0 and --eval_minutes 8: expected both above 0"),
        ("simulate scripts --grammar json", "--grammar json: module json has no TOPICS, opening, closing, BACK"),
        ("simulate scripts --hours nan", "--hours nan and"),
        ("text --sets dev --tokenizer x --frame_rate 0", "--frame_rate 0: expected frames a second"),
        ("audio --sets dev --fs 8000", "no data directory"),
        (f"{GENERATE} --batch 0", "--batch 0: expected a number, at least 1"),
        (f"{GENERATE} --tts_temperature nan", "--tts_temperature: found 'nan' in the command line, expected float"),
        (f"{GENERATE} --max_silence nan", "--max_silence: found 'nan' in the command line, expected float"),
        (f"{GENERATE} --repetition_window -1", "--repetition_window: found -1, expected a number of at least 0"),
        (f"{GENERATE} --prompt 15", "--prompt: found 15, expected less than --seconds 15, which it is part of"),
        ("merge --sets dev --kind code --num_jobs 1", "--kind code: no array verb of that name; did you mean 'codes'?"),
        ("merge --sets dev --kind codes --num_jobs 1 --max_rejected 1.5", "--max_rejected 1.5: expected a share"),
    ],
)
def test_values_that_cannot_be(tmp_path, capsys, words, reason):
    assert main([*words.split(), "--dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words, reason",
    [
        ("audio --allow_pipe", "the following arguments are required: --dir, --sets, --fs"),
        (
            "audio --dir x --sets s --fs 8000 --allow_pipe",
            "--allow_pipe; did you mean '--allow_pipes'? (audiolm",
        ),
        (
            "audio --dir x --sets s --fs fast",
            "argument --fs: invalid int value: 'fast' (audiolm audio --help",
        ),
        ("datadir validate x --odd", "audiolm datadir: error: unrecognized arguments: --odd (audiolm datadir --help"),
        ("corpus ami --corpus_dir x --dir y --mik mix", "unrecognized arguments: --mik mix; did you mean '--mic'?"),
    ],
)
def test_wrong_usage_is_one_line(capsys, words, reason):
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    error = capsys.readouterr().err
    assert stop.value.code == 2 and reason in error and error.count("\n") == 1


def test_a_corpus_folder_that_is_not_named_is_not_the_current_one(tmp_path, capsys):
    assert main(["corpus", "two_channel", "--corpus_dir", "", "--dir", str(tmp_path)]) == 1
    assert "--corpus_dir names nothing; give it the folder" in capsys.readouterr().err


def test_a_set_without_transcripts_teaches_no_tokenizer(tmp_path, capsys):
    assert main(["tokenizer", "--text", str(tmp_path / "text"), "--out", str(tmp_path / "t")]) == 1
    assert f"no {tmp_path}/text to learn from: the set has no transcripts" in capsys.readouterr().err
