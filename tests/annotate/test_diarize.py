"""Who speaks when: each backend on what is known, made-up voices first, then real ones."""

import numpy as np
import pytest

from audiolm.annotate.diarize import (
    ChannelDiarizer,
    EmbeddedDiarizer,
    diarize_files,
    files_of,
    given_turns,
    make_diarizer,
)
from audiolm.annotate.turns import SpeakerTurn
from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Turn, read_rttm
from audiolm.errors import AudiolmError
from audiolm.score.der import by_file, diarization_errors, read_uem

FS = 16000


class LoudParts:
    """Voice activity of made-up sounds: whatever is not zero."""

    def __call__(self, wav, fs):
        edges = np.flatnonzero(np.diff((wav != 0).astype(int), prepend=0, append=0)).reshape(-1, 2) / fs
        return [tuple(edge) for edge in edges.tolist()]


class LevelVoices:
    """Embeddings of made-up sounds, in which every speaker has a level of his own: 1, 2, 3 … tenths."""

    dim = 5

    def embed(self, wav, fs, regions):
        rows = np.zeros((len(regions), self.dim))
        for row, (start, end) in zip(rows, regions, strict=True):
            levels = np.rint(10 * np.abs(wav[round(start * fs) : round(end * fs)])).astype(int)
            row[:] = np.bincount(levels, minlength=self.dim)[: self.dim]
            row[0] = 0
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sound(*parts, fs=1000):
    """(seconds, speaker 0 … 4) after each other; speaker 0 is silence."""
    return np.concatenate([np.full(round(seconds * fs), speaker / 10, np.float32) for seconds, speaker in parts])


def embedded(**options):
    return EmbeddedDiarizer(vad=LoudParts(), encoder=LevelVoices(), **options)


class TestEmbedded:
    def test_turns_end_where_the_voice_changes(self):
        turns = embedded()(sound((1, 0), (3, 2), (4, 1), (1, 0), (2, 2), (0.5, 0)), 1000)
        assert [turn.speaker for turn in turns] == ["1", "2", "1"]  # named in order of appearance
        expected = [(1, 4), (4, 8), (9, 11)]
        assert np.array([turn[:2] for turn in turns]) == pytest.approx(np.array(expected), abs=0.15)
        assert turns[0].end == turns[1].start  # a change within speech leaves no hole
        assert (turns[0].start, turns[1].end, turns[2].start, turns[2].end) == (1, 8, 9, 11)

    def test_the_number_of_speakers_is_found_or_given(self):
        wav = sound((3, 1), (3, 2), (3, 3), (3, 1))
        assert {turn.speaker for turn in embedded()(wav, 1000)} == {"1", "2", "3"}
        assert {turn.speaker for turn in embedded(num_speakers=2)(wav, 1000)} == {"1", "2"}
        (turn,) = embedded(num_speakers=1)(wav, 1000)
        assert turn == SpeakerTurn(0, 12, "1")

    def test_short_pieces_make_no_speaker_but_go_to_one(self):
        wav = sound((3, 1), (1, 0), (0.3, 3), (1, 0), (3, 2))  # a third voice for 0.3 s: shorter than `shortest`
        turns = embedded()(wav, 1000)
        assert {turn.speaker for turn in turns} == {"1", "2"}
        assert (4.0, 4.3) in [tuple(np.round(turn[:2], 3)) for turn in turns]
        (only,) = embedded()(sound((0.5, 0), (0.3, 1), (0.5, 0)), 1000)  # nothing longer is there
        assert only == SpeakerTurn(0.5, 0.8, "1")

    def test_a_change_costs(self):
        wav = sound((3, 1), (3, 2), (3, 1))
        assert len(embedded(num_speakers=2, switch_cost=0.5)(wav, 1000)) == 3
        assert len(embedded(num_speakers=2, switch_cost=1e6)(wav, 1000)) == 1

    def test_silence_and_a_pause_within_a_turn(self):
        assert embedded()(sound((2, 0)), 1000) == []
        turns = embedded()(sound((2, 1), (0.2, 0), (2, 1), (0.5, 0), (2, 1)), 1000)
        assert turns == [SpeakerTurn(0, 4.2, "1"), SpeakerTurn(4.7, 6.7, "1")]

    def test_a_pause_within_a_turn_may_be_longer(self):
        wav = sound((2, 1), (0.8, 0), (2, 1), (1.2, 0), (2, 1))
        assert [tuple(t[:2]) for t in embedded(pause=1.0)(wav, 1000)] == [(0, 4.8), (6, 8)]

    def test_the_name_says_what_was_known(self):
        assert "number of speakers found" in embedded().name and "2 speakers" in embedded(num_speakers=2).name


