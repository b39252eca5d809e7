"""Diarization by a pyannote.audio pipeline, such as pyannote/speaker-diarization-community-1 (Plaquet and Bredin 2023,
"Powerset multi-class cross entropy loss for neural speaker diarization"; gated weights).

pyannote.audio reports its use over the network unless told not to before it is imported; it is told so here. Its
checkpoints are pickles: they are loaded as data (``weights_only``), which its own loader switches off, and a
pipeline's config may name classes of pyannote.audio only.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from audiolm.annotate.turns import SpeakerTurn
from audiolm.encoders.hub import find_weights
from audiolm.errors import AudiolmError, first_line

os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "false")

PIPELINES = (
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
)
CONFIG = "config.yaml"
PARTS = {"segmentation": "pytorch_model.bin", "embedding": "pytorch_model.bin", "plda": "plda.npz"}  # their files
VBX = "VBxClustering"  # the default clustering, the only one that scores by PLDA


class PyannoteDiarizer:
    """A pipeline of pyannote.audio on the mix of a file's channels; it finds overlapped speech too.

    Args:
        model: folder with a pipeline's config.yaml, or hub id.
        num_speakers: if known; else the pipeline counts them.
        device: ``cpu``, ``cuda`` …
    """

    mixes = True

    def __init__(self, model: str, num_speakers: int | None = None, device: str = "cpu"):
        from importlib.metadata import version

        self.model, self.num_speakers = model, num_speakers
        self.name = f"pyannote.audio {version('pyannote.audio')}, {model}"
        self.pipeline = load_pipeline(model, device)

    def __call__(self, wav: np.ndarray, fs: int) -> list[SpeakerTurn]:
        import torch

        file = {"waveform": torch.from_numpy(np.ascontiguousarray(wav, dtype=np.float32))[None], "sample_rate": fs}
        found = self.pipeline(file, num_speakers=self.num_speakers)
        found = getattr(found, "speaker_diarization", found)  # pipelines before version 4 return it itself
        end, names, turns = len(wav) / fs, {}, []
        for segment, _, label in sorted(found.itertracks(yield_label=True), key=lambda track: track[0]):
            start, stop = max(segment.start, 0.0), min(segment.end, end)
            if stop > start:
                turns.append(SpeakerTurn(start, stop, names.setdefault(label, str(len(names) + 1))))
        return turns


def load_pipeline(model: str, device: str = "cpu"):
    """A pipeline with all its parts, ready on ``device``.

    Raises:
        AudiolmError: the pipeline or one of its parts cannot be found, is none of pyannote.audio, or is damaged.
    """
    folder = find_weights(model, "pyannote.audio pipeline", CONFIG, also=("*.bin", "*.npz"))
    config = _local_parts(_read_config(folder / CONFIG), folder, model)
    import torch
    from pyannote.audio import Pipeline

    try:
        with _as_data():
            return Pipeline.from_pretrained(config).to(torch.device(device))
    except AudiolmError:
        raise
    except Exception as error:  # whatever a foreign file can provoke in the loaders of five packages
        raise AudiolmError(f"cannot load pyannote.audio pipeline '{model}': {first_line(error)}") from None


def _read_config(path: Path) -> dict:
    import yaml

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        name = config["pipeline"]["name"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise AudiolmError(f"{path} is no pipeline of pyannote.audio: expected YAML with pipeline.name") from None
    if name not in PIPELINES:
        raise AudiolmError(f"{path}: pipeline.name is '{name}', expected {PIPELINES[0]}")
    if "preprocessors" in config:
        raise AudiolmError(f"{path} names preprocessors, which run code of their own: remove them")
    return config


def _local_parts(config: dict, folder: Path, model: str) -> dict:
    """The config, every part in it named by its local path.

    ``$model/part`` is a folder within the pipeline's own; another hub id is a part in a repository of its own.
    """
    params = config["pipeline"].setdefault("params", {})
    for part, file in PARTS.items():
        place = params.get(part)
        if place is None and part == "plda" and params.get("clustering", VBX) != VBX:
            params[part] = _no_plda()
            continue
        if not isinstance(place, str):
            raise AudiolmError(f"{folder / CONFIG}: {part} is {place}, expected '$model/{part}', a folder or a hub id")
        inside = folder / place.removeprefix("$model/").partition("@")[0]
        local = inside if place.startswith("$model/") or inside.exists() else Path(place)
        if place.startswith("$model/") or local.exists():
            if not local.is_file() and not (local / file).is_file():
                raise AudiolmError(
                    f"no {local / file}, the {part} of pyannote.audio pipeline '{model}': fetch the pipeline whole "
                    "('hf download')"
                )
        else:
            local = find_weights(place, f"{part} of pyannote.audio pipeline '{model}'", file)
        params[part] = {"checkpoint": str(local)}
    return config


def _no_plda():
    """What stands for the PLDA where the clustering uses none: pyannote.audio would fetch one all the same."""
    from pyannote.audio.core.plda import PLDA

    return object.__new__(PLDA)


@contextmanager
def _as_data() -> Iterator[None]:
    """Within it torch loads pickles as data, and those of pyannote.audio's classes that its checkpoints hold."""
    import torch
    from pyannote.audio.core import task

    flag = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(flag)
    os.environ[flag] = "1"
    try:
        with torch.serialization.safe_globals(
            [task.Specifications, task.Problem, task.Resolution, torch.torch_version.TorchVersion]
        ):
            yield
    finally:
        if before is None:
            del os.environ[flag]
        else:
            os.environ[flag] = before
