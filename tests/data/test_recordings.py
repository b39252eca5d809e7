"""Stage 2: recordings become one-channel FLAC files of a data directory; bad ones are named and lose nothing else."""

import re

import numpy as np
import pytest
import soundfile

from audiolm.commands.main import main
from audiolm.data import audio, recordings
from audiolm.data.datadir import DataDir
from audiolm.data.files import CannotWrite
from audiolm.data.recordings import Count
from audiolm.data.shares import read_share
from audiolm.data.tables import Segment, Turn, Word
from audiolm.data.tools import rejections
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError

SECOND = np.random.default_rng(0).normal(0, 0.1, (16000, 2)).astype(np.float32)


@pytest.fixture
def source(tmp_path):
    """Three two-channel calls of a second at 16 kHz, one of them truncated, with words and turns."""
    data = DataDir(rttm=[], ctm=[])
    for call in ("c1", "c2", "c3"):
        path = tmp_path / f"{call}.wav"
        audio.write(path, SECOND, 16000)
        for channel in "AB":
            reco = f"{call}-{channel}"
            data.wav[reco] = str(path)
            data.reco2file_and_channel[reco] = (call, channel)
            data.segments[f"s-{reco}"] = Segment(reco, 0.0, 1.0)
            data.text[f"s-{reco}"] = "yes"
            data.utt2spk[f"s-{reco}"] = "s"
            data.ctm.append(Word(call, channel, 0.5, 0.25, "yes"))
            data.rttm.append(Turn(call, channel, 0.5, 0.25, "s"))
    (tmp_path / "c2.wav").write_bytes((tmp_path / "c2.wav").read_bytes()[:-1000])
    data.write(tmp_path / "data" / "dev")
    return DataDir.read(tmp_path / "data" / "dev")


def convert(source, directory, jobs=2, fs=8000, **options):
    for job in range(1, jobs + 1):
        recordings.convert_share(read_share(source.path, job, jobs), directory, fs, job, **options)
    return recordings.finish(source, directory, jobs)


def test_one_channel_a_file_and_what_is_bad_is_named(source, tmp_path):
    counts = convert(source, tmp_path / "out")
    assert counts == [Count("recordings", 6, 2), Count("utterances", 6, 2), Count("turns", 6, 2), Count("words", 6, 2)]
    out = DataDir.read(tmp_path / "out")
    assert out.recos == ["c1-A", "c1-B", "c3-A", "c3-B"] and out.reco2dur["c1-A"] == 1.0
    for channel, reco in enumerate(("c1-A", "c1-B")):
        assert audio.info(out.wav[reco]) == audio.Info(8000, 8000, 1)
        assert np.abs(out.audio(reco) - audio.resample(SECOND[:, channel], 16000, 8000)).max() < 1e-3
    assert {reco: [word.word for word in words] for reco, words in out.words().items()} == dict.fromkeys(
        out.recos, ["yes"]
    )
    assert examine(tmp_path / "out", open_audio=True).problems == []
    rejected = rejections(tmp_path / "out/rejected.tsv")
    assert [item for item, _ in rejected[:2]] == ["c2-A", "c2-B"] and "truncated" in rejected[0][1]
    assert sorted(item for item, _ in rejected[2:]) == ["c2", "c2", "c2", "c2", "s-c2-A", "s-c2-B"]


def test_any_number_of_jobs_gives_the_same(source, tmp_path):
    results = []
    for jobs in (1, 2, 3):
        convert(source, tmp_path / "out", jobs)
        files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
        results.append({file.name: file.read_bytes() for file in files if not re.search(r"\.\d", file.name)})
    assert results[0] == results[1] == results[2]
    convert(source, tmp_path / "out", 1)
    assert not (tmp_path / "out/wav.scp.2").exists() and not (tmp_path / "out/rejected.3.tsv").exists()
    assert recordings.finish(source, tmp_path / "out", 1)  # once more, after an interruption


def test_times_beyond_the_end_are_found_once_lengths_are_known(source, tmp_path):
    source.segments["s-late"] = Segment("c1-A", 0.9, 2.0)
    source.utt2spk["s-late"] = "s"
    source.ctm += [Word("c1", "A", 1.2, 0.1, "gone"), Word("c1", "B", 0.9, 0.2, "cut")]
    source.write(source.path)
    counts = convert(source, tmp_path / "out")
    assert counts[1] == Count("utterances", 7, 3) and counts[3] == Count("words", 8, 3)
    out = DataDir.read(tmp_path / "out")
    assert [word.end for word in out.ctm if word.word == "cut"] == [1.0]
    assert "s-late" not in out.utt2spk
    reasons = dict(rejections(tmp_path / "out/rejected.tsv"))
    assert "goes from 0.90 to 2.00 s, the recording ends at 1.00 s" in reasons["s-late"]
    assert "'gone' goes from 1.20" in reasons["c1-A"]


def test_words_out_of_the_order_of_writing_are_sorted(source, tmp_path):
    path = source.path / "ctm"
    lines = path.read_text().splitlines(keepends=True)
    convert(source, tmp_path / "out")
    expected = (tmp_path / "out/ctm").read_bytes()
    path.write_text("".join(reversed(lines)))
    convert(DataDir.read(source.path), tmp_path / "out")
    assert (tmp_path / "out/ctm").read_bytes() == expected


