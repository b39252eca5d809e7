"""Stage audio with limits: recordings and their tables are cut in pauses; what is unfit is named with its value."""

import re

import numpy as np
import pytest

from audiolm.annotate.screening import Limits, Screening
from audiolm.commands.main import main
from audiolm.data import audio, recordings
from audiolm.data.datadir import DataDir
from audiolm.data.pieces import Piece, cut_tables
from audiolm.data.shares import read_share
from audiolm.data.tables import Segment, Turn, Word
from audiolm.data.tools import rejections
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError

FS = 8000


def detect(wav, fs):
    """Loud blocks of 0.1 s are speech."""
    block = fs // 10
    loud = [np.abs(wav[i : i + block]).max() > 0.1 for i in range(0, len(wav), block)]
    edges = np.flatnonzero(np.diff(np.array(loud, dtype=np.int8), prepend=0, append=0)).reshape(-1, 2) / 10
    return [(float(a), float(min(b, len(wav) / fs))) for a, b in edges]


@pytest.fixture
def source(tmp_path):
    """A call of 100 s: A speaks 0-30, 32-60; B 31-31.5 and 70-95. And a short recording of noise."""
    rng = np.random.default_rng(0)
    wav = 0.001 * rng.standard_normal((100 * FS, 2))
    for channel, start, end in ((0, 0, 30), (0, 32, 60), (1, 31, 31.5), (1, 70, 95)):
        wav[int(start * FS) : int(end * FS), channel] += 0.2 * rng.standard_normal(int((end - start) * FS))
    audio.write(tmp_path / "call.wav", wav, FS)
    audio.write(tmp_path / "noise.wav", 0.01 * rng.standard_normal(5 * FS), FS)
    data = DataDir(
        wav={
            "call-A": str(tmp_path / "call.wav"),
            "call-B": str(tmp_path / "call.wav"),
            "noise": str(tmp_path / "noise.wav"),
        },
        reco2file_and_channel={"call-A": ("call", "A"), "call-B": ("call", "B")},
        segments={
            "u1": Segment("call-A", 5.0, 29.0),
            "u2": Segment("call-A", 33.0, 40.0),
            "u3": Segment("call-B", 72.0, 80.0),
            "u4": Segment("noise", 1.0, 2.0),
        },
        text={"u1": "one", "u2": "two", "u3": "three", "u4": "four"},
        utt2spk={"u1": "a", "u2": "a", "u3": "b", "u4": "n"},
        ctm=[Word("call", "A", 33.5, 0.5, "two"), Word("call", "2", 72.0, 1.0, "three")],
        rttm=[Turn("call", "1", 32.0, 28.0, "a"), Turn("call", "2", 70.0, 25.0, "b")],
    )
    data.write(tmp_path / "data/dev")
    return DataDir.read(tmp_path / "data/dev")


def run(source, directory, jobs=1, **limits):
    for job in range(1, jobs + 1):
        own = read_share(source.path, job, jobs)
        recordings.convert_share(own, directory, FS, job, screen=Screening(own, Limits(**limits), vad=detect))
    return recordings.finish(source, directory, jobs)


def test_long_recordings_are_cut_where_nobody_speaks_in_any_channel(source, tmp_path):
    counts = run(source, tmp_path / "out", longest=50.0)
    out = DataDir.read(tmp_path / "out")
    pieces = [name for name in out.recos if name.startswith("call-A")]
    times = [tuple(int(number) / 1000 for number in name.split("-")[2:]) for name in pieces]
    assert times[0][0] == 0 and times[-1][1] == 100 and len(times) == 3 and "noise" in out.recos
    assert all(a[1] == b[0] for a, b in zip(times, times[1:], strict=False))
    assert all(30 <= cut <= 32 or 60 <= cut <= 70 or cut >= 95 for _, cut in times)
    assert [name.replace("-A-", "-B-") for name in pieces] == [name for name in out.recos if name.startswith("call-B")]
    joined = np.concatenate([out.audio(name) for name in pieces])
    np.testing.assert_allclose(joined, source.audio("call-A"), atol=2 / 32768)
    assert out.utts == ["u1", "u2", "u3", "u4"] and not any(count.rejected for count in counts)
    for utt in out.utts:
        np.testing.assert_allclose(_sound(out, utt), _sound(source, utt), atol=2 / 32768)
    words = [(name, word.word) for name, found in out.words().items() for word in found]
    assert [(name, word) for name, word in words] == [
        (out.segments["u2"].reco, "two"),
        (out.segments["u3"].reco, "three"),
    ]
    assert sum(turn.duration for turn in out.rttm) == pytest.approx(53.0)
    assert examine(tmp_path / "out", open_audio=True).problems == []
    files = {
        path.name: path.read_bytes()
        for path in (tmp_path / "out").iterdir()
        if path.is_file() and path.suffix != ".tsv" and not path.name[-1].isdigit()
    }
    run(source, tmp_path / "out", jobs=2, longest=50.0)
    assert files == {name: (tmp_path / "out" / name).read_bytes() for name in files}


