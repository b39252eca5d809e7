"""The verbs diarize and align on a small work directory, whole and in parts."""

import numpy as np
import pytest

from audiolm.annotate.sources import widest
from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Turn, Word, read_ctm, read_rttm

FS = 16000


@pytest.fixture(scope="module")
def sentences(shared_data):
    """Two real sentences of two speakers at 16 kHz, with their words."""
    data = DataDir.read(shared_data / "aligned_misc")
    return [(data.audio(reco, fs=FS), data.text[reco]) for reco in ("bobby", "mary")]


@pytest.fixture
def work(tmp_path, sentences):
    """Two calls of two channels and a broken recording; the models' audio is at 8 kHz."""
    corpus = DataDir(rttm=[], ctm=[])
    for call in ("call1", "call2"):
        wavs = [np.pad(wav, (FS // 2, 3 * FS - len(wav))) for wav, _ in sentences]
        channels = np.stack(wavs, 1) + 1e-4 * np.random.default_rng(0).standard_normal((len(wavs[0]), 2))
        audio.write(tmp_path / f"{call}.flac", channels, FS)
        for channel, (wav, text) in zip("AB", sentences, strict=True):
            reco = f"{call}-{channel}"
            corpus.wav[reco] = str(tmp_path / f"{call}.flac")
            corpus.reco2file_and_channel[reco] = (call, channel)
            corpus.segments[f"spk{channel}-{reco}"] = Segment(reco, 0.5, 0.5 + len(wav) / FS)
            corpus.utt2spk[f"spk{channel}-{reco}"] = f"spk{channel}"
            corpus.text[f"spk{channel}-{reco}"] = text
            corpus.ctm.append(Word(call, channel, 0.6, 0.3, text.split()[0]))
            corpus.rttm.append(Turn(call, str("AB".index(channel) + 1), 0.5, len(wav) / FS, f"spk{channel}"))
    corpus.write(tmp_path / "data/dev")
    run("audio", "--dir", tmp_path, "--sets", "dev", "--fs", 8000)
    run("merge", "--dir", tmp_path, "--sets", "dev", "--kind", "audio", "--num_jobs", 1)
    return tmp_path


def run(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


def array(verb, work, num_jobs, *options):
    for job in range(1, num_jobs + 1):
        run(verb, "--dir", work, "--sets", "dev", "--job", job, "--num_jobs", num_jobs, *options)
    run("merge", "--dir", work, "--sets", "dev", "--kind", verb, "--num_jobs", num_jobs)
    return work / "dump/dev" / verb


def test_align_finds_every_word_from_the_corpus_s_16_khz_whatever_the_number_of_jobs(work, sentences):
    directory = array("align", work, 1, "--backend", "pocketsphinx")
    words = read_ctm(directory / "ctm")
    assert [w.word for w in words if w.file == "call1" and w.channel == "A"] == sentences[0][1].split()
    assert all(0.4 < word.start < 3.5 for word in words)
    assert (directory / "rejected.tsv").read_text() == ""
    whole = (directory / "ctm").read_text()
    array("align", work, 3)
    assert (directory / "ctm").read_text() == whole
    assert set(widest(work, "dev", FS).wav.values()) == {str(work / f"call{number}.flac") for number in (1, 2)}
    (work / "data/dev/wav.scp").unlink()  # without the corpus the models' audio serves
    array("align", work, 1)
    assert [w.word for w in read_ctm(directory / "ctm")] == [w.word for w in words]
    assert all("dump/dev/audio" in path for path in widest(work, "dev", FS).wav.values())


def test_align_given_takes_the_corpus_s_words(work):
    directory = array("align", work, 2, "--backend", "given", "--recognizer", work / "exp/none")
    assert read_ctm(directory / "ctm") == read_ctm(work / "data/dev/ctm")


def test_an_utterance_that_cannot_be_aligned_is_named(work, capsys):
    path = work / "dump/dev/audio/text"
    path.write_text(path.read_text().replace("mary rolled the barrel", "mary rolled 4 barrels", 1))
    run("align", "--dir", work, "--sets", "dev")
    assert main(f"merge --dir {work} --sets dev --kind align --num_jobs 1".split()) == 1
    assert "1 of 4 utterances rejected" in capsys.readouterr().out
    (line,) = (work / "dump/dev/align/rejected.tsv").read_text().splitlines()
    assert line == "spkB-call1-B\tno pronunciation for '4': write it in English letters as it is spoken"


def test_diarize_by_channel_and_by_mix(work):
    directory = array("diarize", work, 2, "--backend", "channels")
    turns = read_rttm(directory / "rttm")
    assert {(turn.file, turn.channel, turn.speaker) for turn in turns} == {
        (call, str(number + 1), f"{call}-{channel}")
        for call in ("call1", "call2")
        for number, channel in enumerate("AB")
    }
    turns = read_rttm(array("diarize", work, 1, "--backend", "embedded", "--num_speakers", 1) / "rttm")
    assert {(turn.file, turn.channel, turn.speaker) for turn in turns} == {
        (call, "1", f"{call}-1") for call in ("call1", "call2")
    }


def test_diarize_streams_of_one_microphone(tmp_path, sentences):
    corpus = DataDir()
    for number in range(3):
        wav = np.concatenate([np.zeros(FS // 2), *(np.pad(wav, (0, FS // 2)) for wav, _ in sentences)])
        audio.write(tmp_path / f"mono{number}.flac", wav, FS)
        corpus.wav[f"mono{number}"] = str(tmp_path / f"mono{number}.flac")
        corpus.text[f"mono{number}"] = corpus.utt2spk[f"mono{number}"] = "all"
    corpus.write(tmp_path / "data/dev")
    run("audio", "--dir", tmp_path, "--sets", "dev", "--fs", 8000)
    run("merge", "--dir", tmp_path, "--sets", "dev", "--kind", "audio", "--num_jobs", 1)
    array("diarize", tmp_path, 2, "--streams", "--seed", 3)
    streams = DataDir.read(tmp_path / "dump/dev/streams")
    assert streams.recos == [f"mono{number}-{stream}" for number in range(3) for stream in "AB"]
    original = DataDir.read(tmp_path / "dump/dev/audio")
    for reco in original.recos:
        both = streams.audio(f"{reco}-A") + streams.audio(f"{reco}-B")
        np.testing.assert_allclose(both, original.audio(reco), atol=2 / 32768)
    before = {path.name: path.read_bytes() for path in (tmp_path / "dump/dev/streams/flac").iterdir()}
    array("diarize", tmp_path, 1, "--streams", "--seed", 3)
    after = {path.name: path.read_bytes() for path in (tmp_path / "dump/dev/streams/flac").iterdir()}
    assert after == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["align", "--backend", "ctc"], "needs a trained recogniser"),
        (["align", "--backend", "mfa"], "no aligner 'mfa'"),
        (["diarize", "--backend", "pyanote"], "no diarizer 'pyanote'"),
        (["diarize", "--backend", "channels", "--num_speakers", "2"], "is for other backends"),
        (["diarize", "--num_speakers", "0"], "--num_speakers 0: expected at least 1"),
        (["diarize", "--backend", "pyannote"], "needs a pipeline"),
        (["diarize", "--backend", "pyannote", "--model", "none"], "no pyannote.audio pipeline 'none'"),
        (["align", "--backend", "wav2vec2"], "needs a CTC model"),
        (["align", "--backend", "whisper"], "needs a Whisper model"),
    ],
)
def test_wrong_options_are_one_line(work, capsys, arguments, message):
    assert main([*arguments, "--dir", str(work), "--sets", "dev"]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
