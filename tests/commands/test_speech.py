"""The verbs transcribe and say: files and pipes to words with times, words to sound, and what they refuse."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
import yaml

import audiolm
from audiolm.commands.main import main
from audiolm.commands.parts import load_model
from audiolm.data.tables import read_ctm
from audiolm.lm.sampling import Sampling
from audiolm.models.moshi.bundle import write_bundle
from audiolm.models.moshi.generate import MoshiStream, SampledText, complete
from audiolm.models.moshi.live import LiveStream
from audiolm.models.moshi.modes import recognise
from audiolm.models.moshi.parts import load_parts
from audiolm.streams.grid import TO_GENERATE, build_grid
from audiolm.streams.text import read_text
from audiolm.text.normalize import tidy
from audiolm.text.tokenizer import WORD_START, Tokenizer
from tests.models.tiny_parts import write_parts
from tests.text.tiny_bpe import make as make_tokenizer


@pytest.fixture
def model(tmp_path) -> Path:
    """A model exported into one directory."""
    parts = write_parts(tmp_path)
    write_bundle(**parts)
    return Path(parts["out"])


@pytest.fixture
def talk(tmp_path) -> Path:
    """Two channels of noise, 2 s."""
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "talk.wav", 0.1 * rng.standard_normal((16000, 2)), 8000)
    return tmp_path / "talk.wav"


def run(verb, *arguments) -> int:
    return main([verb, *map(str, arguments)])


def heard(model: Path, path: Path, user: bool = False) -> list[tuple[float, str]]:
    """Times and words of the first channel by the functions beneath."""
    parts = load_parts(model / "lm", model / "codec", model / "tokenizer")
    wav = torch.from_numpy(soundfile.read(path, dtype="float32", always_2d=True)[0].T.copy())
    first, *others = audiolm.load_codec(model / "codec").encode(wav[:, None]).transpose(1, 2).numpy()
    grid = build_grid(parts.layout, None, first, others[0] if user else None)
    words = read_text(recognise(parts.model, [grid])[0], parts.word_initial)
    spelt = [(word.start(12.5), "".join(tidy(parts.tokenizer.decode(word.pieces)).split())) for word in words]
    return [(start, word) for start, word in spelt if word]


def test_transcripts_are_what_the_model_hears(model, talk, tmp_path, capsys):
    (tmp_path / "bad.wav").write_text("no audio", encoding="utf-8")
    out = tmp_path / "asr"
    assert run("transcribe", talk, tmp_path / "bad.wav", "--model", model, "--out", out) == 0
    words = [word for word in read_ctm(out / "ctm") if word.channel == "1"]
    expected = heard(model, talk)
    assert [word.word for word in words] == [word for _, word in expected] and words
    assert np.allclose([word.start for word in words], [start for start, _ in expected], atol=0.005)
    assert {word.file for word in words} == {"talk"}
    lines = (out / "text").read_text().splitlines()
    assert lines[0] == " ".join(["talk_ch1", *(word.word for word in words)]) and lines[1].startswith("talk_ch2")
    assert "bad\t" in (out / "rejected.tsv").read_text()
    said = capsys.readouterr().out
    assert "transcribed 2 recordings, 4.0 s" in said and "; 1 rejected" in said


def test_products_are_of_the_precision_that_is_asked_for(model, talk, capsys):
    options = {"model": model, "lm": None, "codec": None, "tokenizer": None, "device": "cpu"}
    plain = load_parts(model / "lm", model / "codec", model / "tokenizer").model
    tokens = torch.zeros(1, plain.config.layout.num_streams, 5, dtype=torch.int64)
    task = torch.zeros(1, dtype=torch.int64)
    errors = []
    with torch.inference_mode():
        for precision in ("fp32", "bf16"):  # so small that halves and bytes are left out
            found = load_model(SimpleNamespace(**options, precision=precision))[1].model
            errors.append(float((found(tokens, task) - plain(tokens, task)).norm() / plain(tokens, task).norm()))
    assert errors[0] < 1e-5 < 1e-4 < errors[1] < 0.1
    assert run("transcribe", talk, "--model", model, "--precision", "int8") == 0
    assert capsys.readouterr().out.startswith("talk_ch1 ")
    assert run("say", "on", "--model", model, "--precision", "bf16", "--out", talk.with_name("said.wav")) == 0


def test_a_dialogue_is_heard_with_both_speakers(model, talk, capsys):
    options = ["--model", model, "--times"]
    assert run("transcribe", talk, *options, "--user", "given") == 0
    words = [line.split()[4] for line in capsys.readouterr().out.splitlines() if line.split()[1] == "1"]
    assert words == [word for _, word in heard(model, talk, user=True)]
    assert words != [word for _, word in heard(model, talk)]


def test_a_recording_from_a_pipe(model, talk, capsys, monkeypatch):
    wav, rate = soundfile.read(talk)
    soundfile.write(talk, wav[:, 0], rate)
    assert run("transcribe", talk, "--model", model) == 0
    file = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(talk.read_bytes())))
    assert run("transcribe", "-", "--model", model) == 0
    pipe = capsys.readouterr().out
    assert file.startswith("talk ") and pipe == file.replace("talk", "stdin", 1)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert run("transcribe", "-", "--model", model) == 1
    assert "every recording was rejected; the first: stdin: " in capsys.readouterr().err


@pytest.mark.parametrize("rate", [8000, 16000])
def test_live_words_are_those_of_the_recording(model, talk, rate, capsys, monkeypatch):
    """At the codec's rate, and at twice it: every sample comes two times, and resampling makes another sound."""
    wav = soundfile.read(talk, dtype="int16")[0][:-300, 0]  # the last frame is not whole
    soundfile.write(talk, wav, 8000)
    assert run("transcribe", talk, "--model", model, "--times") == 0
    file = capsys.readouterr().out.replace("talk", "stdin")
    raw = wav.repeat(rate // 8000).astype("<i2").tobytes()
    printed = []
    for times in (True, False):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
        assert run("transcribe", "-", "--live", rate, "--model", model, *["--times"] * times) == 0
        printed.append(capsys.readouterr().out)
    words = [line.split()[4] for line in printed[0].splitlines()]
    assert printed[1].split() == words and words
    assert (printed[0] == file.replace("stdin 1 ", "stdin A ")) == (rate == 8000)


def test_the_parts_do_as_well_as_the_directory(model, talk, tmp_path, capsys):
    parts = [word for name in ("lm", "codec", "tokenizer") for word in (f"--{name}", tmp_path / name)]
    for options in (["--model", model], parts):
        assert run("transcribe", talk, *options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == lines[2:]


def test_speech_of_a_text(model, tmp_path, capsys):
    out = tmp_path / "two words.wav"
    options = ["--model", model, "--max_pause", 0.3]
    assert run("say", "two", " three  one", *options, "--out", out) == 0
    words = read_ctm(tmp_path / "two words.ctm")
    assert [word.word for word in words] == ["two", "three", "one"]
    assert [word.file for word in words] == ["two%20words"] * 3 and words[0].start < words[1].start < words[2].start
    wav, rate = soundfile.read(out)
    assert rate == 8000 and len(wav) % 640 == 0 and len(wav) / rate > words[2].end
    assert "said 3 words in" in capsys.readouterr().out
    again = tmp_path / "again.wav"
    for seed in (0, 1):
        assert run("say", "two three one", *options, "--out", again, "--seed", seed) == 0
        assert np.array_equal(soundfile.read(again)[0], wav) == (seed == 0)


def test_words_of_a_byte_level_bpe(talk, tmp_path, capsys):
    parts = write_parts(tmp_path, Tokenizer.load(make_tokenizer(tmp_path / "bpe")))
    write_bundle(**parts)
    model = Path(parts["out"])
    assert run("say", "One, naïve 42!", "--model", model, "--out", tmp_path / "said.wav") == 0
    words = [word.word for word in read_ctm(tmp_path / "said.ctm")]
    assert words == ["One,", "naïve", "42!"]
    said = tmp_path / "said2.wav"
    assert run("say", "one two", "Three.", "--turns", "--model", model, "--out", said) == 0
    told = [(word.channel, word.word) for word in read_ctm(said.with_suffix(".ctm"))]
    assert told == [("A", "one"), ("A", "two"), ("B", "Three.")]
    assert run("transcribe", talk, "--model", model) == 0
    given = [item for name in ("lm", "codec", "tokenizer") for item in (f"--{name}", parts[name])]
    capsys.readouterr()
    for options in (["--to", "moshi"], ["--to", "transformers"]):
        assert run("export", *given, *options, "--task", "tts", "--out", tmp_path / "there") == 1
        assert "takes a SentencePiece model" in capsys.readouterr().err
    write_parts(tmp_path / "other")
    given[-1] = str(tmp_path / "other/tokenizer")
    assert run("say", "one", *given, "--out", tmp_path / "x.wav") == 1
    assert "EPAD, BOS, EOS, PAD are [" in capsys.readouterr().err


def test_a_text_from_a_pipe(model, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n\ntwo one\n"))
    assert run("say", "--model", model, "--out", tmp_path / "x.wav", "--max_pause", 0.2) == 0
    assert [word.word for word in read_ctm(tmp_path / "x.ctm")] == ["one", "two", "one"]


def test_a_voice_goes_before_and_is_not_heard(model, talk, tmp_path):
    options = ["one two", "--model", model, "--max_pause", 0.3, "--temperature", 0]
    assert run("say", *options, "--out", tmp_path / "own.wav") == 0
    assert run("say", *options, "--out", tmp_path / "hers.wav", "--voice", talk) == 0
    own, hers = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("own", "hers"))
    assert not np.array_equal(own, hers)
    words = read_ctm(tmp_path / "hers.ctm")
    assert [word.word for word in words] == ["one", "two"] and words[0].start < 1


def test_two_speakers_take_turns(model, talk, tmp_path, capsys):
    options = ["--model", model, "--max_pause", 0.3, "--out", tmp_path / "x.wav"]
    assert run("say", "one two", "three", "two", "--turns", *options) == 0
    words = read_ctm(tmp_path / "x.ctm")
    by_time = sorted((word.start, word.channel, word.word) for word in words)
    assert [word[1:] for word in by_time] == [("A", "one"), ("A", "two"), ("B", "three"), ("A", "two")]
    wav, _ = soundfile.read(tmp_path / "x.wav")
    assert wav.shape[1] == 2 and wav.std(axis=0).min() > 0
    assert run("say", "one two", "three", "two", "--turns", *options, "--voice", talk) == 0
    others, _ = soundfile.read(tmp_path / "x.wav")
    assert not np.array_equal(others[:640], wav[:640])
    soundfile.write(talk, wav[:, 0], 8000)
    assert run("say", "one two", "--turns", *options, "--voice", talk) == 1
    assert "talk.wav has 1 channels, two speakers need a recording of 2" in capsys.readouterr().err


def test_turns_of_a_model_that_learnt_none_are_refused(model, tmp_path, capsys):
    config = model / "lm" / "config.yaml"
    for turns, status in ((False, 1), (True, 0)):
        found = yaml.safe_load(config.read_text())
        found["data"]["turns"] = turns
        config.write_text(yaml.safe_dump(found))
        options = ["--turns", "--model", model, "--max_pause", 0.3, "--out", tmp_path / "x.wav"]
        assert run("say", "one", "two", *options) == status
    assert "--turns: this model was trained on one speaker's words at a time" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--times"], [], ["--times", "--live", "8000"]])
def test_that_no_word_was_heard_is_said(model, talk, options, capsys, monkeypatch):
    monkeypatch.setattr("audiolm.models.moshi.speech.read_words", lambda *_: [])
    monkeypatch.setattr("audiolm.models.moshi.listen.read_words", lambda *_: [], raising=False)
    monkeypatch.setattr("audiolm.models.moshi.listen.Listener.hear", lambda *_: [])
    monkeypatch.setattr("audiolm.models.moshi.listen.Listener.close", lambda *_: [])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(bytes(3200))))
    assert run("transcribe", "-" if "--live" in options else talk, "--model", model, *options) == 0
    assert capsys.readouterr().err.startswith("audiolm transcribe: no word was heard")


