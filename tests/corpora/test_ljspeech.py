"""LJ Speech as it is distributed."""

import pytest
from miniatures import noise, prepare, write_files

from audiolm.data import audio
from audiolm.data.datadir import DataDir

METADATA = """\
LJ001-0001|Printing in 1455,|Printing in fourteen fifty-five,
LJ001-0002|gone|gone
LJ001-0003|one field short
LJ002-0001|He said "no".|He said "no".
LJ003-0001|Three|Three
"""


def test_chapters_are_held_out_and_faults_named(tmp_path):
    wavs = [f"LJSpeech-1.1/wavs/{name}.wav" for name in ("LJ001-0001", "LJ001-0009", "LJ002-0001", "LJ003-0001")]
    write_files(tmp_path, {"LJSpeech-1.1/metadata.csv": METADATA, **{name: (noise(1, 22050), 22050) for name in wavs}})
    options = ("--held_out", 1, "--seed", 1, "--max_rejected", "100%")
    sets = prepare("ljspeech", tmp_path, tmp_path / "work", *options)
    texts = {utt: text for data, _ in sets.values() for utt, text in data.text.items()}
    assert texts == {
        "LJ001-0001": "Printing in fourteen fifty-five,",
        "LJ002-0001": 'He said "no".',
        "LJ003-0001": "Three",
    }
    chapters = [{utt[:5] for utt in data.utts} for data, _ in sets.values()]
    assert sorted(map(len, chapters)) == [1, 1, 1]
    rejected = {id: reason for _, table in sets.values() for id, reason in table.items()}
    assert set(rejected) == {"LJ001-0002", "LJ001-0003", "LJ001-0009"}
    assert "metadata.csv:3: found 'LJ001-0003|one field short'" in rejected["LJ001-0003"]


def test_a_folder_without_it(tmp_path, capsys):
    prepare("ljspeech", tmp_path, tmp_path / "work", status=1)
    assert "no metadata.csv in" in capsys.readouterr().err
    write_files(tmp_path, {"metadata.csv": "nonsense\n"})
    prepare("ljspeech", tmp_path, tmp_path / "work", status=1)
    assert f"no folder {tmp_path}/wavs with the audio; get LJ Speech 1.1" in capsys.readouterr().err
    (tmp_path / "wavs").mkdir()
    prepare("ljspeech", tmp_path, tmp_path / "work", status=1)
    said = (
        f"nothing of {tmp_path}/metadata.csv can be used; the first reason: nonsense metadata.csv:1: found 'nonsense'"
    )
    assert said in capsys.readouterr().err


def test_real_clips(shared_data, tmp_path):
    source = DataDir.read(shared_data / "ljspeech")
    lines = [f"{utt}|{text}|{text}\n" for utt, text in source.text.items()]
    for utt in source.utts:
        wav, fs = audio.read_channels(source.wav_path(utt))
        audio.write(tmp_path / "LJSpeech-1.1/wavs" / f"{utt}.wav", wav, fs)
    write_files(tmp_path, {"LJSpeech-1.1/metadata.csv": "".join(lines)})
    sets = prepare("ljspeech", tmp_path / "LJSpeech-1.1", tmp_path / "work", "--sets", "train", "--held_out", 1)
    data, rejected = sets["train"]
    assert (data.text, data.utt2spk, rejected) == (source.text, source.utt2spk, {})
    assert sum(data.reco2dur.values()) == pytest.approx(184.4, abs=0.1)
