"""VCTK in both of its layouts."""

import pytest
from miniatures import noise, prepare, write_files

SPEECH = (noise(0.5, 48000), 48000)
INFO = "ID  AGE  GENDER  ACCENTS  REGION COMMENTS \np225  23  F    English    Southern  England\np226  22  M  English\n"
TEXTS = {
    f"txt/{name}/{name}_00{number}.txt": f"Sentence {number}.\n"
    for name in ("p225", "p226", "p227", "p280")
    for number in (1, 2)
}


def release_092():
    files = {"speaker-info.txt": INFO, **TEXTS}
    for name in ("p225", "p226", "p227", "p280", "p315"):
        for number in (1, 2):
            for mic in ("mic1", "mic2"):
                if (name, mic) != ("p280", "mic2"):
                    files[f"wav48_silence_trimmed/{name}/{name}_00{number}_{mic}.flac"] = SPEECH
    del files["wav48_silence_trimmed/p226/p226_002_mic2.flac"]
    return files


def release_080():
    info = INFO.replace("p2", "2").replace("COMMENTS", "")
    wavs = {f"wav48/{p}/{p}_00{n}.wav": SPEECH for p in ("p225", "p226", "p227", "p280") for n in (1, 2)}
    return {"speaker-info.txt": info, **TEXTS, **wavs}


OPTIONS = ("--held_out", 1, "--max_rejected", "100%")


def test_release_092_and_its_known_gaps(tmp_path):
    write_files(tmp_path / "VCTK-Corpus-0.92", release_092())
    (tmp_path / "VCTK-Corpus-0.92/txt/p227/p227_002.txt").write_bytes(b"caf\xe9\n")
    sets = prepare("vctk", tmp_path, tmp_path / "work", *OPTIONS)
    found = {utt: data.wav[utt] for data, _ in sets.values() for utt in data.utts}
    assert set(found) == {"p225_001", "p225_002", "p226_001", "p227_001"}
    assert all(path.endswith("_mic2.flac") for path in found.values())
    assert [len(set(data.utt2spk.values())) for data, _ in sets.values()] == [1, 1, 1]
    rejected = {id: reason for _, table in sets.values() for id, reason in table.items()}
    assert "there is no audio wav48_silence_trimmed/p226/p226_002_mic2" in rejected.pop("p226_002")
    assert "p227_002.txt:1: not utf-8 (byte 0xe9)" in rejected.pop("p227_002")
    assert rejected == {
        **dict.fromkeys(["p280_001", "p280_002"], "speaker p280 was not recorded by mic2"),
        **dict.fromkeys(["p315_001", "p315_002"], "the corpus has no transcripts of speaker p315"),
    }
    first = prepare("vctk", tmp_path, tmp_path / "work1", *OPTIONS, "--mic", "mic1")["train"][0]
    assert {"p280_001", "p280_002"} <= set(first.utts)


def test_release_080(tmp_path):
    write_files(tmp_path / "VCTK-Corpus", release_080())
    sets = prepare("vctk", tmp_path / "VCTK-Corpus", tmp_path / "work", "--held_out", 1)
    texts = {utt: text for data, _ in sets.values() for utt, text in data.text.items()}
    assert len(texts) == 8 and texts["p226_002"] == "Sentence 2."
    genders = {spk: sex for data, _ in sets.values() for spk, sex in data.others.get("spk2gender", {}).items()}
    assert genders == {"p225": "f", "p226": "m"}


@pytest.mark.parametrize(
    ("files", "said"),
    [({}, "no txt in"), ({"txt/p225/p225_001.txt": "Hi."}, "has neither wav48_silence_trimmed (release 0.92) nor")],
)
def test_what_is_missing_is_named(tmp_path, capsys, files, said):
    write_files(tmp_path, files)
    prepare("vctk", tmp_path, tmp_path / "work", status=1)
    assert said in (error := capsys.readouterr().err) and "https://datashare.ed.ac.uk/handle/10283/3443" in error


def test_an_empty_transcript_is_named(tmp_path):
    write_files(tmp_path / "VCTK-Corpus", {**release_080(), "txt/p226/p226_002.txt": " \n"})
    sets = prepare("vctk", tmp_path / "VCTK-Corpus", tmp_path / "work", *OPTIONS)
    rejected = {id: reason for _, table in sets.values() for id, reason in table.items()}
    assert list(rejected) == ["p226_002"] and rejected["p226_002"].endswith("txt/p226/p226_002.txt is empty")