def test_ids_that_no_file_can_have_as_its_name_stay_apart(tmp_path):
    lengths = {"a/b": 0.5, "a%2Fb": 0.25, "a%252Fb": 0.75, "..": 1.0, "ü 'x".replace(" ", "\u00a0"): 0.125}
    data = DataDir(path=tmp_path)
    for number, (reco, length) in enumerate(lengths.items()):
        data.wav[reco] = str(tmp_path / f"{number}.wav")
        audio.write(data.wav[reco], SECOND[: round(16000 * length), 0], 16000)
    data.write(tmp_path)
    convert(data, tmp_path / "out")
    out = DataDir.read(tmp_path / "out")
    assert {reco: audio.info(out.wav[reco]).duration for reco in out.wav} == lengths


def test_transcripts_and_speakers_of_no_utterance_are_named(source, tmp_path):
    source.text["s-gone"] = source.utt2spk["s-gone"] = "s"
    source.write(source.path)
    counts = convert(source, tmp_path / "out")
    assert Count("transcripts", 7, 1) in counts and Count("speakers of utterances", 7, 1) in counts
    rejected = rejections(tmp_path / "out/rejected.tsv")
    assert [why for id, why in rejected if id == "s-gone"] == [
        f"{name}: 's-gone' is no utterance here" for name in ("text", "utt2spk")
    ]
    assert "s-gone" not in DataDir.read(tmp_path / "out").text


BAD = {
    "missing": (None, "No such file"),
    "empty": (b"", "is empty"),
    "text": (b"hello" * 100, "is not audio"),
    "nan": (np.full((800, 1), np.nan), "NaN"),
    "no samples": (np.zeros((0, 1)), "has no samples"),
    "three channels": (np.zeros((800, 3)), "has 3 channels"),
    "two channels": (np.zeros((800, 2)), "has 2 channels, expected one, or a line in reco2file_and_channel"),
}


def test_every_kind_of_bad_file_is_one_line(tmp_path):
    data = DataDir()
    for name, (content, _) in {**BAD, "good": (SECOND[:, :1], "")}.items():
        path = tmp_path / f"{name}.wav"
        data.wav[name.replace(" ", "_")] = str(path)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            soundfile.write(path, content, 16000, subtype="FLOAT")
    data.write(tmp_path / "data")
    data = DataDir.read(tmp_path / "data")
    assert convert(data, tmp_path / "out") == [Count("recordings", len(BAD) + 1, len(BAD))]
    reasons = dict(rejections(tmp_path / "out/rejected.tsv"))
    for name, (_, reason) in BAD.items():
        assert reason in reasons[name.replace(" ", "_")]
    assert DataDir.read(tmp_path / "out").recos == ["good"]
    counts = convert(data, tmp_path / "mixed", downmix=True)
    assert counts == [Count("recordings", len(BAD) + 1, len(BAD) - 2)]
    with pytest.raises(AudiolmError, match="every recording of .* was rejected; the first: empty: .* is empty"):
        convert(data, tmp_path / "rate", expect_fs=44100)


def test_missing_and_foreign_parts_are_refused(source, tmp_path):
    recordings.convert_share(read_share(source.path, 1, 2), tmp_path / "out", 8000, 1)
    with pytest.raises(AudiolmError, match="no .*wav.scp.2: job 2 of 2 has not finished"):
        recordings.finish(source, tmp_path / "out", 2)
    with pytest.raises(AudiolmError, match=r"recording 'c3-A' is not in both .* and the parts \(2 such\)"):
        recordings.finish(source, tmp_path / "out", 1)


def test_a_full_disk_is_no_fault_of_a_recording(source, tmp_path, monkeypatch):
    def full(*_):
        raise CannotWrite("cannot write x.flac: No space left on device")

    monkeypatch.setattr(audio, "convert", full)
    with pytest.raises(CannotWrite, match="No space left"):
        recordings.convert_share(source, tmp_path / "out", 8000)


@pytest.mark.parametrize("fs", [0, -5, 70001, 700000])
def test_rates_that_no_file_can_have(source, tmp_path, fs):
    with pytest.raises(AudiolmError, match=f"cannot have a sample rate of {fs} Hz"):
        recordings.convert_share(source, tmp_path / "out", fs)


def test_command_line(source, tmp_path, capsys):
    options = ["--dir", str(tmp_path), "--sets", "dev"]
    for job in ("1", "2"):
        assert main(["audio", *options, "--fs", "8000", "--job", job, "--num_jobs", "2"]) == 0
    assert main(["merge", *options, "--kind", "audio", "--num_jobs", "2", "--max_rejected", "40%"]) == 0
    assert "dev: 2 of 6 recordings rejected" in capsys.readouterr().out
    assert len(DataDir.read(tmp_path / "dump/dev/audio").wav) == 4
    assert main(["audio", "--dir", str(tmp_path), "--sets", "test", "--fs", "8000"]) == 1
    assert "no data directory" in capsys.readouterr().err


@pytest.mark.parametrize("corpus", ["telephone_2ch", "sonnet001", "ami_clips"])
def test_real_recordings(shared_data, tmp_path, corpus):
    source = DataDir.read(shared_data / corpus)
    first = source.recos[0]
    if corpus == "telephone_2ch":
        source.wav = {f"{first}-{channel}": source.wav_path(first) for channel in "AB"}
        source.reco2file_and_channel = {f"{first}-{channel}": (first, channel) for channel in "AB"}
    source.write(tmp_path / "data")
    convert(DataDir.read(tmp_path / "data"), tmp_path / "out", downmix=True)
    out = DataDir.read(tmp_path / "out")
    assert out.recos == source.recos and out.rttm == source.rttm
    assert all(audio.info(path).fs == 8000 for path in out.wav.values())
    if corpus == "telephone_2ch":
        a, b = (out.audio(reco, duration=60) for reco in out.recos)
        assert abs(np.corrcoef(a, b)[0, 1]) < 0.1
