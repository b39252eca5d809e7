"""Kokoro and Piper: voices, weights and texts that are not there; real weights where AUDIOLM_WEIGHTS names them."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from audiolm.commands.main import main
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.simulate import kokoro, onnx_voices, piper
from audiolm.simulate.backends import natural_shares, voice_backend
from audiolm.simulate.corpus import speak
from audiolm.simulate.script import Script, ScriptLine, Speaker, read_scripts, write_scripts

NAMES = [f"{accent}{sex}_{name}" for accent in "ab" for sex in "fm" for name in ("x", "y", "z")]


def weights(folder: Path, names=(*NAMES, "ef_dora", "jf_alpha")) -> Path:
    """A folder of Kokoro whose model is none."""
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(b"no model")
    np.savez(folder / "voices.npz", **{name: np.zeros(1) for name in names})
    return folder


def piper_weights(folder: Path, **more) -> Path:
    folder.mkdir(exist_ok=True)
    for name, language, speakers in (("en_a", "en-us", {}), ("en_b", "en-gb", {"p1": 0, "p2": 1}), ("ru_c", "ru", {})):
        config = {"audio": {"sample_rate": 22050}, "espeak": {"voice": language}, "phoneme_id_map": {}}
        (folder / f"{name}.onnx").write_bytes(b"no model")
        (folder / f"{name}.onnx.json").write_text(json.dumps({**config, "speaker_id_map": speakers, **more}))
    return folder


@pytest.fixture(autouse=True)
def no_packages(monkeypatch, request):
    if "slow" not in request.keywords:
        for name in ("kokoro_onnx", "piper"):
            monkeypatch.setitem(sys.modules, name, type(sys)(name))
        monkeypatch.delenv("AUDIOLM_WEIGHTS", raising=False)


def test_weights_are_named_or_under_the_folder_of_all_weights(tmp_path, monkeypatch):
    with pytest.raises(AudiolmError, match="--voices kokoro: its weights are nowhere: name their folder"):
        kokoro.load(None)
    monkeypatch.setenv("AUDIOLM_WEIGHTS", str(tmp_path))
    with pytest.raises(AudiolmError, match="--voices kokoro: no folder .*kokoro, expected one with its weights"):
        kokoro.load(None)
    weights(tmp_path / "kokoro")
    assert kokoro.load(None).english() == sorted(NAMES)
    assert "ef_dora" in kokoro.load(None).names and "jf_alpha" not in kokoro.load(None).names
    (tmp_path / "kokoro/voices.npz").write_bytes(b"no")
    with pytest.raises(AudiolmError, match="voices.npz holds no Kokoro voices"):
        kokoro.load(None)
    (tmp_path / "kokoro/more.onnx").touch()
    with pytest.raises(AudiolmError, match=r"holds 2 files \*.onnx, expected one, of Kokoro"):
        kokoro.load(None)


@pytest.mark.parametrize(
    ("backend", "package", "made"), [("kokoro", "kokoro_onnx", weights), ("piper", "piper", piper_weights)]
)
def test_a_package_that_is_not_there(backend, package, made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AudiolmError, match=f"--voices {backend} needs .*: pip install .*audiolm.{backend}"):
        voice_backend(backend, weights=str(made(tmp_path / "weights")))


def test_a_voice_or_a_model_that_is_not_there_rejects_the_dialogue(tmp_path):
    voices = voice_backend("kokoro", weights=str(weights(tmp_path / "weights")))
    for name, said in (("af_xx", r"no such voice in .*voices.npz; did you mean 'af_x'"), ("af_x", "is no ONNX model")):
        script = Script("d1", {c: Speaker(name) for c in "AB"}, [ScriptLine("A", "hello", gap=0.1)])
        speak(script, voices, tmp_path / name, 16000, seed=0)
        reason = json.loads((tmp_path / name / "d1.json").read_text())["rejected"]
        assert reason.startswith(f"voice '{name}': ")
        with pytest.raises(AudiolmError, match=said):
            raise AudiolmError(reason)


def test_voices_of_piper_are_files_and_their_speakers(tmp_path):
    found = piper.Piper(piper_weights(tmp_path))
    assert found.names == ["en_a", "en_b+p1", "en_b+p2", "ru_c"] and found.english() == found.names[:3]
    (tmp_path / "en_a.onnx.json").write_text("{}")
    with pytest.raises(AudiolmError, match="en_a.onnx.json: lacks 'audio'; expected the config of Piper's voice en_a"):
        piper.Piper(tmp_path)


def test_letters_that_would_be_spelled_out_are_refused():
    for text, language in (("café, señor – naïve", "en-us"), ("привет", "ru")):
        onnx_voices.check_letters(text, language)
    with pytest.raises(AudiolmError, match="a voice of language en-us cannot say 'п' of the text 'say привет'"):
        onnx_voices.check_letters("say привет", "en-us")


def test_other_weights_are_spoken_again(tmp_path):
    first = voice_backend("kokoro", weights=str(weights(tmp_path / "a"))).key
    assert voice_backend("kokoro", weights=str(weights(tmp_path / "b"))).key == first  # wherever they lie
    (tmp_path / "b/model.onnx").write_bytes(b"another")
    assert voice_backend("kokoro", weights=str(tmp_path / "b")).key != first


def test_scripts_draw_from_voices_that_no_other_set_has(tmp_path, capsys):
    folder = str(weights(tmp_path / "weights"))
    shares = natural_shares("kokoro", folder)
    assert sorted(sum(shares.values(), [])) == sorted(NAMES) and min(map(len, shares.values())) == 2
    options = ["--dir", str(tmp_path), "--hours", "0.02", "--eval_minutes", "1", "--voices", "kokoro"]
    assert main(["simulate", "scripts", *options, "--voices_model", folder]) == 0
    for split, voices in shares.items():
        drawn = read_scripts(tmp_path / f"data/local/scripts/{split}.jsonl")
        assert {speaker.voice for script in drawn for speaker in script.speakers.values()} <= set(voices)
    weights(tmp_path / "weights", ["af_x"])
    assert main(["simulate", "scripts", *options, "--voices_model", folder]) == 1
    assert "--voices kokoro: 1 English voices, expected two or more" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "package"), [("kokoro", "kokoro_onnx"), ("piper", "piper")])
def test_real_voices_speak_and_their_words_are_found(backend, package, tmp_path):
    folder = Path(os.environ.get("AUDIOLM_WEIGHTS", "/nowhere")) / backend
    if not folder.is_dir():
        pytest.skip(f"AUDIOLM_WEIGHTS names no folder with {backend}")
    pytest.importorskip(package)
    names = (voice_backend(backend).voice_of.english() * 2)[:2]
    lines = [ScriptLine("A", "how many apples do you have", gap=0.1), ScriptLine("B", "seven of them", gap=0.2)]
    good = Script("d1", {c: Speaker(name, rate=1.05) for c, name in zip("AB", names, strict=True)}, lines)
    bad = Script("d2", good.speakers, [lines[0], ScriptLine("B", "привет", gap=0.2)])
    write_scripts(tmp_path / "data/local/scripts/dev.jsonl", [good, bad])
    options = ["--dir", str(tmp_path), "--sets", "dev"]
    assert main(["simulate", "speak", *options, "--voices", backend, "--fs", "24000"]) == 0
    times = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "data/local/audio/dev").iterdir()}
    assert main(["simulate", "speak", *options, "--voices", backend, "--fs", "24000"]) == 0
    again = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "data/local/audio/dev").iterdir()}
    assert again == times  # what was spoken is not spoken again
    assert main(["simulate", "tables", *options, "--max_rejected", "50%"]) == 0
    data = DataDir.read(tmp_path / "data/dev")
    assert [word.word for word in sorted(data.ctm, key=lambda w: (w.channel, w.start))] == " ".join(
        line.text for line in lines
    ).split()
    assert data.others["reco2aligner"] == {"d1-A": "pocketsphinx", "d1-B": "pocketsphinx"}
    assert "cannot say 'п' of the text" in (tmp_path / "data/dev/rejected.tsv").read_text()
    wav = data.audio("d1-A", fs=24000)
    for place in data.segments.values():
        if place.reco == "d1-A":
            inside = wav[int(place.start * 24000) : int(place.end * 24000)]
            outside = wav[int((place.end + 0.3) * 24000) :]
            assert np.square(inside).mean() > 100 * np.square(outside).mean()
