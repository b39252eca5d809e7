"""Fisher English in the LDC's layouts: real SPHERE files, mu-law, two channels."""

import numpy as np
import pytest
from miniatures import noise, prepare, write_files, write_sphere

from audiolm.corpora.fisher import find_files, words_of
from audiolm.data import audio
from audiolm.data.recordings import convert_share, finish

CALLDATA = (
    "CALL_ID,DATE_TIME,TOPICID,SIG_GRADE,CNV_GRADE,APIN,ASX.DL,APHNUM,APHSET,APHTYP,BPIN,BSX.DL,BPHNUM,BPHSET,BPHTYP"
)
TRANSCRIPT = """\
# {call}.sph
# Transcribed at the LDC

0.20 0.90 A: hello my name is (( brenda )) [laughter]

0.80 1.40 B: and i'm on t._v. [[skip]]

1.50 1.60 A: [noise]

1.60 1.90 B: (( ))

"""


def call_line(call, speaker_a, speaker_b):
    return f"{call},20021217_21:46:54,ENG01,4,4,{speaker_a},f.a,x,1,3,{speaker_b},m.o,y,4,1"


def tones(seconds=2.0):
    """Channel A has 400 Hz, channel B 1000 Hz."""
    time = np.arange(round(seconds * 8000)) / 8000
    return 0.3 * np.sin(2 * np.pi * time[:, None] * np.array([400, 1000])).astype(np.float32)


@pytest.fixture
def corpus(tmp_path):
    """Four calls of part 1 and three of part 2; the second part in the names of the web edition."""
    root = tmp_path / "ldc"
    calls = {1: (2602, 1790), 2: (3001, 3002), 3: (2602, 3003), 4: (4001, 4002)}
    later = {5851: (5001, 5002), 5852: (5003, 5004), 5853: (5005, 5006)}
    for table, audio_dir, text_dir, number in (
        (calls, "LDC2004S13/fe_03_p1_sph1/audio", "LDC2004T19/fe_03_p1_tran", 1),
        (later, "LDC2005S13/fisher_eng_tr_sp_d1/audio", "LDC2005T19/fe_03_p2_tran", 2),
    ):
        for call in table:
            name, place = f"fe_03_{call:05d}", f"{call // 100:03d}"
            write_sphere(root / audio_dir / place / f"{name}.sph", tones())
            write_files(root, {f"{text_dir}/data/trans/{place}/{name}.txt": TRANSCRIPT.format(call=name)})
        lines = [CALLDATA, *(call_line(f"{call:05d}", *pins) for call, pins in table.items())]
        pins = ["PIN,S_SEX,S_AGE,EDU,NATIVE_LANG,WHERE_RAISED", "2602,F,36,16,English,Ohio", "1790,F,20,16,English,NY"]
        write_files(
            root / text_dir,
            {f"doc/fe_03_p{number}_calldata.tbl": "\n".join(lines), "doc/fe_03_pindata.tbl": "\n".join(pins)},
        )
    return root


OPTIONS = ("--held_out", 1, "--max_rejected", "100%")


def test_names_in_capitals_are_those_of_the_corpus(corpus, tmp_path):
    small = find_files(corpus)
    for path in [path for path in corpus.rglob("*") if path.is_file()]:
        path.rename(path.with_name(path.name.upper()))
    found = find_files(corpus)
    assert found.audio.keys() == small.audio.keys() and found.text.keys() == small.text.keys()
    assert len(found.calldata) == len(found.pindata) == 2


def test_calls_become_two_channels_with_words_turns_and_speakers(corpus, tmp_path):
    sets = prepare("fisher", corpus, tmp_path / "work", *OPTIONS)
    recordings = {reco: name for name, (data, _) in sets.items() for reco in data.wav}
    left_out = {id: reason for _, rejected in sets.values() for id, reason in rejected.items()}
    assert all("is also in set" in reason for reason in left_out.values())
    assert {reco[:-2] for reco in recordings} | left_out.keys() == {
        f"fe_03_{call:05d}" for call in (1, 2, 3, 4, 5851, 5852, 5853)
    }
    people = [set(data.utt2spk.values()) for data, _ in sets.values()]
    assert not people[0] & people[1] and not people[0] & people[2] and not people[1] & people[2]
    data = sets[recordings["fe_03_00002-A"]][0]
    assert data.reco2file_and_channel["fe_03_00002-B"] == ("fe_03_00002", "B")
    assert data.text["3001-fe_03_00002-A-000020-000090"] == "hello my name is brenda"
    assert data.text["3002-fe_03_00002-B-000080-000140"] == "and i'm on t. v."
    turns = [(t.channel, t.start, round(t.end, 2), t.speaker) for t in data.rttm if t.file == "fe_03_00002"]
    assert turns == [
        ("1", 0.2, 0.9, "3001"),
        ("1", 1.5, 1.6, "3001"),
        ("2", 0.8, 1.4, "3002"),
        ("2", 1.6, 1.9, "3002"),
    ]
    assert data.others["spk2gender"]["3001"] == "f" and data.others["spk2gender"]["3002"] == "m"
    for reco, pitch in (("fe_03_00002-A", 400), ("fe_03_00002-B", 1000)):
        spectrum = np.abs(np.fft.rfft(data.audio(reco)))
        assert np.argmax(spectrum) / 2 == pitch  # 2 s: bins of half a hertz


