"""``audiolm text``: ctm → text token archives."""

import resource

import numpy as np
import pytest

from audiolm.commands.main import main
from audiolm.data.datadir import DataDir
from audiolm.data.text_streams import num_frames
from audiolm.data.tokens import TokenReader
from audiolm.streams.text import dialogue_text, read_text
from audiolm.text.tokenizer import BOS, EOS, EPAD, PAD, Tokenizer, train_tokenizer

WORDS = "one two three"


@pytest.fixture(scope="module")
def tokenizer_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer([WORDS] * 5, 300).save(folder)
    return folder


@pytest.fixture
def work(tmp_path):
    directory = tmp_path / "dump" / "test"
    DataDir(
        wav={reco: f"/nowhere/{reco}.flac" for reco in ("d-A", "d-B", "e", "f", "silent")},
        reco2dur={"d-A": 2.0, "d-B": 2.0, "e": 1.0, "f": 1.0, "silent": 0.5},
        reco2file_and_channel={r: ("d", r[-1]) if "-" in r else (r, "A") for r in ("d-A", "d-B", "e", "f", "silent")},
    ).write(directory / "audio")
    (directory / "align").mkdir()
    return tmp_path


def run(work, tokenizer_dir, ctm: str, *options: str) -> int:
    (work / "dump" / "test" / "align" / "ctm").write_text(ctm)
    command = ["text", "--dir", str(work), "--sets", "test", "--tokenizer", str(tokenizer_dir), "--frame_rate", "12.5"]
    return main([*command, *options])


CTM = "d A 0.00 0.3 one 1\nd A 0.90 0.3 two 1\nd B 0.50 0.3 three 1\ne A 0.10 0.2 two 1\n"


def test_streams_and_counts(work, tokenizer_dir, capsys):
    assert run(work, tokenizer_dir, CTM) == 0
    reader = TokenReader(work / "dump" / "test" / "text", "text", Tokenizer.load(tokenizer_dir).checksum)
    assert reader.keys() == ["d-A", "d-B", "e", "f", "silent"]
    tokenizer = Tokenizer.load(tokenizer_dir)
    one, two = tokenizer.encode_word("one"), tokenizer.encode_word("two")
    expected = np.full(25, PAD)
    expected[[0, 10]] = EPAD
    expected[1 : 1 + len(one)], expected[11 : 11 + len(two)] = one, two
    assert reader.read("d-A")[:, 0].tolist() == expected.tolist()
    assert (reader.read("silent") == PAD).all() and reader.num_frames("silent") == 7
    initial = np.array([tokenizer.starts_word(i) for i in range(tokenizer.vocab_size)])
    (word,) = read_text(reader.read("d-B")[:, 0], initial)
    assert (word.frame, tokenizer.decode(word.pieces)) == (6, "three")
    assert "test: 4 words in 83 frames" in capsys.readouterr().out
    assert (work / "dump" / "test" / "text" / "rejected.1.tsv").read_text() == ""


def test_streams_of_both_speakers_turns(work, tokenizer_dir):
    assert run(work, tokenizer_dir, CTM, "--turns") == 0
    tokenizer = Tokenizer.load(tokenizer_dir)
    one, two, three = (tokenizer.encode_word(word) for word in WORDS.split())
    streams = TokenReader(work / "dump" / "test" / "text", "text")
    for reco, (first, second) in {"d-A": (BOS, EOS), "d-B": (EOS, BOS)}.items():
        expected = np.full(25, PAD)
        for frame, word in ((1, [first, *one]), (6, [second, *three]), (11, [first, *two])):
            expected[frame : frame + len(word)] = word
            if expected[frame - 1] == PAD:
                expected[frame - 1] = EPAD
        tokens = streams.read(reco)[:, 0]
        assert tokens.tolist() == expected.tolist()
        # A text LM reads such a stream as it is, not both speakers' together.
        other = streams.read("d-B" if reco == "d-A" else "d-A")[:, 0]
        assert dialogue_text(tokens, [other]).tolist() == [first, *one, second, *three, first, *two]
    assert streams.read("e")[1, 0] == BOS


