"""The verbs diarize and align on a small work directory, whole and in parts."""

import numpy as np
import pytest

from audiolm.annotate.sources import widest
from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.duplicates import read_frequent, write_frequent
from audiolm.data.tables import Segment, Turn, Word, read_ctm, read_rttm
from audiolm.data.tools import rejections
from audiolm.data.validate import examine
from audiolm.score.words import PLAIN, WordRules
from audiolm.text.marks import KEEP

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


def test_a_job_listens_to_its_own_share(work):
    assert widest(work, "dev", FS, job=2, num_jobs=2).recos == ["call2-A", "call2-B"]
    for path in widest(work, "dev", 0, job=2, num_jobs=2).wav.values():
        open(path, "w").close()
    assert widest(work, "dev", FS, job=2, num_jobs=2).recos == ["call2-A", "call2-B"]  # to be rejected one by one
    assert widest(work, "dev", FS, job=1, num_jobs=9).wav == {}


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


@pytest.fixture
def meetings(tmp_path, sentences):
    """Three files of one microphone: two speakers, one after the other, with all tables; the mix is at 8 kHz.

    Recordings are called as channel A of their files will be.
    """
    corpus = DataDir(rttm=[], ctm=[])
    for number in range(3):
        wav = np.concatenate([np.zeros(FS // 2), *(np.pad(wav, (0, FS // 2)) for wav, _ in sentences)])
        file, reco, start = f"mono{number}", f"mono{number}-A", 0.5
        corpus.reco2file_and_channel[reco] = (file, "A")
        audio.write(tmp_path / f"{reco}.flac", wav, FS)
        corpus.wav[reco] = str(tmp_path / f"{reco}.flac")
        for speaker, (speech, text) in zip(("bobby", "mary"), sentences, strict=True):
            end = start + len(speech) / FS
            corpus.segments[f"{speaker}-{reco}"] = Segment(reco, start, end)
            corpus.text[f"{speaker}-{reco}"], corpus.utt2spk[f"{speaker}-{reco}"] = text, speaker
            corpus.ctm.append(Word(file, "A", start + 0.2, 0.3, text.split()[0]))
            corpus.rttm.append(Turn(file, "1", start, end - start, speaker))
            start = end + 0.5
    corpus.write(tmp_path / "data/dev")
    run("audio", "--dir", tmp_path, "--sets", "dev", "--fs", 8000, "--mix")
    run("merge", "--dir", tmp_path, "--sets", "dev", "--kind", "audio", "--num_jobs", 1)
    return tmp_path


def test_diarize_parts_the_speakers_of_one_microphone(meetings):
    dump = meetings / "dump/dev"
    write_frequent(dump / "mix", {"mono1-A": [(0.5, 1.0, 12)]})
    array("diarize", meetings, 2, "--streams", "--seed", 3, "--num_speakers", 2)
    streams, original = DataDir.read(dump / "audio"), DataDir.read(dump / "mix")
    assert streams.recos == [f"mono{number}-{stream}" for number in range(3) for stream in "AB"]
    for n in range(3):
        both = streams.audio(f"mono{n}-A") + streams.audio(f"mono{n}-B")
        np.testing.assert_allclose(both, original.audio(f"mono{n}-A"), atol=2 / 32768)
    assert not examine(dump / "audio", open_audio=True).problems
    assert streams.text == original.text and len(streams.ctm) == len(original.ctm)
    turns = streams.by_reco(read_rttm(dump / "diarize/rttm"))
    assert all(len({turn.speaker for turn in own}) == 1 for own in turns.values())
    for utt, place in streams.segments.items():  # the sound of an utterance is where its transcript is
        here, there = (streams.audio(f"{place.reco[:-1]}{c}", place.start, place.end - place.start) for c in "AB")
        here, there = (here, there) if place.reco[-1] == "A" else (there, here)
        assert np.square(here).sum() > 10 * np.square(there).sum()
        assert {t.speaker for t in streams.turns()[place.reco]} == {streams.utt2spk[utt]}
    assert {*read_frequent(dump / "audio")} == {"mono1-A", "mono1-B"}
    before = {path.name: path.read_bytes() for path in (dump / "audio/flac").iterdir()}
    array("diarize", meetings, 1, "--streams", "--seed", 3, "--num_speakers", 2)
    after = {path.name: path.read_bytes() for path in (dump / "audio/flac").iterdir()}
    assert after == before


def test_words_are_found_in_the_streams_and_not_in_the_mix(meetings, sentences):
    array("diarize", meetings, 1, "--streams", "--backend", "given")
    assert all(f"{meetings}/mono" in path for path in widest(meetings, "dev", FS, kind="mix").wav.values())
    assert all("dump/dev/audio" in path for path in widest(meetings, "dev", FS).wav.values())
    for path in [*meetings.glob("*.flac"), *(meetings / "dump/dev/mix/flac").iterdir()]:
        path.unlink()
    words = read_ctm(array("align", meetings, 2, "--backend", "pocketsphinx") / "ctm")
    data, texts = DataDir.read(meetings / "dump/dev/audio"), sorted(text for _, text in sentences)
    for number in range(3):
        said = [[w.word for w in words if w.file == f"mono{number}" and w.channel == channel] for channel in "AB"]
        assert sorted(map(" ".join, said)) == texts
    given = read_ctm(array("align", meetings, 1, "--backend", "given") / "ctm")
    assert {channel: [word.word for word in own] for channel, own in data.by_reco(given).items()} == {
        place.reco: [data.text[utt].split()[0]] for utt, place in data.segments.items()
    }


def test_a_recording_in_which_nobody_speaks_is_named(meetings, capsys):
    rttm = meetings / "dump/dev/mix/rttm"
    rttm.write_text("".join(line for line in rttm.open() if "mono1" not in line))
    run("diarize", "--dir", meetings, "--sets", "dev", "--streams", "--backend", "given")
    run("merge", "--dir", meetings, "--sets", "dev", "--kind", "diarize", "--num_jobs", 1, "--max_rejected", "50%")
    assert "dev: 1 of 3 recordings rejected" in capsys.readouterr().out
    assert [name for name, _ in rejections(meetings / "dump/dev/diarize/rejected.tsv")] == ["mono1-A"]
    assert DataDir.read(meetings / "dump/dev/audio").recos == ["mono0-A", "mono0-B", "mono2-A", "mono2-B"]


def test_mix_and_streams_go_together(meetings, capsys):
    assert main(["diarize", "--dir", str(meetings), "--sets", "dev"]) == 1
    assert "holds several speakers a recording: diarize with --streams" in capsys.readouterr().err
    run("audio", "--dir", meetings, "--sets", "dev", "--fs", 8000)
    run("merge", "--dir", meetings, "--sets", "dev", "--kind", "audio", "--num_jobs", 1)
    assert DataDir.read(meetings / "dump/dev/audio").recos == ["mono0-A", "mono1-A", "mono2-A"]
    assert main(["diarize", "--dir", str(meetings), "--sets", "dev", "--streams"]) == 1
    assert "run the audio stage with --mix" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["align", "--backend", "ctc"], "needs a trained recogniser"),
        (["align", "--backend", "mfa"], "no aligner 'mfa'; choose from: given, pocketsphinx, ctc, wav2vec2, whisper_t"),
        (
            ["align", "--backend", "wisper"],
            "did you mean 'whisper'?; choose from: given, pocketsphinx, ctc, wav2vec2, whisper_timestamped",
        ),
        (["align", "--backend", "whisper", "--model", "x", "--batch", "0"], "--batch 0: expected at least 1"),
        (["diarize", "--backend", "pyanote"], "no diarizer 'pyanote'"),
        (["diarize", "--backend", "channels", "--num_speakers", "2"], "is for other backends"),
        (["diarize", "--backend", "channels", "--streams"], "expected embedded, resemblyzer, pyannote or given"),
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


def test_marks_and_rules_of_scoring_reach_their_verbs(tmp_path, monkeypatch, capsys):
    common = ["--dir", str(tmp_path), "--marks", str(tmp_path / "gone")]
    for command in (["align", *common, "--sets", "x"], ["score", *common, "--set", "x", "--metrics", "annotation"]):
        assert main(command) == 1
        assert f"--marks {tmp_path}/gone: No such file" in capsys.readouterr().err
    seen = []
    monkeypatch.setattr("audiolm.score.metrics.annotation.measure", lambda recipe, _: seen.append(recipe.rules) or {})
    usual = ["score", "--dir", str(tmp_path), "--set", "x", "--metrics", "annotation", "--asr", "pocketsphinx"]
    assert main(usual) == main([*usual, "--marks", "keep", "--optional_words", "--fragments"]) == 0
    assert seen == [PLAIN, WordRules(KEEP, optional=True, fragments=True)]
