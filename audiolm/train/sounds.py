"""Sounds to listen to while a model trains: what it makes of the same few inputs at every validation."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from audiolm.data.files import step_folders

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "samples"
KEPT = 10  # validations whose files are kept: the last ones
BOARD_SECONDS = 4  # of each sound go to TensorBoard, which keeps those of all validations


@dataclass
class Sounds:
    """Sounds and what the model makes of them.

    Attributes:
        sample_rate: Hz.
        originals, made: [N, T] each, in −1…1.
    """

    sample_rate: int
    originals: Tensor
    made: Tensor


def write_sounds(exp_dir: Path, board: "SummaryWriter", step: int, sounds: Sounds) -> None:
    """Write ``samples/step_<step>/<n>.flac`` and, once, ``samples/original/<n>.flac``, and both to TensorBoard.

    The folders of the last `KEPT` validations stay.
    """
    folder = exp_dir / FOLDER
    _write(folder / f"step_{step}", board, "samples", step, sounds.sample_rate, sounds.made)
    if not (folder / "original").exists():
        _write(folder / "original", board, "original", step, sounds.sample_rate, sounds.originals)
    steps = step_folders(folder)
    for old in steps[:-KEPT]:
        shutil.rmtree(folder / f"step_{old}")


def _write(folder: Path, board: "SummaryWriter", tag: str, step: int, fs: int, sounds: Tensor) -> None:
    from audiolm.data.audio import write

    folder.mkdir(parents=True, exist_ok=True)
    for number, sound in enumerate(sounds.float().clamp(-1, 1).cpu(), 1):
        write(folder / f"{number}.flac", sound.numpy(), fs)
        board.add_audio(f"{tag}/{number}", sound[: BOARD_SECONDS * fs], step, fs)
