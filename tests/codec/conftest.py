"""A data directory that tests of codecs train on."""

import numpy as np
import pytest
import soundfile

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment


@pytest.fixture
def data_dir(tmp_path):
    """Two recordings: 4 s, silent but for second 2 to 3, which is a segment; and 0.5 s."""
    long, short = np.zeros(32000), np.full(4000, 0.25)
    long[16000:24000] = 0.5
    for reco, wav in (("long", long), ("short", short)):
        soundfile.write(tmp_path / f"{reco}.flac", wav, 8000)
    wav = {reco: str(tmp_path / f"{reco}.flac") for reco in ("long", "short")}
    DataDir(wav=wav, segments={"utt": Segment("long", 2.0, 3.0)}).write(tmp_path)
    return tmp_path
