"""Any folder of two-channel files, with STM transcripts or without."""

from miniatures import noise, prepare, write_files

PAIR = (noise(3, 16000, 2), 16000)
STM = """\
;; NIST's comment
talk A ann 0.50 1.50 <o,f0,female> Hello, Bob.
talk 2 bob 1.25 2.00 Hi
talk A ann 2.00 2.50 <o> ignore_time_segment_in_scoring
talk A inter_segment_gap 2.50 2.60
talk C carl 1.00 2.00 nobody
"""


def test_transcripts_beside_the_files(tmp_path):
    write_files(tmp_path / "corpus", {"day 1/talk.wav": PAIR, "day 1/talk.stm": STM, "b.flac": PAIR, "c.wav": PAIR})
    options = ("--sets", "all", "--max_rejected", "100%")
    data, rejected = prepare("two_channel", tmp_path / "corpus", tmp_path / "work", *options)["all"]
    assert list(data.wav) == ["b-A", "b-B", "c-A", "c-B", "day%201_talk-A", "day%201_talk-B"]
    assert data.reco2file_and_channel["b-B"] == ("b", "B")
    assert data.text == {
        "ann-day%201_talk-A-000050-000150": "Hello, Bob.",
        "bob-day%201_talk-B-000125-000200": "Hi",
    }
    assert [(turn.channel, turn.speaker) for turn in data.rttm] == [("1", "ann"), ("2", "bob")]
    assert list(rejected) == ["day%201_talk:6"] and "channel 'C' of 'talk', expected A or B" in rejected.popitem()[1]


def test_a_folder_without_transcripts_and_one_channel_among_them(tmp_path):
    files = {f"{name}.wav": PAIR for name in "abcd"} | {"mono.wav": (noise(1, 16000), 16000)}
    write_files(tmp_path / "corpus", files)
    sets = prepare("two_channel", tmp_path / "corpus", tmp_path / "work", "--max_rejected", "100%", "--seed", 1)
    assert sum(len(data.wav) for data, _ in sets.values()) == 9  # four pairs, and channel A of the other
    assert all(not data.text and not data.segments and not data.rttm for data, _ in sets.values())
    rejected = {id: reason for _, table in sets.values() for id, reason in table.items()}
    assert list(rejected) == ["mono-B"] and "has 1 channel(s), expected channel B" in rejected["mono-B"]


def test_nothing_to_read(tmp_path, capsys):
    prepare("two_channel", tmp_path, tmp_path / "work", status=1)
    assert "no audio (.flac, .wav, .sph" in capsys.readouterr().err


def test_one_transcript_of_many_files_with_nists_forms(tmp_path):
    lines = [
        "t1 a ann 0.5 1.0 so { um / uh / @ } yes",
        "t1.wav 2 bob 1 2 <o,f0> { @ / well }",
        "T2 B bob 1.5 2.5 a\u2028b \\{c\\}",
        "t3 A eve 0.5 1.0 nobody",
        "t2 B bob 1 2 { never",
        "t2 B bob 1_0 2 text",
    ]
    files = {"x/t1.wav": PAIR, "x/t2.wav": PAIR, "all.STM": "\r\n".join(lines), "x/._t1.wav": "no audio"}
    write_files(tmp_path / "corpus", files)
    (tmp_path / "corpus/x/t1.wav").rename(tmp_path / "corpus/x/t1.WAV")
    options = ("--sets", "all", "--max_rejected", "100%")
    data, rejected = prepare("two_channel", tmp_path / "corpus", tmp_path / "work", *options)["all"]
    assert data.recos == ["x_t1-A", "x_t1-B", "x_t2-A", "x_t2-B"]
    assert data.text == {"ann-x_t1-A-000050-000100": "so um yes", "bob-x_t2-B-000150-000250": "a b {c}"}
    assert [(turn.file, turn.channel, turn.start) for turn in data.rttm] == [
        ("x_t1", "1", 0.5),
        ("x_t1", "2", 1.0),  # no word was said
        ("x_t2", "2", 1.5),
    ]
    assert [(id, reason[9:32]) for id, reason in rejected.items()] == [
        ("all.STM:4", "there is no audio of 't"),
        ("all.STM:5", "found '{ never', expect"),
        ("all.STM:6", "found 't2 B bob 1_0 2 t"),
    ]


def test_transcripts_that_cannot_be_read_or_that_count_from_0(tmp_path):
    files = {f"{name}.wav": PAIR for name in ("latin", "zero", "odd")}
    files |= {"zero.stm": "z 1 bob 1 2 right\n", "odd.stm": "odd 0 x 1 2 a\nodd 2 y 1 2 b\n"}
    files["zero.stm"] += "z 0 ann 1 2 left\n"
    write_files(tmp_path / "corpus", files)
    (tmp_path / "corpus/latin.stm").write_bytes("latin A x 0 1 café\n".encode("latin-1"))
    options = ("--sets", "all", "--max_rejected", "100%")
    data, rejected = prepare("two_channel", tmp_path / "corpus", tmp_path / "work", *options)["all"]
    assert data.text == {"ann-zero-A-000100-000200": "left", "bob-zero-B-000100-000200": "right"}
    assert len(data.wav) == 6 and list(rejected) == ["latin", "odd"]
    assert "latin.stm:1: not utf-8 (byte 0xe9)" in rejected["latin"]
    assert "odd.stm counts channels from 0 and from 1" in rejected["odd"]


def test_a_transcript_without_audio_is_named(tmp_path):
    write_files(tmp_path / "corpus", {"a.wav": PAIR, "day 2/gone.stm": STM})
    options = ("--sets", "all", "--max_rejected", "100%")
    data, rejected = prepare("two_channel", tmp_path / "corpus", tmp_path / "work", *options)["all"]
    assert list(data.wav) == ["a-A", "a-B"]
    assert rejected["day%202%2Fgone.stm"].startswith(f"there is no audio of {tmp_path}/corpus/day 2/gone.stm (.flac")
