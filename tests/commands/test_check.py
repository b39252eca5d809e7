"""Options of a recipe's stages, looked at before the first stage runs."""

import io

import pytest

from audiolm.commands.main import main

CONF = "egs/mini/dialogue1/conf"
TRAIN = ["train", "--exp", "x", "--config"]
CODEC = [*TRAIN, f"{CONF}/codec.yaml", "--train_dir", "t", "--valid_dir", "v"]
RECOGNIZER = [*TRAIN, f"{CONF}/recognizer.yaml", "--train_data", "dump/train/audio", "--valid_data", "dump/dev/audio"]
ALIGN = ["align", "--dir", "w", "--sets", "train", "--backend"]


@pytest.fixture
def check(monkeypatch, capsys, tmp_path, request):
    monkeypatch.chdir(request.config.rootpath)

    def run(*words, options=()):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{word}\0" for word in ("it", len(words), *words))))
        status = main(["check", "--dir", str(tmp_path), "--fs", "8000", "--frame_rate", "12.5", *options])
        said = capsys.readouterr().err
        assert (status == 0) == (not said)
        return said

    return run


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            [*ALIGN, "wisper"],
            "no aligner 'wisper'; did you mean 'whisper'?; choose from: given, pocketsphinx, ctc",
        ),
        (
            [*ALIGN, "whisper"],
            "needs a Whisper model: name its folder, file, hub id or name with --model",
        ),
        ([*ALIGN, "whisper", "--model", "./none"], "--model ./none: there is no such file or folder"),
        ([*ALIGN, "whisper", "--modle", "x"], "unrecognized arguments: --modle x; did you mean '--model'?"),
        (["diarize", "--dir", "w", "--sets", "train", "--backend", "chanels"], "did you mean 'channels'?"),
        ([*CODEC, "--quantizer.nq", "4"], "unknown key 'quantizer.nq' in the command line; did you mean 'n_q'?"),
        (
            [*CODEC, "--sample_rate", "16000"],
            "a codec of 16000 Hz (sample_rate): expected one rate; run",
        ),
        ([*CODEC, "--frame_rate", "25"], "makes a codec of 25 frames a second: run with --frame_rate 25"),
        ([*RECOGNIZER, "--model.sample_rate", "16000"], "--fs 8000 makes audio of 8000 Hz, and"),
    ],
)
def test_a_mistake_is_told_with_its_stage(check, words, says):
    assert says in (said := check(*words)) and said.startswith("error: stage it: ")


def test_what_is_right_is_remembered_until_it_changes(check, tmp_path, monkeypatch):
    for words in ([*ALIGN, "pocketsphinx"], CODEC, RECOGNIZER):
        check(*words)
    mark = ["--mark", str(tmp_path / "checked")]
    check(*CODEC, options=mark)
    monkeypatch.setattr("audiolm.commands.check.check", None)  # is not called
    check(*CODEC, options=mark)
    with pytest.raises(TypeError):
        check(*CODEC, "--quantizer.n_q", "4", options=mark)


def test_sets_without_transcripts_want_what_hears_words(check, tmp_path):
    (tmp_path / "data/train").mkdir(parents=True)
    sets = ["--sets", "train", "dev"]
    check(*RECOGNIZER, options=sets)  # the corpus has not been read
    (tmp_path / "data/train/wav.scp").touch()
    assert "'train' has no transcripts" in (said := check(*RECOGNIZER, options=sets))
    assert "--recognizer DIR" in said and "--teacher none" in said
    assert "whisper_timestamped, whisper, faster_whisper, pocketsphinx_transcribe" in check(
        *ALIGN, "ctc", "--recognizer", "r", options=sets
    )
    check(*ALIGN, "pocketsphinx_transcribe", options=sets)
    (tmp_path / "data/train/text").write_text("a b\n")
    check(*RECOGNIZER, options=sets)