def test_a_live_dialogue_with_sound(model):
    """As the README shows: the model's answer is that to the whole of what the user said."""
    parts = load_parts(model / "lm", model / "codec", model / "tokenizer")
    wav = 0.1 * torch.randn(1, 1, 20 * 640, generator=torch.Generator().manual_seed(0))
    cold = Sampling(0.0)
    stream = MoshiStream(parts.model, 1, "tts", cold, SampledText(cold, batch=1))
    live, codec = LiveStream(stream, heard="user"), parts.codec.streaming(batch=1)
    frames, sound = [], []
    for samples in wav.split(640, dim=2):
        frame, ready = live.step(codec.encode(samples)[:, :, 0])
        if ready:
            frames.append(frame[0])
            sound.append(codec.decode(frame[:, 1:, None]))
    user = parts.codec.encode(wav)[0, :, 1:]  # the first frame is that of the time before the conversation
    grid = np.full((1, 7, 20), TO_GENERATE)
    grid[0, parts.layout.user] = np.pad(user, ((0, 0), (0, 1)))  # the last frame is made before its user's is heard
    expected = complete(parts.model, grid, "tts", cold, cold)[0, :4, : len(frames)]
    assert np.array_equal(torch.stack(frames, dim=1).numpy(), expected) and len(frames) == 20 - live.lag
    whole = parts.codec.decode(torch.from_numpy(expected[None, 1:].copy()))
    assert torch.allclose(torch.cat(sound, dim=2), whole, atol=1e-4)