def test_channels_take_all_activity_as_one_speaker():
    turns = ChannelDiarizer(LoudParts())(sound((1, 0), (2, 1), (0.2, 0), (1, 3), (1, 0), (1, 1)), 1000)
    assert turns == [SpeakerTurn(1, 4.2, "1"), SpeakerTurn(5.2, 6.2, "1")]


def test_backends_by_name():
    assert isinstance(make_diarizer("channels"), ChannelDiarizer)
    assert make_diarizer("embedded", 2).num_speakers == 2
    assert isinstance(make_diarizer("resemblyzer"), EmbeddedDiarizer)
    with pytest.raises(AudiolmError, match="no diarizer 'embeded'; did you mean 'embedded'"):
        make_diarizer("embeded")
    with pytest.raises(AudiolmError, match="--num_speakers is for other backends"):
        make_diarizer("channels", 2)


@pytest.fixture
def calls(tmp_path):
    """Two calls of two channels each, in files of their own rate; in the second, channel B is silent."""
    data = DataDir()
    for call, other in (("c1", sound((3, 0), (2, 2), fs=FS)), ("c2", sound((5, 0), fs=FS))):
        for channel, wav in (("A", sound((2, 1), fs=FS)), ("B", other)):
            reco = f"{call}-{channel}"
            audio.write(tmp_path / f"{reco}.flac", wav, FS)
            data.wav[reco] = str(tmp_path / f"{reco}.flac")
            data.reco2file_and_channel[reco] = (call, channel)
    return data


class TestFiles:
    def test_channels_one_by_one(self, calls):
        assert files_of(calls) == {"c1": ["c1-A", "c1-B"], "c2": ["c2-A", "c2-B"]}
        turns, rejected = diarize_files(calls, files_of(calls), ChannelDiarizer(LoudParts()))
        assert turns == [Turn("c1", "1", 0, 2, "c1-A"), Turn("c1", "2", 3, 2, "c1-B"), Turn("c2", "1", 0, 2, "c2-A")]
        assert rejected == [("c2-B", "no speech found by voice activity detection")]

    def test_turns_of_the_corpus(self, calls):
        with pytest.raises(AudiolmError, match="no turns in an rttm, which --backend given takes them from"):
            given_turns(calls, ["c1", "c2"])
        calls.rttm = [Turn("c1", "1", 0, 2, "anna"), Turn("c3", "1", 0, 2, "of another job")]
        turns, rejected = given_turns(calls, ["c1", "c2"])
        assert turns == calls.rttm[:1]
        assert rejected == [(reco, "no turn of the corpus's rttm is in this file") for reco in ("c2-A", "c2-B")]

    def test_the_mix_of_all_channels(self, calls):
        # The mix halves every level: speaker 2 of channel B is heard as 1, and A's 1 as 0.5, which rounds to 0.
        diarizer = embedded(num_speakers=2)
        diarizer.encoder.embed = lambda wav, fs, regions: np.eye(2)[[int(start > 2.5) for start, _ in regions]]
        turns, rejected = diarize_files(calls, ["c1"], diarizer)
        assert turns == [Turn("c1", "1", 0, 2, "c1-1"), Turn("c1", "1", 3, 2, "c1-2")]
        assert rejected == []

    @pytest.mark.parametrize(
        "diarizer, lost", [(ChannelDiarizer(LoudParts()), ["c1-B"]), (embedded(), ["c1-A", "c1-B"])]
    )
    def test_what_cannot_be_read_is_named_and_the_rest_is_done(self, calls, tmp_path, diarizer, lost):
        (tmp_path / "c1-B.flac").write_bytes(b"no sound")
        turns, rejected = diarize_files(calls, files_of(calls), diarizer)
        assert [reco for reco, reason in rejected if "is not audio" in reason] == lost
        assert "c2" in {turn.file for turn in turns}


