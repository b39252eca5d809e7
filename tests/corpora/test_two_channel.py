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
    assert list(rejected) == ["day%201_talk:6"] and "found 'talk C carl" in rejected["day%201_talk:6"]


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


def test_a_transcript_without_audio_is_named(tmp_path):
    write_files(tmp_path / "corpus", {"a.wav": PAIR, "day 2/gone.stm": STM})
    options = ("--sets", "all", "--max_rejected", "100%")
    data, rejected = prepare("two_channel", tmp_path / "corpus", tmp_path / "work", *options)["all"]
    assert list(data.wav) == ["a-A", "a-B"]
    assert rejected["day%202%2Fgone.stm"].startswith(f"there is no audio of {tmp_path}/corpus/day 2/gone.stm (.flac")
