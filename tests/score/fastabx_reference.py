"""Regenerate fastabx.json: what fastabx makes of the items and features of ``case``, without subsampling.

Run it in an environment with fastabx (Python 3.12): ``python tests/score/fastabx_reference.py``; ``--print`` writes
nothing and prints the values instead, for the test that runs it when AUDIOLM_FASTABX_PYTHON names that Python.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RATE = 50
CASES = {"continuous": 0, "discrete": 1}  # name -> seed; the frames of the second are four vectors, so that many tie


def case(name: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """Lines of an item file and features float32 [F, 6] of its recordings, at RATE Hz."""
    rng = np.random.default_rng(CASES[name])
    vectors = np.eye(6)[:4]
    lines, features = ["#file onset offset #phone prev-phone next-phone speaker"], {}
    for speaker in ("s1", "s2", "s3"):
        for recording in range(2):
            file = f"{speaker}-{recording}"
            frames = vectors[rng.integers(0, 4, 400)] if name == "discrete" else rng.normal(size=(400, 6))
            features[file] = frames.astype(np.float32)
            for _ in range(30):
                onset = rng.integers(0, 1500) * 0.005
                offset = onset + rng.integers(8, 40) * 0.005
                phone, before, after = rng.choice(["AA", "IY", "UW"]), rng.choice(["B", "D"]), rng.choice(["G", "K"])
                lines.append(f"{file} {onset:.4f} {offset:.4f} {phone} {before} {after} {speaker}")
    return lines, features


def reference(folder: Path) -> dict[str, dict[str, float]]:
    """Case -> error rates by fastabx, within and across speakers, and within with Libri-Light's slices."""
    import torch
    from fastabx import zerospeech_abx

    values = {}
    for name in CASES:
        lines, features = case(name)
        (folder / name).mkdir(parents=True, exist_ok=True)
        item = folder / f"{name}.item"
        item.write_text("\n".join(lines) + "\n", encoding="utf-8")
        for file, frames in features.items():
            torch.save(torch.from_numpy(frames), folder / name / f"{file}.pt")
        values[name] = {}
        for key, speaker, bug in (("within", "within", 0), ("across", "across", 0), ("drop_last", "within", 1)):
            os.environ["FASTABX_WITH_LIBRILIGHT_BUG"] = str(bug)
            values[name][key] = zerospeech_abx(
                item, folder / name, max_size_group=None, max_x_across=None, speaker=speaker, frequency=RATE,
                device="cpu", progress=False,
            )  # fmt: skip
    return values


if __name__ == "__main__":
    import tempfile
    from importlib.metadata import version

    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps({"fastabx": version("fastabx"), "values": reference(Path(folder))}, indent=2)
    if sys.argv[1:] == ["--print"]:
        print(text)
    else:
        (HERE / "fastabx.json").write_text(text + "\n", encoding="utf-8")
