"""audiolm: recipes that train audio language models end to end.

>>> import audiolm
>>> from audiolm.data import audio
>>> codec = audiolm.load_codec("exp/codec")                  # doctest: +SKIP
>>> wav = audio.tensor("recording.wav", codec.sample_rate)   # doctest: +SKIP
>>> codes = codec.encode(wav)                                # doctest: +SKIP
"""

__version__ = "0.1.0"

_LAZY = {
    "load": "audiolm.models.open",
    "load_codec": "audiolm.codec.load",
    "load_lm": "audiolm.models.moshi.load",
    "load_text_lm": "audiolm.models.textlm.load",
    "load_recognizer": "audiolm.recognizer.load",
}


def __getattr__(name: str):
    # Heavy libraries are imported at first use: `import audiolm` must stay instant.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'audiolm' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LAZY])
