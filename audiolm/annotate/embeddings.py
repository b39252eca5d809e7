"""Speaker embeddings of stretches of speech.

The backend is Resemblyzer's encoder: three LSTM layers of 256 and a projection, trained with the GE2E loss (Wan et
al. 2018, "Generalized end-to-end loss for speaker verification") on VoxCeleb and LibriSpeech. Its weights come from
the resemblyzer wheel, which is not imported: it would bring librosa, numba and webrtcvad (setuptools < 81) along for
one mel transform.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from audiolm.annotate.turns import Region
from audiolm.annotate.wheels import wheel_file

SAMPLE_RATE = 16000
FRAME_RATE = 100  # Hz: hop of 10 ms
LEVEL_DB = -30.0  # dB full scale: quieter speech is raised to this level, as in training


class ResemblyzerEncoder:
    """``embed(wav, fs, regions) -> float32 [regions, 256]``, rows of length 1 (all components ≥ 0)."""

    name = "resemblyzer"
    dim = 256

    def __init__(self, batch: int = 256):
        self.batch = batch

    def embed(self, wav: np.ndarray, fs: int, regions: Sequence[Region]) -> np.ndarray:
        """Embed each region (seconds) of ``wav``, float32 [samples].

        The loudness is measured over all regions together. Regions of equal length go through the network as one
        batch; the network saw 1.6 s in training, and shorter regions give noisier rows.
        """
        import torch

        from audiolm.data.audio import resample

        frames = self.mel(_normalise(resample(wav, fs, SAMPLE_RATE), regions))  # [F, 40]
        bounds = np.rint(np.asarray(regions, dtype=np.float64).reshape(-1, 2) * FRAME_RATE).astype(int)
        bounds[:, 0] = np.clip(bounds[:, 0], 0, len(frames) - 1)
        bounds[:, 1] = np.clip(bounds[:, 1], bounds[:, 0] + 1, len(frames))
        lengths = bounds[:, 1] - bounds[:, 0]
        embeddings = np.zeros((len(bounds), self.dim), dtype=np.float32)
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            for part in np.split(rows, range(self.batch, len(rows), self.batch)):
                windows = torch.stack([frames[start : start + length] for start in bounds[part, 0]])
                embeddings[part] = self._forward(windows)
        return embeddings

    def mel(self, wav: np.ndarray):
        """Mel power spectrum (not its logarithm), float32 [frames, 40]: 25 ms windows every 10 ms, 0 to 8 kHz,
        Slaney's scale.
        """
        import torch

        spectrum = torch.stft(
            torch.from_numpy(wav),
            n_fft=400,
            hop_length=160,
            window=torch.hann_window(400),
            pad_mode="constant",
            return_complex=True,
        )
        return (spectrum.real**2 + spectrum.imag**2).T @ self._filters

    def _forward(self, windows) -> np.ndarray:
        import torch

        lstm, projection = self._network
        with torch.inference_mode():
            hidden = lstm(windows)[1][0][-1]  # [B, 256]: last layer, last frame
            return torch.nn.functional.normalize(projection(hidden).relu(), dim=1).numpy()

    @cached_property
    def _filters(self):
        from torchaudio.functional import melscale_fbanks

        return melscale_fbanks(201, 0.0, 8000.0, 40, SAMPLE_RATE, norm="slaney", mel_scale="slaney")  # [201, 40]

    @cached_property
    def _network(self):
        import torch

        path = wheel_file("resemblyzer", "pretrained.pt", "resemblyzer")
        weights = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        lstm = torch.nn.LSTM(40, 256, num_layers=3, batch_first=True)
        projection = torch.nn.Linear(256, 256)
        for name, module in (("lstm.", lstm), ("linear.", projection)):
            module.load_state_dict({k.removeprefix(name): v for k, v in weights.items() if k.startswith(name)})
        return lstm.eval(), projection.eval()


def _normalise(wav: np.ndarray, regions: Sequence[Region]) -> np.ndarray:
    """Raise ``wav`` (16 kHz) so that the regions' mean power is LEVEL_DB, if it is lower."""
    speech = [wav[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] for start, end in regions]
    samples = sum(map(len, speech))
    power = sum(float(np.dot(part, part)) for part in speech) / max(samples, 1)
    gain = np.sqrt(10 ** (LEVEL_DB / 10) / power) if power > 0 else 1.0
    return np.ascontiguousarray(wav * max(gain, 1.0), dtype=np.float32)
