"""Sounds of validations: what is kept, and where."""

import torch
from torch.utils.tensorboard import SummaryWriter

from audiolm.data import audio
from audiolm.train.sounds import KEPT, Sounds, write_sounds


def test_originals_are_written_once_and_the_last_validations_kept(tmp_path):
    board = SummaryWriter(str(tmp_path / "tensorboard"))
    originals = torch.linspace(-2, 2, 8000).repeat(2, 1)
    for number in range(1, KEPT + 4):
        made = torch.full((2, 8000), number / 100, dtype=torch.bfloat16)
        write_sounds(tmp_path, board, 50 * number, Sounds(8000, originals / number, made))
    board.close()
    folders = {path.name for path in (tmp_path / "samples").iterdir()}
    assert folders == {"original", *(f"step_{50 * number}" for number in range(4, KEPT + 4))}
    assert audio.read(tmp_path / "samples/original/2.flac").max() > 0.99  # those of the first validation
    last = audio.read(tmp_path / f"samples/step_{50 * (KEPT + 3)}/1.flac")
    assert abs(last - (KEPT + 3) / 100).max() < 1e-3
    assert next((tmp_path / "tensorboard").iterdir()).stat().st_size > 0
