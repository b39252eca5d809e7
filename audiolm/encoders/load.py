"""Encoders by name: their shapes from their configs at once, and the models with their weights."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from audiolm.encoders.hub import find_weights
from audiolm.encoders.protocol import Encoder, Layer, check_layer
from audiolm.errors import AudiolmError, first_line

KINDS = ("hubert", "w2v-bert", "wav2vec2", "wavlm", "whisper")  # model_type in config.json
TYPES = {"wav2vec2-bert": "w2v-bert"}
UNUSED = "masked_spec_embed"  # what masked frames are in training; files may lack it


@dataclass(frozen=True)
class Described:
    """What a folder of transformers holds, before any weights are read.

    Attributes:
        folder: of the files.
        kind: one of KINDS.
        config: of transformers.
        sample_rate: Hz.
        frame_rate: Hz.
        layers: number of blocks; layer 0 is what enters the first.
    """

    folder: Path
    kind: str
    config: object
    sample_rate: int
    frame_rate: float
    layers: int


def load_encoder(
    backend: str, name: str = "", layer: Layer = "mean", sample_rate: int = 0, pad: bool = False
) -> Encoder:
    """An encoder in evaluation mode, without gradients.

    Args:
        backend: logmel or mfcc (of samples at ``sample_rate``), recognizer (that recipes train), or transformers
            (WavLM, HuBERT, wav2vec 2.0, w2v-BERT 2.0, Whisper's encoder).
        name: experiment directory of a recogniser; folder, or hub id such as ``microsoft/wavlm-large``.
        layer: from 1, of a recogniser; from 0, of transformers; mean, of all; auto, of transformers: see `usual_layer`.
        sample_rate: Hz, where the encoder has none of its own.
        pad: of Whisper: pad shorter input to 30 s, see `audiolm.encoders.whisper`.

    Raises:
        AudiolmError: no such encoder, weights that are not to be had or lack some, or no such layer.
    """
    if backend in ("logmel", "mfcc"):
        from audiolm.encoders.spectral import LogMelEncoder, MfccEncoder

        return (LogMelEncoder if backend == "logmel" else MfccEncoder)(sample_rate).eval()
    if backend == "recognizer":
        from audiolm.encoders.ctc import RecognizerEncoder
        from audiolm.recognizer.load import load_recognizer

        return RecognizerEncoder(load_recognizer(name), layer, name)
    if backend != "transformers":
        raise AudiolmError(f"no encoder '{backend}', expected logmel, mfcc, recognizer or transformers")
    found = describe(name, layer)
    return _pretrained(found, usual_layer(layer, found.kind, found.layers), pad).eval().requires_grad_(False)


def describe(name: str, layer: Layer = "mean") -> Described:
    """What is known of an encoder of transformers from its config; only its files are looked for, not read.

    Raises:
        AudiolmError: none of these encoders, or no such layer.
    """
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise AudiolmError(
            f"speech encoder '{name}' needs transformers ({error}): pip install transformers (or audiolm[neighbours])"
        ) from None
    folder = find_weights(name, "speech encoder", "config.json", ("*.safetensors", "*.bin"))
    try:
        config = AutoConfig.from_pretrained(folder)
    except Exception as error:  # whatever a damaged or foreign folder provokes
        raise AudiolmError(_not_loaded(name, error)) from None
    kind = TYPES.get(config.model_type, config.model_type)
    if kind not in KINDS:
        raise AudiolmError(f"{folder} holds a {config.model_type}, expected one of: {', '.join(KINDS)}")
    check_layer(usual_layer(layer, kind, config.num_hidden_layers), 0, config.num_hidden_layers, name)
    hop = prod(config.conv_stride) if hasattr(config, "conv_stride") else 320
    rate = _extractor(folder, name).sampling_rate
    return Described(folder, kind, config, rate, rate / hop, config.num_hidden_layers)


def usual_layer(layer: Layer, kind: str, layers: int) -> Layer:
    """The layer itself, or for auto that which serves most: of self-supervised encoders the mean of all.

    Of Whisper it is the last but one, by phone ABX (benchmarks/encoder_layers.py): the last is made for the decoder.
    """
    if layer != "auto":
        return layer
    return max(layers - 1, 1) if kind == "whisper" else "mean"


def _pretrained(found: Described, layer: Layer, pad: bool) -> Encoder:
    from transformers import AutoModel
    from transformers.utils import logging

    extractor = _extractor(found.folder, str(found.folder))
    logging.disable_progress_bar()
    try:
        model, info = AutoModel.from_pretrained(
            found.folder, config=found.config, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:
        raise AudiolmError(_not_loaded(str(found.folder), error)) from None
    lacking = [key for key in info["missing_keys"] if key != UNUSED]
    if found.kind == "whisper":  # the decoder is not used
        model, lacking = model.encoder, [key for key in lacking if key.startswith("encoder.")]
    if lacking:
        raise AudiolmError(
            f"{found.folder} lacks {len(lacking)} weights of a {found.config.model_type}: {min(lacking)}, …; fetch it "
            "again"
        )
    if found.kind == "whisper":
        from audiolm.encoders.whisper import WhisperEncoder

        return WhisperEncoder(model, torch.as_tensor(extractor.mel_filters), layer, found.sample_rate, pad)
    from audiolm.encoders.speech import SelfSupervised, W2vBert

    if found.kind == "w2v-bert":
        return W2vBert(model, layer, found.sample_rate)
    return SelfSupervised(model, layer, found.sample_rate, extractor.do_normalize)


def _extractor(folder: Path, name: str):
    from transformers import AutoFeatureExtractor

    try:
        return AutoFeatureExtractor.from_pretrained(folder)
    except Exception as error:
        raise AudiolmError(_not_loaded(name, error)) from None


def _not_loaded(name: str, error: Exception) -> str:
    return f"cannot load speech encoder '{name}': {type(error).__name__}: {first_line(error)}"
