"""How many codes come back when decoded audio is encoded again: what a second pass through the codec costs."""

from pathlib import Path

import numpy as np
import torch

from audiolm.codec.load import load_codec
from audiolm.data.tokens import TokenReader
from audiolm.score.record import Score, bootstrap_ci
from audiolm.score.signal_quality import spread
from audiolm.train.checkpoint import checksum

MOST = 24  # recordings
SECONDS = 10.0  # of each, at most


@torch.inference_mode()
def score(codec_dir: Path, dump: Path, data: str) -> list[Score]:
    """Share of equal codes of level 1 and of all levels (Moshi, appendix, on watermarking: table 16).

    The baseline is the share that two codes drawn by themselves from each level's frequencies have in common.
    """
    codec = load_codec(codec_dir)
    reader = TokenReader(dump / "codes", "codes", checksum(codec_dir))
    keys, most = reader.keys(), round(SECONDS * codec.frame_rate)
    equal, frames, counts = [], [], np.zeros((codec.n_q, max(codec.codebook_sizes)))
    for key in (keys[i] for i in spread(len(keys), MOST)):
        codes = reader.read(key, 0, min(most, reader.num_frames(key))).astype(np.int64)  # [F, K]
        again = codec.encode(codec.decode(torch.from_numpy(codes.T[None])))[0, :, : len(codes)].T.numpy()
        equal.append((codes == again).sum(axis=0))  # [K]
        frames.append(len(codes))
        for level in range(codec.n_q):
            counts[level] += np.bincount(codes[:, level], minlength=counts.shape[1])
    shares = np.array(equal) / np.array(frames)[:, None]  # [recordings, K]
    weights, total = np.array(frames, dtype=float), float(sum(frames))
    by_level = 100 * np.array(equal).sum(axis=0) / total
    chance = 100 * np.square(counts / counts.sum(axis=1, keepdims=True)).sum(axis=1)
    details = {f"level {level}, %": float(value) for level, value in enumerate(by_level, 1)}
    scores = []
    for name, what, levels, beside in (
        ("codec_idempotence_1", "level 1", slice(0, 1), {}),
        ("codec_idempotence", f"all {codec.n_q} levels, their mean", slice(None), details),
    ):
        ci = bootstrap_ci((shares[:, levels].mean(axis=1) * weights).tolist(), frames)
        scores.append(
            Score(
                metric=name,
                value=float(by_level[levels].mean()),
                unit="%",
                protocol=f"codes of {what} that are the same after decoding and encoding again, over frames of up to "
                f"{MOST} recordings, {SECONDS:g} s of each",
                backend="",
                checksum=checksum(codec_dir),
                data=data,
                count=int(total),
                ci=ci and (100 * ci[0], 100 * ci[1]),
                baseline=float(chance[levels].mean()),
                baseline_name="by chance",
                better="higher",
                details=beside,
            )
        )
    return scores