def _sound(data, utt):
    place = data.segments[utt]
    return data.audio(place.reco, place.start, place.end - place.start)


def test_channels_of_a_piece_stay_and_go_together(source, tmp_path):
    run(source, tmp_path / "out", longest=50.0, min_speech=0.01)
    (kept,) = {name[7:] for name in DataDir.read(tmp_path / "out").recos}
    start, end = kept.split("-")
    first, last = f"0000000-{start}", f"{end}-0100000"
    wanted = "speech: 0.0% of the time, at least 1.0% are wanted"
    reasons = dict(rejections(tmp_path / "out/rejected.tsv"))
    named = {f"call-{channel}-{piece}" for channel in "AB" for piece in (first, last)}
    assert set(reasons) == named | {"noise", "u1", "u3", "u4"}
    assert reasons[f"call-A-{first}"] == f"channel 'call-B': {wanted}" and reasons[f"call-B-{first}"] == wanted
    assert reasons[f"call-B-{last}"] == f"channel 'call-A': {wanted}" and reasons[f"call-A-{last}"] == wanted
    assert reasons["noise"] == wanted and "is in a piece that was rejected" in reasons["u1"]


@pytest.mark.parametrize(
    "limits, reason",
    [
        ({"min_bandwidth": 4001.0}, r"bandwidth: (39\d\d|4000) Hz, at least 4001 Hz are wanted"),
        ({"max_clipping": -1.0}, r"clipping: 0.00% of samples, at most -100.00% are allowed"),
        ({"min_snr": 60.0}, r"signal-to-noise ratio: 4\d\.\d dB, at least 60.0 dB are wanted"),
        ({"min_speech": 0.9}, r"speech: 58.\d% of the time, at least 90.0% are wanted"),
    ],
)
def test_each_limit_names_value_and_limit(source, limits, reason):
    found = Screening(source, Limits(**limits), vad=detect).faults(["call-A"], 0.0, 100.0)
    assert re.fullmatch(reason, found["call-A"])
    assert not Screening(source, Limits(longest=5.0), vad=detect).faults(["call-A"], 0.0, 100.0)


def test_transcripts_without_times_are_not_cut(source, tmp_path):
    data = DataDir(wav={"noise": source.wav["noise"]}, text={"noise": "one two"}, path=tmp_path)
    assert Screening(data, Limits(longest=1.0), vad=detect).cut(["noise"]) == [(0.0, 5.0)]
    data.text = {}
    assert len(Screening(data, Limits(longest=1.0), vad=detect).cut(["noise"])) == 5


def test_an_utterance_over_a_cut_is_named():
    data = DataDir(
        wav={"r": "r.wav"}, segments={"u": Segment("r", 4.0, 6.0), "v": Segment("r", 5.0, 6.0)}, rttm=[], ctm=[]
    )
    problems = []
    out = cut_tables(data, {"r-1": Piece("r", 0.0, 5.0), "r-2": Piece("r", 5.0, 9.0)}, problems)
    assert list(out.segments) == ["v"] and out.segments["v"] == Segment("r-2", 0.0, 1.0)
    assert [problem.id for problem in problems] == ["u"] and "cut at 5.00 s" in problems[0].reason


def test_the_verb_and_its_wrong_options(source, tmp_path, capsys):
    common = ["--dir", str(tmp_path), "--sets", "dev", "--fs", "8000"]
    assert main(["audio", *common, "--min_bandwidth", "3000"]) == 0
    assert main(["merge", "--dir", str(tmp_path), "--sets", "dev", "--kind", "audio", "--num_jobs", "1"]) == 0
    assert DataDir.read(tmp_path / "dump/dev/audio").recos == ["call-A", "call-B", "noise"]
    for options, message in (
        (["--longest", "0"], "expected seconds above 0"),
        (["--longest", "nan"], "--longest nan, expected seconds above 0"),
        (["--min_snr", "nan"], "--min_snr nan, expected a number"),
        (["--max_clipping", "2"], "--max_clipping 2, expected a share from 0 to 1"),
        (["--language", "en"], "needs --language_model"),
    ):
        assert main(["audio", *common, *options]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


@pytest.mark.slow
def test_language_by_a_multilingual_whisper(source, tmp_path):
    pytest.importorskip("whisper_timestamped")
    from tiny_models import openai_whisper

    model = openai_whisper(tmp_path / "tiny.pt", multilingual=True)
    screen = Screening(source, Limits(language="en", language_model=str(model), min_language=1.01), vad=detect)
    (reason,) = screen.faults(["noise"], 0.0, 5.0).values()
    assert reason.startswith("language: 'en' with probability 0.0") and reason.endswith("at least 1.01 are wanted")
    english = openai_whisper(tmp_path / "english.pt")
    with pytest.raises(AudiolmError, match="knows English only"):
        Screening(source, Limits(language="en", language_model=str(english)), vad=detect)
