"""FSDD: strings whose words are where the tables say, speakers held out, the same every time."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolm.commands.main import main
from audiolm.corpora import fsdd
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.validate import examine
from audiolm.errors import AudiolmError

RECIPE = Path(__file__).parents[2] / "egs" / "fsdd" / "dialogue1"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Three speakers, every digit twice: tones whose pitch is the digit, in faint noise, laid out as distributed."""
    folder = tmp_path_factory.mktemp("corpus") / "recordings"
    rng = np.random.default_rng(0)
    for level, speaker in ((0.3, "ann"), (0.03, "bob"), (0.1, "eve")):
        for digit in range(10):
            for take in range(2):
                tone = level * np.sin(2 * np.pi * (400 + 300 * digit) * np.arange(1600) / 8000)
                wav = np.concatenate([np.zeros(400), tone, np.zeros(240)])
                wav += 0.002 * level * rng.standard_normal(len(wav))
                audio.write(folder / f"{digit}_{speaker}_{take}.wav", wav, 8000)
    return folder.parent


def run(corpus, out, *options):
    command = ["--corpus_dir", str(corpus), "--dir", str(out), "--hours", "0.02", "--eval_minutes", "0.5"]
    speakers = ["--dev_speakers", "bob", "--test_speakers", "eve"]
    return main(["corpus", "fsdd", *command, *speakers, *options])


@pytest.mark.parametrize("sides", [1, 2])
def test_words_are_where_the_ctm_says(corpus, tmp_path, sides):
    assert run(corpus, tmp_path, "--sides", str(sides), "--speeds", "1.0") == 0
    for name, speaker in (("train", "ann"), ("dev", "bob"), ("test", "eve")):
        path = tmp_path / "data" / name
        assert examine(path, open_audio=True).problems == []
        data = DataDir.read(path)
        assert set(data.utt2spk.values()) == {speaker} == {turn.speaker for turn in data.rttm}
        assert len(data.wav) == sides * len(set(data.wav.values()))
        for reco, words in data.words().items():
            wav = data.audio(reco)
            silent = np.ones(len(wav), bool)
            for word in words:
                first, last = round(word.start * 8000), round(word.end * 8000)
                assert last - first == pytest.approx(1600, abs=40)
                spectrum = np.abs(np.fft.rfft(wav[first:last]))
                pitch = np.argmax(spectrum) * 8000 / (last - first)
                assert word.word == fsdd.DIGITS[round((pitch - 400) / 300)]
                assert 20 * np.log10(np.sqrt(np.mean(wav[first:last] ** 2))) == pytest.approx(-26, abs=1)
                silent[first:last] = False
            assert 0 < np.abs(wav[silent]).max() < 0.002
        texts = {utt: place.reco for utt, place in data.segments.items()}
        assert all(3 <= len(text.split()) <= 8 for text in data.text.values())
        for utt, reco in texts.items():
            place = data.segments[utt]
            inside = [word.word for word in data.words()[reco] if place.start <= word.start < place.end]
            assert " ".join(inside) == data.text[utt]


def test_two_sides_do_not_overlap_and_differ_where_they_can(corpus, tmp_path):
    takes = fsdd.find_takes(corpus)
    data = fsdd.make_set(tmp_path / "pair", takes, 60, seed=0, sides=2)
    for file in {file for file, _ in data.reco2file_and_channel.values()}:
        turns = sorted((turn for turn in data.rttm if turn.file == file), key=lambda turn: turn.start)
        assert len({turn.speaker for turn in turns}) == 2
        assert all(before.end <= after.start for before, after in zip(turns, turns[1:], strict=False))


def test_the_same_seed_gives_the_same_files_and_more_hours_go_on(corpus, tmp_path):
    takes = [take for take in fsdd.find_takes(corpus) if take.speaker == "ann"]

    def files(name, seconds, seed):
        fsdd.make_set(tmp_path / name / "set", takes, seconds, seed, speeds=(0.9, 1.1))
        return {path.name: path.read_bytes() for path in (tmp_path / name / "set" / "wav").iterdir()}

    short = files("a", 20, 7)
    assert files("b", 20, 7) == short != files("c", 20, 8)
    long = files("b", 60, 7)
    assert len(long) > len(short) and short.items() <= long.items()
    assert files("b", 20, 7) == short  # what is no longer listed is gone