def test_a_turn_of_a_rejected_speaker_rejects_the_conversation(work, tokenizer_dir):
    assert run(work, tokenizer_dir, "d A 0.90 0.3 two 1\nd A 0.10 0.3 one 1\nd B 0.50 0.3 three 1\n", "--turns") == 0
    assert TokenReader(work / "dump" / "test" / "text", "text").keys() == ["e", "f", "silent"]


def test_bad_words_reject_their_recording(work, tokenizer_dir):
    bad = "d A 0.90 0.3 two 1\nd A 0.10 0.3 one 1\nd B 0.50 0.3 three 1\ne A 1.30 0.2 two 1\nf A 0.1 0.1 a\u2581b 1\n"
    assert run(work, tokenizer_dir, bad) == 0
    assert TokenReader(work / "dump" / "test" / "text", "text").keys() == ["d-B", "silent"]
    lines = (work / "dump" / "test" / "text" / "rejected.1.tsv").read_text().splitlines()
    reasons = dict(line.split("\t") for line in lines)
    assert sorted(reasons) == ["d-A", "e", "f"]
    assert "comes after a word at 0.90 s" in reasons["d-A"]
    assert "'two' at 1.3 s is beyond the end at 1.0 s" in reasons["e"]


def test_words_for_which_there_is_no_room_reject_their_recording(work, tokenizer_dir):
    twice = "".join(f"e A {0.08 * number:.2f} 0.08 three 1\n" * 2 for number in range(12))  # of a second
    assert run(work, tokenizer_dir, twice + CTM.splitlines()[2]) == 0
    directory = work / "dump" / "test" / "text"
    ((reco, reason),) = [line.split("\t") for line in (directory / "rejected.1.tsv").read_text().splitlines()]
    assert reco == "e" and "its words overlap, and " in reason and "find no frame before its end" in reason
    assert run(work, tokenizer_dir, twice, "--overlap", "drop") == 0  # to lose pieces is what it is for
    assert (directory / "rejected.1.tsv").read_text() == ""


def test_jobs_share_the_recordings(work, tokenizer_dir):
    for job in ("1", "2"):
        assert run(work, tokenizer_dir, CTM, "--job", job, "--num_jobs", "2") == 0
    assert len(TokenReader(work / "dump" / "test" / "text", "text")) == 5


def test_a_ctm_of_other_recordings_is_one_line(work, tokenizer_dir, capsys):
    assert run(work, tokenizer_dir, "g A 0.1 0.1 one 1\n") == 1
    assert "'g'" in capsys.readouterr().err


def test_words_of_other_recordings_are_found_when_parts_are_joined(work, tokenizer_dir, capsys):
    for job in ("1", "2"):
        assert run(work, tokenizer_dir, CTM + "g A 0.1 0.1 one 1\n", "--job", job, "--num_jobs", "2") == 0
    merge = ["merge", "--dir", str(work), "--sets", "test", "--kind", "text", "--num_jobs", "2"]
    assert main(merge) == 1
    assert "word at 0.10 s of file 'g' channel 'A': no recording of" in capsys.readouterr().err
    (work / "dump/test/align/ctm").write_text(CTM)
    assert main(merge) == 0


