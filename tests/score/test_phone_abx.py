"""ABX of a codec from an experiment directory: which items, which features, and what is said where there are none."""

import numpy as np
import pytest
import torch

from audiolm.codec.load import load_codec
from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.score.items import Item, read_items, write_items
from audiolm.score.phone_abx import score
from audiolm.score.phones import items_of, whole_speakers
from audiolm.score.record import read_all
from audiolm.train.checkpoint import checksum
from tests.codec.tiny_codecs import write_experiment

RATE = 12.5


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Two speakers, two recordings of noise each, coded by a codec of random weights."""
    work = tmp_path_factory.mktemp("work")
    exp, dump = work / "exp" / "codec", work / "dump" / "test"
    exp.parent.mkdir(parents=True)
    write_experiment(exp)
    codec, rng, data = load_codec(exp), np.random.default_rng(0), DataDir()
    with TokenWriter(dump / "codes", "codes", meta=Meta(RATE, (16, 16, 16), checksum(exp))) as writer:
        for reco in ("s1-a", "s1-b", "s2-a", "s2-b"):
            wav = rng.normal(0, 0.1, 16000).astype(np.float32)
            data.wav[reco], data.utt2spk[reco] = str(work / f"{reco}.wav"), reco[:2]
            data.reco2dur[reco] = 2.0
            audio.write(data.wav[reco], wav, 8000)
            writer.write(reco, codec.encode(torch.from_numpy(wav)[None, None])[0].T.numpy())
    data.write(dump / "audio")
    return work


def items(speakers=("s1", "s2")) -> list[Item]:
    """Of every recording, six triphones of three phones, and one that is too short for a frame."""
    found = []
    for speaker in speakers:
        for reco in (f"{speaker}-a", f"{speaker}-b"):
            found += [Item(reco, 0.3 * k, 0.3 * k + 0.25, "AEO"[k % 3], "B", "T", speaker) for k in range(6)]
            found.append(Item(reco, 0.05, 0.07, "A", "B", "T", speaker))
    return found


def scored(work, found):
    return {s.metric: s for s in score(work / "exp/codec", work / "dump/test", found, "by hand", "test")}


def test_scores_of_a_codec_stand_beside_log_mel(work):
    scores = scored(work, items())
    assert set(scores) == {"abx_within", "abx_across", "abx_all_levels", "abx_logmel", "abx_logmel_pooled"}
    within = scores["abx_within"]
    assert within.count == 2 * 6 * 4 * 3 * 4 and within.details["speakers"] == 2
    assert within.details["triphones without a frame at the codec's rate"] == 4
    assert within.baseline == scores["abx_logmel_pooled"].value and 0 <= within.value <= 100
    assert "by hand" in within.protocol and "with Libri-Light's slices, %" in within.details
    assert len({scores[name].count for name in ("abx_within", "abx_all_levels", "abx_logmel")}) == 1


def test_one_speaker_has_no_score_across(work, capsys):
    assert "abx_across" not in scored(work, items(("s1",)))
    assert "abx_across left out: no two speakers" in capsys.readouterr().out


def test_too_little_speech_is_a_plain_message(work):
    with pytest.raises(AudiolmError, match="2 triphones of test make no ABX triple: no speaker says one twice"):
        scored(work, items()[:2])


def test_a_recipe_leaves_out_what_too_little_speech_cannot_have(work, tmp_path, capsys):
    write_items(tmp_path / "x.item", items()[:2])
    options = ["--dir", str(work), "--set", "test", "--metrics", "abx", "--codec", str(work / "exp" / "codec")]
    assert main(["score", *options, "--items", str(tmp_path / "x.item")]) == 0
    said = capsys.readouterr().out
    assert "abx left out: 2 triphones of test make no ABX triple" in said and "0 scores of 'test'" in said


def test_the_verb_reads_an_item_file(work, tmp_path, capsys):
    write_items(tmp_path / "x.item", items())
    options = ["--dir", str(work), "--set", "test", "--metrics", "abx", "--codec", str(work / "exp" / "codec")]
    assert main(["score", *options, "--items", str(tmp_path / "x.item")]) == 0
    assert "abx_within" in {s.metric for s in read_all(work / "exp" / "codec" / "scores")}
    write_items(tmp_path / "y.item", [Item("nobody", 0.0, 0.2, "A", "B", "T", "s")])
    assert main(["score", *options, "--items", str(tmp_path / "y.item")]) == 1
    assert "no recording of it is in" in capsys.readouterr().err
    assert main(["score", *options]) == 1
    assert "has no transcripts: name the triphones with --items" in capsys.readouterr().err


def test_triphones_of_real_speech_are_kept_and_made_again_when_texts_change(shared_data, tmp_path):
    data = DataDir.read(shared_data / "ljspeech")
    reco = min(data.recos, key=data.duration)
    audio_dir = tmp_path / "dump" / "test" / "audio"
    one = DataDir({reco: data.wav_path(reco)}, text={reco: data.text[reco]}, utt2spk={reco: "LJ"})
    one.reco2dur[reco] = data.duration(reco)
    one.write(audio_dir)
    found, source = items_of(tmp_path, "test")
    assert "PocketSphinx" in source and {item.speaker for item in found} == {"LJ"} and len(found) > 5
    phones = tmp_path / "dump" / "test" / "phones"
    assert read_items(phones / "triphones.item") == found
    made = (phones / "ctm").stat().st_mtime_ns
    assert items_of(tmp_path, "test")[0] == found and (phones / "ctm").stat().st_mtime_ns == made
    one.text[reco] = "42"
    one.write(audio_dir)
    with pytest.raises(
        AudiolmError, match="no utterance's phones were found.*no pronunciation for '42'|no spoken word"
    ):
        items_of(tmp_path, "test")


def test_whole_speakers_until_there_is_enough():
    data = DataDir({f"{s}-{k}": "x.wav" for s in "abcd" for k in range(3)}, utt2spk={})
    for reco in data.wav:
        data.utt2spk[reco], data.reco2dur[reco] = reco[0], 10.0
    assert len(whole_speakers(data, 1000)) == 12
    chosen = whole_speakers(data, 65)
    assert len(chosen) == 6 and len({reco[0] for reco in chosen}) == 2
    assert len(whole_speakers(data, 1)) == 3
