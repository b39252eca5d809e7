"""LibriSpeech as openslr distributes it, filled with real clips."""

import shutil

import pytest
from miniatures import noise, prepare, write_files

from audiolm.data.datadir import DataDir

SPEAKERS = """\
; The meaning of the fields in left-to-right order is as follows:
;ID  |SEX| SUBSET           |MINUTES| NAME
1088 | F | train-clean-100  | 25.10 | Christabel
1688 | M | test-other       |  8.00 | Somebody | else
"""
PARTS = ("--sets", "train", "test", "--parts", "train-clean-100+train-clean-360", "test-other")


@pytest.fixture
def corpus(tmp_path):
    """Two chapters of two speakers, of noise, with one file missing on either side."""
    write_files(
        tmp_path / "LibriSpeech",
        {
            "SPEAKERS.TXT": SPEAKERS,
            "train-clean-100/1088/129236/1088-129236.trans.txt": "1088-129236-0000 EVERY PROMISE\n"
            "1088-129236-0001 OF THE SOUL\n",
            "train-clean-100/1088/129236/1088-129236-0000.flac": (noise(1, 16000), 16000),
            "train-clean-100/1088/129236/1088-129236-0002.flac": (noise(1, 16000), 16000),
            "train-clean-360/1088/1/1088-1.trans.txt": "",
            "test-other/1688/142285/1688-142285.trans.txt": "1688-142285-0000 THERE'S IRON\n",
            "test-other/1688/142285/1688-142285-0000.flac": (noise(0.5, 16000), 16000),
        },
    )
    return tmp_path


def test_a_copy_with_files_missing(corpus, tmp_path):
    sets = prepare("librispeech", corpus, tmp_path / "work", *PARTS, "--max_rejected", "100%")
    data, rejected = sets["train"]
    assert data.text == {"1088-129236-0000": "EVERY PROMISE"} and data.utt2spk == {"1088-129236-0000": "1088"}
    assert data.others == {"spk2gender": {"1088": "f"}} and data.reco2dur == {"1088-129236-0000": 1.0}
    assert "1088-129236-0001.flac: No such file" in rejected["1088-129236-0001"]
    assert "has no transcript in 1088-129236.trans.txt" in rejected["1088-129236-0002"]
    assert sets["test"][0].text == {"1688-142285-0000": "THERE'S IRON"}


def test_too_many_faults_stop_it(corpus, tmp_path, capsys):
    prepare("librispeech", corpus, tmp_path / "work", *PARTS, status=1)
    assert "2 of 3 recordings and utterances were rejected, more than 1.0%" in capsys.readouterr().err
    assert not (tmp_path / "work/data/train/wav.scp").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--corpus_dir", "nowhere"), "nowhere is no folder; get LibriSpeech from https://www.openslr.org/12"),
        ((), "has no train-other-500, dev-clean, dev-other and 1 more; get train-other-500.tar.gz, dev-clean.tar.gz"),
        (("--parts", "train-clean-10", "a", "b"), "no part 'train-clean-10'; did you mean 'train-clean-100'?"),
        (("--parts", "dev-clean", "dev-clean", "test-clean"), "'dev-clean' is named 2 times"),
        (("--parts", "dev-clean"), "--parts names 1 (dev-clean), --sets 3 sets"),
    ],
)
def test_what_is_missing_is_named_with_where_to_get_it(corpus, tmp_path, capsys, options, said):
    prepare("librispeech", corpus, tmp_path / "work", *options, status=1)
    assert said in capsys.readouterr().err


def test_real_clips(shared_data, tmp_path):
    write_files(tmp_path / "LibriSpeech", {"SPEAKERS.TXT": SPEAKERS})
    sources = {}
    for part, folder in (("test-other", "librispeech_test_other"), ("train-clean-100", "librispeech_train_clean_100")):
        source = sources[part] = DataDir.read(shared_data / folder)
        for utt in source.utts:
            speaker, chapter, _ = utt.split("-")
            place = tmp_path / "LibriSpeech" / part / speaker / chapter
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.wav_path(utt), place / f"{utt}.flac")
            with open(place / f"{speaker}-{chapter}.trans.txt", "a") as file:
                file.write(f"{utt} {source.text[utt]}\n")
    parts = ("--sets", "train", "test", "--parts", "train-clean-100", "test-other")
    sets = prepare("librispeech", tmp_path / "LibriSpeech", tmp_path / "work", *parts)
    for name, part in (("train", "train-clean-100"), ("test", "test-other")):
        data, rejected = sets[name]
        assert (data.text, data.utt2spk, rejected) == (sources[part].text, sources[part].utt2spk, {})
    assert sum(sets["test"][0].reco2dur.values()) == pytest.approx(513.9, abs=0.1)


def test_a_transcript_in_another_encoding_costs_its_chapter_alone(corpus, tmp_path):
    folder = corpus / "LibriSpeech/train-clean-100/1088/2"
    write_files(folder, {"1088-2-0000.flac": (noise(0.5, 16000), 16000)})
    (folder / "1088-2.trans.txt").write_bytes(b"1088-2-0000 CAF\xc9\n")
    data, rejected = prepare("librispeech", corpus, tmp_path / "work", *PARTS, "--max_rejected", "100%")["train"]
    assert data.utts == ["1088-129236-0000"]
    assert "1088-2.trans.txt:1: not utf-8 (byte 0xc9)" in rejected["1088-2-0000"]