@pytest.fixture(scope="module")
def dialogue(shared_data):
    """Two real readers in turn, four sentences each: wav at 16 kHz, true turns."""
    data = DataDir.read(shared_data / "librispeech_test_other")
    by_speaker = [utts[:4] for utts in list(data.spk2utt().values())[:2]]
    parts, turns, now = [], [], 0.5
    for first, second in zip(*by_speaker, strict=True):
        for speaker, utt in enumerate((first, second)):
            wav = data.audio(utt, duration=min(5.0, data.duration(utt)))
            parts += [np.zeros(FS // 2, np.float32), wav]
            turns.append(Turn("d", "1", now, len(wav) / FS, f"reader{speaker}"))
            now += len(wav) / FS + 0.5
    return np.concatenate(parts), turns


@pytest.mark.parametrize("num_speakers", [None, 2])
def test_two_real_readers_are_told_apart(dialogue, num_speakers):
    wav, truth = dialogue
    found = EmbeddedDiarizer(num_speakers)(wav, FS)
    assert len({turn.speaker for turn in found}) == 2
    hypothesis = [Turn("d", "1", turn.start, turn.end - turn.start, turn.speaker) for turn in found]
    errors = diarization_errors({"d": truth}, {"d": hypothesis}, collar=0.25)["d"]
    assert errors.confusion < 0.03 * errors.total and errors.errors < 0.15 * errors.total


def test_channels_find_the_speech_of_a_real_reader(dialogue):
    wav, truth = dialogue
    found = make_diarizer("channels")(wav, FS)
    active = sum(turn.end - turn.start for turn in found)
    assert active == pytest.approx(sum(turn.duration for turn in truth), rel=0.15)


def test_the_verb_names_what_has_no_speech_or_no_sound(dialogue, tmp_path):
    """One file of speech, one of silence and one that is broken, through the verb: mix and channels."""
    speech = dialogue[0][: 12 * FS]
    corpus = DataDir()
    for name, wav in (("broken", speech), ("silent", np.zeros(FS, np.float32)), ("talk", speech)):
        audio.write(tmp_path / f"{name}.flac", wav, FS)
        corpus.wav[name] = str(tmp_path / f"{name}.flac")
    corpus.write(tmp_path / "data/dev")
    verb = ["--dir", str(tmp_path), "--sets", "dev"]
    assert main(["audio", *verb, "--fs", "8000"]) == 0
    assert main(["merge", *verb, "--kind", "audio", "--num_jobs", "1"]) == 0
    (tmp_path / "dump/dev/audio/flac/broken.flac").write_bytes(b"no sound")
    (tmp_path / "broken.flac").unlink()  # what the diarizer would prefer, for its higher rate
    for backend in ("embedded", "channels"):
        for job in ("1", "2"):
            assert main(["diarize", *verb, "--backend", backend, "--job", job, "--num_jobs", "2"]) == 0
        assert main(["merge", *verb, "--kind", "diarize", "--num_jobs", "2", "--max_rejected", "70%"]) == 0
        assert {turn.file for turn in read_rttm(tmp_path / "dump/dev/diarize/rttm")} == {"talk"}
        broken, silent = (tmp_path / "dump/dev/diarize/rejected.tsv").read_text().splitlines()
        assert broken.startswith("broken\t") and "broken.flac is not audio" in broken
        assert silent == "silent\tno speech found by voice activity detection"


@pytest.mark.slow
def test_meetings(shared_data):
    """Excerpts of real meetings, one far microphone, up to four speakers who talk over each other.

    Defaults were tuned on the train part: 3.5 % confusion there, 7.4 and 20.8 % in the two excerpts beside it; false
    alarms at most 1.3 %. In half a minute the voices of two people come out as one, which more speech would part.
    """
    folder = shared_data / "ami_clips"
    data, reference = DataDir.read(folder), by_file(read_rttm(folder / "rttm"))
    turns, rejected = diarize_files(data, files_of(data), EmbeddedDiarizer())
    assert rejected == []
    errors = diarization_errors(reference, by_file(turns), uem=read_uem(folder / "uem"))
    tuned_on = {reco for reco, part in (line.split() for line in open(folder / "reco2part")) if part == "train"}
    for files, limit in ((tuned_on, 6), (errors.keys() - tuned_on, 20)):
        parts = [errors[file] for file in files]
        assert 100 * sum(e.confusion for e in parts) / sum(e.total for e in parts) < limit
        assert sum(e.false_alarm for e in parts) < 0.02 * sum(e.total for e in parts)