def test_a_full_disk_keeps_the_complete_entries(work, tokenizer_dir, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        assert run(work, tokenizer_dir, CTM) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = capsys.readouterr().err
    assert "cannot write 'e' to" in error and "2 entries before it are kept" in error and error.count("\n") == 1
    directory = work / "dump" / "test" / "text"
    half = TokenReader(directory, "text")
    assert half.keys() == ["d-A", "d-B"]
    kept = [half.read(key).tolist() for key in half.keys()]
    assert run(work, tokenizer_dir, CTM) == 0
    whole = TokenReader(directory, "text")
    assert len(whole) == 5 and [whole.read(key).tolist() for key in half.keys()] == kept


def test_frames_of_a_duration():
    assert [num_frames(s, 12.5) for s in (0.08, 0.081, 2.0, 26.56, 26.560001, 0.001)] == [1, 2, 25, 332, 332, 1]


def test_counts_of_all_jobs_are_summed_and_words_far_off_are_named(tmp_path):
    from audiolm.data.text_streams import describe_parts

    one = '{"frames": 10, "pads": 8, "pieces": 2, "words": 2, '
    one += '"shifted_words": 1, "shifted_frames": %d, "max_shift": %d}'
    (tmp_path / "stats.1.json").write_text(one % (1, 1))
    assert describe_parts("dev", tmp_path, 2) == ""
    (tmp_path / "stats.2.json").write_text(one % (3, 3))
    said = describe_parts("dev", tmp_path, 2)
    assert "4 words in 20 frames: 80.0% PAD" in said and "by 2.0 frames on average, 3 at most" in said
    assert "look wrong" not in said
    (tmp_path / "stats.2.json").write_text(one % (30, 30))
    assert "look wrong" in describe_parts("dev", tmp_path, 2)


def test_streams_are_shown_by_name(work, tokenizer_dir, capsys):
    assert run(work, tokenizer_dir, CTM, "--turns") == 0
    capsys.readouterr()
    show = ["text", "show", str(work / "dump/test/text"), "--tokenizer", str(tokenizer_dir)]
    assert main([*show, "--ids", "e", "d-A"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    pieces = Tokenizer.load(tokenizer_dir).pieces
    two, three = (pieces(Tokenizer.load(tokenizer_dir).encode_word(word)) for word in ("two", "three"))
    left = 13 - 2 - len(two)
    assert lines[0] == f"e: 13 frames, 1.04 s, {left / 13:.1%} PAD, {1 / 13:.1%} EPAD".split()
    assert lines[1] == "0.00 s 0 1 EPAD a word is next".split()
    assert lines[2] == "0.08 s 1 1 BOS this speaker's turn".split()
    assert lines[3] == ["0.16", "s", "2", str(len(two)), "two", *two]
    assert lines[4] == f"{0.08 * (13 - left):.2f} s {13 - left} {left} PAD".split()
    assert ["0.48", "s", "6", "1", "EOS", "another", "speaker's", "turn"] in lines
    assert ["0.56", "s", "7", str(len(three)), "three", *three] in lines
    assert main([*show, "--frames", "--start", "0.3", "--end", "0.5"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[2] for line in said.splitlines()[1:-1]] == ["3", "4", "5", "6"]
    assert "the first of 5 streams; --ids names others: d-B e f" in said and "<unk>" not in said
    assert main([*show, "--ids", "d-C"]) == 1
    assert "no 'd-C' among the 5 streams" in capsys.readouterr().err


def test_words_that_were_moved_far_are_warned_of_where_parts_are_joined(work, tokenizer_dir, capsys):
    crowd = "".join(f"d A 0.{number:02d} 0.01 two 1\n" for number in range(99))
    assert run(work, tokenizer_dir, "e A 0.10 0.2 two 1\n") == 0
    merge = ["merge", "--dir", str(work), "--sets", "test", "--kind", "text", "--num_jobs", "1"]
    capsys.readouterr()
    assert main(merge) == 0
    assert "test: 1 words in 83 frames" in (said := capsys.readouterr().out) and "warning" not in said
    table = work / "dump/test/audio/reco2dur"
    table.write_text(table.read_text().replace("d-A 2.0", "d-A 60.0"))
    assert run(work, tokenizer_dir, crowd) == 0
    assert main(merge) == 0
    assert "warning: words of 'd-A' stand " in (said := capsys.readouterr().out) and "--ids d-A" in said