@pytest.mark.parametrize(
    "words, reason",
    [
        ("transcribe x.wav --model model", "no file or folder x.wav; name what is there"),
        (
            "transcribe talk.wav --model talk.wav",
            "talk.wav has no audiolm.json, expected a directory that",
        ),
        ("transcribe talk.wav --lm lm", "no --codec, --tokenizer: give --model, or all of --lm"),
        ("transcribe talk.wav --model bundle --lm lm", "--model holds --lm, --codec and --tokenizer"),
        ("transcribe talk.wav --model bundle --task asl", "the model has no task 'asl'; did you mean 'asr'?"),
        ("transcribe talk.wav --model bundle --batch 0", "--batch: found 0, expected a number of at least 1"),
        ("transcribe talk.wav --model bundle --times --out x", "--times is for printing; --out writes"),
        ("transcribe talk.wav --model bundle --live 8000", "--live prints what one speaker says on stdin: give -"),
        ("transcribe - --model bundle --live 0", "--live 0: expected a number, at least 1"),
        ("say one --model bundle --out x.mp3", "--out x.mp3: expected a name that ends in .flac or .wav"),
        ("say --model bundle --out x.wav", "nothing to say: give a TEXT"),
        ("say one --model bundle --out x.wav --levels 4", "--levels 4: expected 1 to 3, the levels of the model"),
        (
            "say one --model bundle --out x.wav --temperature -1",
            "--temperature: found -1.0, expected a number of at least 0",
        ),
        ("say one --model bundle --out x.wav --voice no.wav", "cannot read audio no.wav"),
        (f"say one{WORD_START}two --model bundle --out x.wav", "cannot be represented"),
    ],
)
def test_what_cannot_be(model, talk, tmp_path, monkeypatch, capsys, words, reason):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert run(*words.split()) == 1
    error = capsys.readouterr().err
    assert reason in error and error.count("\n") == 1 and not Path("x.wav").exists()


def test_another_codec_or_a_model_of_one_speaker(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, options in {"one": {"predict": "main"}, "two": {"levels": 2}, "other": {"codebook_size": 8}}.items():
        Path(name).mkdir()
        write_parts(Path(name), **options)
    rest = "--codec one/codec --tokenizer one/tokenizer --out x.wav"
    assert run(*f"say one --turns --lm one/lm {rest}".split()) == 1
    assert "speech of both speakers was asked for: it takes a model of two speakers" in capsys.readouterr().err
    assert run(*f"say one --lm two/lm {rest} --max_pause 0.2".split()) == 0  # fewer levels than the codec has
    assert run(*f"say one --lm other/lm {rest}".split()) == 1
    assert "takes 3 levels of 8 codes, one/codec makes 3 of 16; give the codec" in capsys.readouterr().err
