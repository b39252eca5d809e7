"""Fingerprints and their index: altered copies are found, strangers are not, and shards change nothing."""

import io

import numpy as np
import pytest
import soundfile

from audiolm.commands.main import main
from audiolm.data import audio, fingerprint_index
from audiolm.data.datadir import DataDir
from audiolm.data.duplicates import Frequent, copies, frequent, read_matches, write_matches
from audiolm.data.fingerprint_index import IndexWriter, Match, open_index, search
from audiolm.data.fingerprints import BANDS, FRAME_RATE, HASH_BITS, fingerprint, log_mel, peaks
from audiolm.errors import AudiolmError

FS = 16000


def tune(seed: int, seconds: float = 8.0) -> np.ndarray:
    """Notes that change at random."""
    rng = np.random.default_rng(seed)
    notes = [np.hanning(n) * np.sin(2 * np.pi * rng.uniform(150, 3500) * np.arange(n) / FS) for n in [FS // 5] * 100]
    wav = np.concatenate(notes)[: round(seconds * FS)]
    return (0.3 * wav + 0.002 * rng.standard_normal(len(wav))).astype(np.float32)


def index_of(folder, wavs, size=fingerprint_index.SHARD):
    with IndexWriter(folder, "x", size) as index:
        for name, wav in wavs.items():
            index.add(name, wav, FS)
    return open_index(folder)


def test_peaks_are_where_tones_are():
    times = np.arange(2 * FS // 2) / 8000
    wav = np.sin(2 * np.pi * 1000 * times) * np.exp(-(((times - 1.0) / 0.05) ** 2))
    mel = log_mel(wav.astype(np.float32))
    assert mel.shape == (81, BANDS)
    frames, bands = peaks(mel)
    assert frames.tolist() == [FRAME_RATE] and bands.tolist() == [int(mel[FRAME_RATE].argmax())]
    centre = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (100, 3800)), BANDS + 2)[1 + bands[0]]
    assert abs(700 * (10 ** (centre / 2595) - 1) - 1000) < 40


def test_hashes_are_small_and_ordered_and_silence_has_none():
    hashes, frames = fingerprint(tune(0), FS)
    assert len(hashes) > 100 and hashes.max() < 1 << HASH_BITS and (np.diff(frames) >= 0).all()
    assert len(fingerprint(np.zeros(FS, dtype=np.float32), FS)[0]) == 0
    assert len(fingerprint(np.zeros(3, dtype=np.float32), FS)[0]) == 0


ALTERED = {
    "louder": lambda wav: (2 * wav, FS),
    "softer": lambda wav: (wav / 2, FS),
    "shift": lambda wav: (wav[FS // 100 :], FS),
    "noise": lambda wav: (wav + 0.02 * np.random.default_rng(9).standard_normal(len(wav)).astype(np.float32), FS),
    "rate": lambda wav: (audio.resample(wav, FS, 22050), 22050),
}


@pytest.mark.parametrize("how", ALTERED)
def test_altered_copies_are_found_and_strangers_are_not(tmp_path, how):
    shards = index_of(tmp_path, {f"t{seed}": tune(seed) for seed in range(6)})
    found = search(shards, "query", *ALTERED[how](tune(3)))
    assert {match.other for match in found} == {"t3"}
    assert abs(found[0].offset) <= 0.05
    assert search(shards, "query", tune(77), FS) == []


def test_a_stretch_within_a_longer_recording_has_its_offset(tmp_path):
    long = np.concatenate([tune(1, 20.0), tune(2, 15.0), tune(3, 5.0)])
    shards = index_of(tmp_path, {"long": long})
    (match,) = search(shards, "query", tune(2, 15.0), FS)
    assert match.other == "long" and match.offset == pytest.approx(20.0, abs=0.06)
    assert (match.start, match.end) == pytest.approx((0.0, 15.0), abs=0.7)
    found = list(search(index_of(tmp_path / "b", {"short": tune(2, 15.0)}), "long", long, FS))
    assert [m.other for m in found] == ["short"] and (found[0].start, found[0].end) == pytest.approx((20, 35), abs=0.9)


def test_a_recording_is_not_its_own_copy_but_its_repetitions_are(tmp_path):
    wav = np.concatenate([tune(1, 10.0), tune(2, 10.0), tune(1, 10.0)])
    found = search(index_of(tmp_path, {"r": wav, "s": tune(5)}), "r", wav, FS)
    assert [(m.other, round(m.start), round(m.end), round(m.offset)) for m in found] == [
        ("r", 0, 10, 20),
        ("r", 20, 30, -20),
    ]


def test_shards_change_nothing_and_a_rerun_leaves_no_more(tmp_path):
    wavs = {f"t{seed}": tune(seed, 3.0) for seed in range(5)}
    one, many = index_of(tmp_path / "one", wavs), index_of(tmp_path / "many", wavs, size=1)
    assert len(one) == 1 and len(many) == 5
    query = np.concatenate([tune(1, 3.0), tune(4, 3.0)])
    assert search(one, "q", query, FS) == search(many, "q", query, FS) != []
    with IndexWriter(tmp_path / "many", "x.y") as other:
        other.add("other", tune(8), FS)
    assert len(index_of(tmp_path / "many", wavs, size=150)) < 6
    assert (tmp_path / "many/x.y.1").is_dir()
    (tmp_path / "one/x.1/postings.npy").write_bytes(b"x")
    with pytest.raises(AudiolmError, match="is no shard of fingerprints"):
        open_index(tmp_path / "one")
    with pytest.raises(AudiolmError, match="no index of fingerprints in"):
        open_index(tmp_path / "none")


def test_of_few_hashes_a_share_of_both_recordings_must_agree(tmp_path, monkeypatch):
    prints = {
        "asked": (np.arange(20), np.arange(20)),
        "half": (np.arange(10), np.arange(10)),  # 10 of the 20 that were asked for, and nothing else
        "crowd": (np.r_[:10, 100:130], np.r_[:10, np.repeat(np.arange(10, 20), 3)]),  # the same 10 among 40
    }
    names = iter(["half", "crowd"])

    def made_up(wav, fs):
        hashes, frames = prints[next(names)]
        return (64 * hashes).astype(np.uint32), frames.astype(np.int32)

    monkeypatch.setattr(fingerprint_index, "fingerprint", made_up)
    wav = np.zeros(FS // 2, dtype=np.float32)
    (shard,) = index_of(tmp_path, {f"{number}": wav for number in range(2)})
    hashes, frames = prints["asked"]
    assert [(vote.reco, vote.votes) for vote in shard.votes(64 * hashes, frames, 0, 20)] == [("0", 10)]


def test_copies_keep_the_first_and_chains_do_not_eat_everything():
    matches = [
        Match("b", 0, 10, "a", 0.0, 90),
        Match("a", 0, 10, "b", 0.0, 90),
        Match("c", 0, 4, "a", 0.0, 50),  # 4 of 10 s: no copy
        Match("d", 0, 3, "a", 0.0, 40),
        Match("d", 3, 8, "c", 0.0, 70),
        Match("e", 0, 10, "b", 0.0, 60),  # only like a copy that goes: stays
    ]
    found = copies(matches, dict.fromkeys("abcde", 10.0), "abcde")
    assert {reco: match.other for reco, match in found.items()} == {"b": "a", "d": "c"}


def test_segments_with_ten_matches_are_frequent(tmp_path):
    matches = [Match("r", 5.0, 15.0, f"o{i}", 0.0, 50) for i in range(9)]
    assert frequent(matches) == {}
    matches += [Match("r", 10.0, 20.0, f"p{i}", 0.0, 50) for i in range(3)]
    assert frequent(matches) == {"r": [(10.0, 15.0, 12)]}
    write_matches(tmp_path / "matches", matches)
    assert read_matches(tmp_path / "matches") == matches
    (tmp_path / "frequent").write_text("r 10.00 15.00 12\n")
    table = Frequent(tmp_path)
    assert table.meets("r", 14.9, 30) and not table.meets("r", 15.0, 30) and not table.meets("s", 0, 99)
    assert not Frequent(tmp_path / "none").meets("r", 14.9, 30)


def test_the_verb_leaves_copies_out_and_names_them(tmp_path, capsys):
    jingle = tune(99, 4.0)
    sets = {"train": {f"r{i:02d}": np.concatenate([tune(i, 8.0), jingle]) for i in range(11)}, "test": {"t": tune(50)}}
    sets["train"] |= {"copy": 0.5 * tune(4, 8.0), "leak": tune(50)[200:]}
    for name, wavs in sets.items():
        data = DataDir()
        for reco, wav in wavs.items():
            audio.write(tmp_path / f"{name}-{reco}.flac", wav, FS)
            data.wav[reco], data.text[reco] = str(tmp_path / f"{name}-{reco}.flac"), "x"
        data.write(tmp_path / "dump" / name / "audio")
    work = ["--dir", str(tmp_path), "--sets", "train", "test"]

    def everything():
        for action in ("index", "search"):
            for job in ("1", "2"):
                assert main(["dedup", action, *work, "--job", job, "--num_jobs", "2"]) == 0
        assert main(["dedup", "drop", *work, "--num_jobs", "2"]) == 0

    everything()
    train = DataDir.read(tmp_path / "dump/train/audio")
    assert train.recos == [f"r{i:02d}" for i in range(11)] == sorted(train.text)
    rejected = dict(line.split("\t") for line in (tmp_path / "dump/train/audio/rejected.tsv").read_text().splitlines())
    assert "a copy of 'train/r04'" in rejected["copy"] and "a copy of 'test/t'" in rejected["leak"]
    assert DataDir.read(tmp_path / "dump/test/audio").recos == ["t"]
    table = Frequent(tmp_path / "dump/train/audio")
    assert set(table.segments) == set(train.recos) and table.meets("r03", 9.0, 10.0)
    assert main(["dedup", "drop", *work, "--num_jobs", "2"]) == 0  # again: nothing is forgotten
    again = dict(line.split("\t") for line in (tmp_path / "dump/train/audio/rejected.tsv").read_text().splitlines())
    assert again == rejected and DataDir.read(tmp_path / "dump/train/audio").recos == train.recos
    assert main(["dedup", "index", *work]) == 0  # in one job instead of two
    assert {path.name for path in (tmp_path / "dump/fingerprints/index").iterdir()} == {"train.1.1", "test.1.1"}


def test_what_a_model_says_is_found_in_an_index_of_any_audio(tmp_path, capsys):
    audio.write(tmp_path / "known.flac", tune(7), FS)
    DataDir(wav={"known": str(tmp_path / "known.flac")}).write(tmp_path / "data")
    audio.write(tmp_path / "said.wav", np.concatenate([tune(8, 10.0), tune(7)]), FS)
    assert main(["dedup", "add", str(tmp_path / "index"), str(tmp_path / "data")]) == 0
    assert main(["dedup", "find", str(tmp_path / "index"), str(tmp_path / "said.wav")]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    fields = line.split("\t")
    assert (
        fields[0].endswith("said.wav")
        and fields[3].endswith("/data/known")
        and float(fields[4]) == pytest.approx(-10, abs=0.1)
    )


def mp3(wav):
    file = io.BytesIO()
    soundfile.write(
        file, wav, FS, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.8
    )
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def test_real_speech_altered(tmp_path, shared_data):
    """A small part of benchmarks/dedup.py: sentences of many speakers, every alteration of every one."""
    data = DataDir.read(shared_data / "librispeech_test_other")
    wavs = {reco: data.audio(reco, fs=FS)[: 4 * FS] for reco in data.recos[:16]}
    shards = index_of(tmp_path, wavs)
    rng = np.random.default_rng(0)
    right = wrong = count = 0
    for reco, wav in wavs.items():
        noise = 0.1 * np.sqrt(np.mean(wav**2)) * rng.standard_normal(len(wav), dtype=np.float32)
        for altered in (np.clip(2 * wav, -1, 1), wav / 2, wav + noise, wav[FS // 100 :], mp3(wav)):
            others = {match.other for match in search(shards, "query", altered, FS)}
            right, wrong, count = right + (reco in others), wrong + len(others - {reco}), count + 1
    assert right / count >= 0.95 and right / (right + wrong) >= 0.99
