"""AMI in its server's layout: headset mixes or headsets, annotations in NXT's XML."""

import pytest
from miniatures import noise, prepare, write_files

ROOT = """<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>
<nite:root nite:id="x" xmlns:nite="http://nite.sourceforge.net/">"""
MEETINGS = """<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>
<nite:root nite:id="meetings" xmlns:nite="http://nite.sourceforge.net/">
  <meeting nite:id="m1" duration="4" observation="ES2002a" type="scenario">
    <speaker nite:id="s1" channel="1" nxt_agent="A" global_name="FEE005"/>
    <speaker nite:id="s2" channel="0" nxt_agent="B" global_name="MEE006"/>
  </meeting>
  <meeting nite:id="m2" duration="4" observation="ES2004a" type="scenario">
    <speaker nite:id="s3" channel="0" nxt_agent="A" global_name="MEO015"/>
  </meeting>
</nite:root>"""


def words(meeting, agent):
    prefix = f'nite:id="{meeting}.{agent}.words'
    return f"""{ROOT}
   <w {prefix}0" starttime="0.5" endtime="0.8">Hi</w>
   <w {prefix}1" starttime="0.8" endtime="0.8" punc="true">,</w>
   <w {prefix}2" starttime="0.8" endtime="1.1">I&#39;m</w>
   <w {prefix}3" starttime="1.1" endtime="1.4" trunc="true">Da</w>
   <w {prefix}4" starttime="1.4" endtime="1.4" punc="true">.</w>
   <vocalsound {prefix}5" starttime="2.0" endtime="2.4" type="laugh"/>
   <w {prefix}6">Okay</w>
   <w {prefix}7" starttime="3.2" endtime="3.4">then</w>
</nite:root>"""


def segments(meeting, agent):
    def segment(number, start, end, first, last=""):
        ends = f"..id({meeting}.{agent}.words{last})" if last else ""
        return f"""<segment nite:id="{meeting}.{agent}.segment{number}" channel="0" transcriber_start="{start}"
            transcriber_end="{end}">
            <nite:child href="{meeting}.{agent}.words.xml#id({meeting}.{agent}.words{first}){ends}"/></segment>"""

    lines = [segment(1, 0.4, 1.5, 0, 4), segment(2, 2.0, 2.4, 5), segment(3, 3.0, 3.5, 6, 7), segment(4, 1, 2, 99)]
    return "\n".join([ROOT, *lines, "</nite:root>"])


@pytest.fixture
def corpus(tmp_path):
    root = tmp_path / "ami"
    files = {"ami_public_manual_1.6.2/corpusResources/meetings.xml": MEETINGS}
    for meeting, agents in (("ES2002a", "AB"), ("ES2004a", "A")):
        for agent in agents:
            files[f"ami_public_manual_1.6.2/words/{meeting}.{agent}.words.xml"] = words(meeting, agent)
            files[f"ami_public_manual_1.6.2/segments/{meeting}.{agent}.segments.xml"] = segments(meeting, agent)
        for name in ("Mix-Headset", "Headset-0", "Headset-1"):
            files[f"amicorpus/{meeting}/audio/{meeting}.{name}.wav"] = (noise(4, 16000), 16000)
    write_files(root, files)
    return root


OPTIONS = ("--sets", "train", "test", "--parts", "train", "test", "--max_rejected", "100%")


def test_the_mix_has_everybodys_turns_and_words(corpus, tmp_path):
    sets = prepare("ami", corpus, tmp_path / "work", *OPTIONS)
    data, rejected = sets["train"]
    assert list(data.wav) == ["ES2002a"] and list(sets["test"][0].wav) == ["ES2004a"]
    assert data.text == {
        "FEE005-ES2002a-A-000040-000150": "Hi, I'm Da-.",
        "FEE005-ES2002a-A-000300-000350": "Okay then",
        "MEE006-ES2002a-B-000040-000150": "Hi, I'm Da-.",
        "MEE006-ES2002a-B-000300-000350": "Okay then",
    }
    turns = [(turn.start, turn.speaker) for turn in data.turns()["ES2002a"]]
    assert turns == [(start, speaker) for start in (0.4, 2.0, 3.0) for speaker in ("FEE005", "MEE006")]
    timed = [(word.word, word.start, round(word.end, 2)) for word in data.words()["ES2002a"]][::2]
    assert timed == [("Hi,", 0.5, 0.8), ("I'm", 0.8, 1.1), ("Da-.", 1.1, 1.4), ("then", 3.2, 3.4)]
    assert data.others["spk2gender"] == {"FEE005": "f", "MEE006": "m"}
    assert set(rejected) == {"ES2002a.A.segment4", "ES2002a.B.segment4"}
    assert "refers to 'ES2002a.A.words.xml#id(ES2002a.A.words99)'" in rejected["ES2002a.A.segment4"]


def test_headsets_are_one_recording_a_speaker(corpus, tmp_path):
    (corpus / "ami_public_manual_1.6.2/words/ES2002a.B.words.xml").unlink()
    data, rejected = prepare("ami", corpus, tmp_path / "work", *OPTIONS, "--mic", "headset")["train"]
    assert data.wav["ES2002a-A"].endswith("ES2002a.Headset-1.wav")
    assert data.wav["ES2002a-B"].endswith("ES2002a.Headset-0.wav")
    assert {turn.file for turn in data.rttm} == {"ES2002a-A"}
    assert "ES2002a.B.words.xml: No such file" in rejected["ES2002a.B"]


def test_what_is_missing_is_named(corpus, tmp_path, capsys):
    for path in (corpus / "amicorpus").rglob("*.Mix-Headset.wav"):
        path.unlink()
    prepare("ami", corpus, tmp_path / "work", *OPTIONS, status=1)
    assert "ES2002a.Mix-Headset.wav: No such file" in capsys.readouterr().err
    (corpus / "amicorpus").rename(tmp_path / "elsewhere")
    prepare("ami", corpus, tmp_path / "work", *OPTIONS, status=1)
    assert "get audio from https://groups.inf.ed.ac.uk/ami/download" in capsys.readouterr().err
    prepare("ami", tmp_path / "elsewhere", tmp_path / "work", *OPTIONS, status=1)
    assert "get the manual annotations (ami_public_manual_1.6.2.zip)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "corpusResources/meetings.xml",
            'channel="1"',
            'channel="x"',
            "a meeting or speaker is incomplete",
        ),
        ("corpusResources/meetings.xml", "observation=", "name=", "a meeting or speaker is incomplete"),
        ("segments/ES2002a.A.segments.xml", 'start="0.4"', 'start="x"', "goes from nan to 1.5 s, expected start < end"),
        ("words/ES2002a.A.words.xml", 'starttime="0.5"', 'starttime="x"', ""),  # a word without a time, as others
    ],
)
def test_damaged_annotations_are_named(corpus, tmp_path, capsys, file, old, new, said):
    path = corpus / "ami_public_manual_1.6.2" / file
    path.write_text(path.read_text().replace(old, new))
    status = 1 if "incomplete" in said else 0
    sets = prepare("ami", corpus, tmp_path / "work", *OPTIONS, status=status)
    reasons = capsys.readouterr().err if status else "".join(sets["train"][1].values())
    assert said in reasons