def test_gender_is_the_speakers_own_where_the_table_has_him(corpus, tmp_path):
    data, _ = prepare("fisher", corpus, tmp_path / "work", "--sets", "all")["all"]
    assert data.others["spk2gender"]["1790"] == "f"  # heard as "m" on the telephone
    assert len(data.wav) == 14 and data.reco2dur["fe_03_05853-B"] == 2.0


def test_the_audio_stage_reads_sphere(corpus, tmp_path):
    data, _ = prepare("fisher", corpus, tmp_path / "work", "--sets", "all")["all"]
    convert_share(data, tmp_path / "dump", 24000)
    counts = finish(data, tmp_path / "dump", 1)
    assert [count.rejected for count in counts] == [0, 0, 0]
    assert audio.info(tmp_path / "dump/flac/fe_03_00001-A.flac") == audio.Info(24000, 48000, 1)


def test_faults_of_single_calls_are_named(corpus, tmp_path):
    speech = corpus / "LDC2004S13/fe_03_p1_sph1/audio/000"
    write_sphere(speech / "fe_03_00002.sph", noise(2, 8000, 2), coding="ulaw,embedded-shorten-v2.00")
    write_sphere(speech / "fe_03_00003.sph", noise(2, 8000).reshape(-1, 1))
    (speech / "fe_03_00004.sph").unlink()
    write_sphere(speech / "fe_03_00005.sph", tones())
    text = corpus / "LDC2004T19/fe_03_p1_tran/data/trans/000"
    write_sphere(speech / "fe_03_00006.sph", tones())
    (text / "fe_03_00006.txt").write_text(TRANSCRIPT.format(call="fe_03_00006"))
    with open(text / "fe_03_00001.txt", "a") as file:
        file.write("1.2 A: no end\n9.0 9.5 B: beyond the end\n")
    data, rejected = prepare(
        "fisher", corpus, tmp_path / "work", "--sets", "all", "--releases", 1, "--max_rejected", "100%"
    )["all"]
    assert set(data.wav) == {"fe_03_00001-A", "fe_03_00001-B", "fe_03_00003-A"}
    assert "shorten compression" in rejected["fe_03_00002-A"] and "sph2pipe -p" in rejected["fe_03_00002-B"]
    assert "has 1 channel(s), expected channel B" in rejected["fe_03_00003-B"]
    assert "there is no audio fe_03_00004.sph" in rejected["fe_03_00004"] and "LDC2004S13" in rejected["fe_03_00004"]
    assert "no transcript fe_03_00005.txt; LDC2004T19 has it" in rejected["fe_03_00005"]
    assert "calldata.tbl has no line of this call" in rejected["fe_03_00006"]
    assert "found '1.2 A: no end', expected '<start> <end> <A or B>: <words>'" in rejected["fe_03_00001:12"]
    assert "the recording ends at 2.00 s" in rejected["1790-fe_03_00001-B-000900-000950"]


def test_each_missing_package_is_named_with_where_to_get_it(corpus, tmp_path, capsys):
    for path in (corpus / "LDC2005S13").rglob("*.sph"):
        path.unlink()
    (corpus / "LDC2004T19/fe_03_p1_tran/doc/fe_03_p1_calldata.tbl").unlink()
    prepare("fisher", corpus, tmp_path / "work", status=1)
    error = capsys.readouterr().err
    assert "fe_03_p1_calldata.tbl of LDC2004T19" in error and "https://catalog.ldc.upenn.edu" in error
    assert "LDC2005S13 (speech, part 2: fe_03_05851 to 11699.sph)" in error and "T19 (transcripts" not in error
    prepare("fisher", tmp_path / "nothing", tmp_path / "work", status=1)
    error = capsys.readouterr().err
    assert all(number in error for number in ("LDC2004S13", "LDC2005S13", "LDC2004T19", "LDC2005T19"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[laughter] yeah [noise]", "yeah"),
        ("(( ))", ""),
        ("(( um-hum )) right", "um-hum right"),
        ("the an- u._s. team", "the an- u. s. team"),
        ("[[skip]]", ""),
    ],
)
def test_words_of_a_line(line, words):
    assert words_of(line) == words
