"""Which voices speak: espeak-ng, or a function of one's own."""

import pytest

from audiolm.errors import AudiolmError
from audiolm.simulate.espeak import espeak_voice
from audiolm.simulate.voices import voice_backend


def test_a_backend_is_found_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "my_tts.py").write_text("def voice(speaker):\n    return speaker\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert voice_backend("espeak") is espeak_voice
    assert voice_backend("my_tts:voice")("ann") == "ann"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("festival", "--voices festival: expected espeak, or module:function"),
        ("no_such_tts:voice", "cannot import no_such_tts .* is its folder on PYTHONPATH"),
        ("json:voice", "module json has no voice"),
    ],
)
def test_a_backend_that_is_not_there(name, said):
    with pytest.raises(AudiolmError, match=said):
        voice_backend(name)
