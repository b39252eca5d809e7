"""Posteriors of pretrained CTC models, for forced alignment (annotate/ctc.py).

Two layouts: transformers' (folder or hub id of a Wav2Vec2ForCTC, HubertForCTC, WavLMForCTC …), and torchaudio's
bundles by name (``MMS_FA``: 1 130 languages in Latin letters; ``WAV2VEC2_ASR_BASE_960H``: English; …), whose weights
lie in torch's hub cache.
"""

from pathlib import Path

import torch
from torch import Tensor

from audiolm.encoders.hub import find_weights, reachable
from audiolm.errors import AudiolmError, first_line

WINDOW = 30.0  # seconds that are encoded at once
CONTEXT = 2.0  # seconds of a window's inner ends that only serve as context
BOUNDARY = "|"
MIRROR = "https://download.pytorch.org/torchaudio/models/"  # what a bundle's relative path is relative to


class Wav2Vec2Posteriors(torch.nn.Module):
    """A pretrained CTC model with the interface of audiolm.recognizer's: blank 0, symbols from 1.

    Utterances are encoded one by one: these models normalise over the whole waveform, so padding would change them.

    Args:
        model: wav [1, T] -> an output whose first element is logits [1, F, V].
        symbols: what each column of the logits stands for; the blank is the first.
        normalize: scale each waveform to mean 0, variance 1.
        stride: samples of a frame.
    """

    def __init__(
        self, model: torch.nn.Module, symbols: tuple[str, ...], normalize: bool, sample_rate: int, stride: int
    ):
        super().__init__()
        self.model, self.normalize, self.sample_rate, self.stride = model, normalize, sample_rate, stride
        self.frame_rate = sample_rate / stride
        self.ids = {symbol: number for number, symbol in enumerate(symbols) if number}
        letters = [symbol for symbol in self.ids if symbol.isalpha() and len(symbol) == 1]
        self.upper = bool(letters) and not any(symbol.islower() for symbol in letters)

    def text_ids(self, text: str) -> list[int]:
        """Ids of a normalised text's characters; spaces are word boundaries, or nothing where the model has none."""
        text = (text.upper() if self.upper else text).replace(" ", BOUNDARY if BOUNDARY in self.ids else "")
        try:
            return [self.ids[character] for character in text]
        except KeyError as wrong:
            raise AudiolmError(f"character {wrong} of '{text}' is no symbol of the CTC model: spell it out") from None

    @torch.inference_mode()
    def log_probs(self, wav: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log posteriors [B, F, V] of wav [B, T], and frames [B]."""
        rows = [self._encode(row[:length]) for row, length in zip(wav, lengths.tolist(), strict=True)]
        frames = torch.tensor([len(row) for row in rows], device=wav.device)
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), frames

    def _encode(self, wav: Tensor) -> Tensor:
        """Log posteriors [F, V] of one utterance, long ones in windows with context."""
        if self.normalize:
            wav = (wav - wav.mean()) / torch.sqrt(wav.var(correction=0) + 1e-7)
        size, margin = (round(time * self.frame_rate) for time in (WINDOW, CONTEXT))
        total = -(-len(wav) // self.stride)
        step = size - 2 * margin
        starts = range(0, max(total - 2 * margin, 1), step) if total > size else [0]
        parts = []
        for start in starts:
            part = wav[start * self.stride : (start + size) * self.stride] if total > size else wav
            out = self.model(part[None])[0][0].float().log_softmax(-1)
            last = start == starts[-1]
            parts.append(out[0 if start == 0 else margin : None if last else size - margin])
        return torch.cat(parts)


def load_posteriors(model: str, device: str = "cpu") -> Wav2Vec2Posteriors:
    """A pretrained CTC model.

    Args:
        model: name of a torchaudio bundle, or folder or hub id of transformers' layout.

    Raises:
        AudiolmError: none of these, not to be had, or no CTC model.
    """
    import torchaudio

    bundle = getattr(torchaudio.pipelines, model, None) if model.isidentifier() else None
    loaded = _from_bundle(bundle, model) if hasattr(bundle, "get_labels") else _from_transformers(model)
    return loaded.eval().requires_grad_(False).to(device)


def _from_bundle(bundle, name: str) -> Wav2Vec2Posteriors:
    url = bundle._path if bundle._path.startswith("https") else MIRROR + bundle._path
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file() and not reachable(url):
        raise AudiolmError(
            f"no weights of {name} at {file}, and their server cannot be reached: fetch {url} where there is a "
            "network, and put it there"
        )
    star = {"with_star": False} if name.endswith("_FA") else {}
    labels = bundle.get_labels(star=None) if star else bundle.get_labels()
    try:
        model = bundle.get_model(**star, dl_kwargs={"progress": False, "weights_only": True})
    except Exception as error:  # whatever a damaged file or a broken connection provokes
        raise AudiolmError(f"cannot load {name} from {file}: {type(error).__name__}: {error}") from None
    stride = 1
    for layer in bundle._params["extractor_conv_layer_config"]:
        stride *= layer[2]
    # A bundle's model normalises its own input where it was trained so.
    return Wav2Vec2Posteriors(model, labels, False, int(bundle.sample_rate), stride)


def _from_transformers(name: str) -> Wav2Vec2Posteriors:
    import json

    folder = find_weights(name, "CTC model", "vocab.json", ("*.safetensors", "*.bin"))
    from transformers import AutoFeatureExtractor, AutoModelForCTC

    try:
        model = AutoModelForCTC.from_pretrained(folder)
        features = AutoFeatureExtractor.from_pretrained(folder)
        vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        stride = model.config.inputs_to_logits_ratio
    except Exception as error:  # whatever a damaged or foreign folder provokes
        raise AudiolmError(f"cannot load CTC model '{name}': {type(error).__name__}: {first_line(error)}") from None
    symbols = [""] * model.config.vocab_size
    for symbol, number in vocabulary.items():
        symbols[number] = symbol
    if model.config.pad_token_id != 0:
        raise AudiolmError(f"{folder}: pad_token_id is {model.config.pad_token_id}, expected 0, which is CTC's blank")
    return Wav2Vec2Posteriors(model, tuple(symbols), features.do_normalize, features.sampling_rate, stride)