def test_every_take_is_used_evenly_and_speeds_are_speakers(corpus, tmp_path):
    takes = [take for take in fsdd.find_takes(corpus) if take.speaker == "ann"]
    data = fsdd.make_set(tmp_path / "set", takes, 120, seed=0, speeds=(0.9, 1.0, 1.1))
    assert set(data.utt2spk.values()) == {"ann", "sp0.9-ann", "sp1.1-ann"}
    counts = np.unique([word.word for word in data.ctm], return_counts=True)[1]
    assert len(counts) == 10 and counts.max() - counts.min() <= 3 * 2 * 2
    lengths = {data.utt2spk[utt]: data.words()[place.reco][0].duration for utt, place in data.segments.items()}
    assert lengths["sp0.9-ann"] / lengths["sp1.1-ann"] == pytest.approx(1.1 / 0.9, rel=0.05)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 300)), min_size=1, max_size=8))
def test_turns_cover_the_words_and_pauses_end_them(gaps):
    words, here = [], 0.0
    for gap, length in gaps:
        words.append(fsdd.Placed(here + gap / 1000, here + (gap + length) / 1000, "one"))
        here = words[-1].end
    turns = fsdd.turns_of(words)
    assert turns[0][0] == words[0].start and turns[-1][1] == words[-1].end
    assert len(turns) == 1 + sum(b.start - a.end > 0.3 for a, b in zip(words, words[1:], strict=False))


def test_missing_files_are_named_with_the_place_to_get_them(corpus, tmp_path, capsys):
    with pytest.raises(
        AudiolmError, match="no takes <digit>_<speaker>_<take>.wav in .*git clone https://github.com/Jak"
    ):
        fsdd.find_takes(tmp_path)
    (tmp_path / "wav").mkdir()
    for path in (corpus / "recordings").glob("[0-8]_ann_*.wav"):
        (tmp_path / "wav" / path.name).symlink_to(path)
    with pytest.raises(AudiolmError, match="has no take of 9_ann_0.wav; get the whole corpus"):
        fsdd.find_takes(tmp_path)
    assert run(tmp_path / "none", tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith("audiolm corpus: error: no takes ")


@pytest.mark.parametrize(
    ("dev", "test", "reason"),
    [
        (["bob"], ["evve"], "no takes of speaker 'evve'; did you mean 'eve'?"),
        (["bob"], ["bob"], "'bob' is in --dev_speakers and in --test_speakers"),
        (["ann", "bob"], ["eve"], r"leave \[\] for train"),
    ],
)
def test_speakers_are_held_out(corpus, dev, test, reason):
    takes = fsdd.find_takes(corpus)
    assert fsdd.speakers_of_sets(takes, ["bob"], ["eve"]) == [["ann"], ["bob"], ["eve"]]
    with pytest.raises(AudiolmError, match=reason):
        fsdd.speakers_of_sets(takes, dev, test)


def test_real_digits(shared_data, tmp_path):
    assert (
        main(["corpus", "fsdd", "--corpus_dir", str(shared_data / "fsdd"), "--dir", str(tmp_path), "--hours", "0.05"])
        == 0
    )
    sets = {name: DataDir.read(tmp_path / "data" / name) for name in ("train", "dev", "test")}
    people = {name: {spk.split("-")[-1] for spk in data.utt2spk.values()} for name, data in sets.items()}
    assert people == {"train": {"george", "jackson", "lucas", "nicolas"}, "dev": {"yweweler"}, "test": {"theo"}}
    assert sum(sets["test"].reco2dur.values()) == pytest.approx(300, rel=0.05)
    for path in (tmp_path / "data").iterdir():
        assert examine(path, open_audio=True).problems == []


def test_the_recipe_fetches_the_corpus_with_git(corpus, tmp_path):
    def git(*words):
        identity = ["-c", "user.name=x", "-c", "user.email=x"]
        done = subprocess.run(["git", "-C", corpus, *identity, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "takes")
    options = ["--hours", "0.01", "--eval_minutes", "0.2", "--dev_speakers", "bob", "--test_speakers", "eve"]
    data_sh = ["bash", "local/data.sh", "--dir", tmp_path, *options]
    for url, commit, status in (
        (tmp_path / "none", "HEAD", 1),
        (corpus, git("rev-parse", "HEAD"), 0),
        ("unused", "", 0),
    ):
        fetch = ["--corpus_url", url, "--corpus_commit", commit or "unused"]
        done = subprocess.run([*data_sh, *fetch], cwd=RECIPE, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
    assert "--corpus_dir" not in done.stderr
    assert DataDir.read(tmp_path / "data/test").utt2spk
