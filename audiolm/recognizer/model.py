"""The CTC recogniser that recipes train: log-mel, ESPnet's Conformer encoder, a linear head over characters.

It serves three times: its hidden layer teaches the codec's semantic level where no self-supervised encoder is at hand,
its posteriors align words, and it transcribes. For all three a frame may depend neither on how a batch was padded nor
on how long the recording is: silence is zero in the features, padded frames are masked before every depthwise
convolution (ESPnet masks attention only), and long recordings go through in windows with context on both sides.
"""

import contextlib
import io
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.encoders.logmel import LogMel
from audiolm.encoders.protocol import Layer, before, in_windows
from audiolm.errors import AudiolmError
from audiolm.recognizer.decode import greedy

STACK = 4  # log-mel frames at 100 Hz in one encoder frame
BLANK = 0  # CTC's blank; symbol i of the config has id i + 1


@dataclass
class RecognizerModelConfig:
    """Shape of the recogniser; names follow ESPnet's conformer recipes."""

    sample_rate: int = 16000  # Hz
    symbols: str = " 'abcdefghijklmnopqrstuvwxyz"  # characters of normalised text; the first is the word boundary
    n_mels: int = 80
    dim: int = 256  # ESPnet: output_size
    layers: int = 12  # ESPnet: num_blocks
    heads: int = 4  # ESPnet: attention_heads
    ffn_dim: int = 1024  # ESPnet: linear_units
    kernel_size: int = 15  # of the depthwise convolution, in encoder frames, odd; ESPnet: cnn_module_kernel
    dropout: float = 0.1
    window: float = 16.0  # seconds that are encoded at once; longer recordings go through in overlapping windows
    context: float = 2.0  # seconds of a window's ends that are computed for context only, at each inner border


class Recognizer(nn.Module):
    """Conformer (Gulati et al. 2020, as in ESPnet 202511) with a CTC head (Graves et al. 2006), 25 frames per second.

    ``wav`` is always float [B, T] at ``sample_rate`` in [-1, 1], ``lengths`` its valid samples [B].
    """

    frame_rate = 100 / STACK

    def __init__(self, config: RecognizerModelConfig):
        super().__init__()
        _check(config)
        self.config = config
        self.sample_rate = config.sample_rate
        self.logmel = LogMel(config.sample_rate, config.n_mels)
        self.normalize = nn.BatchNorm1d(config.n_mels, affine=False)  # to mean 0, variance 1 over the training data
        self.subsample = nn.Sequential(
            nn.Conv1d(config.n_mels, config.dim, 2 * STACK, STACK, padding=STACK // 2), nn.GELU()
        )
        self.project = nn.Sequential(nn.Linear(config.dim, config.dim), nn.LayerNorm(config.dim))
        self.encoder = _conformer(config)
        self.head = nn.Linear(config.dim, len(config.symbols) + 1)

    @property
    def frame_size(self) -> int:
        """Samples of one encoder frame."""
        return STACK * self.logmel.hop

    def num_frames(self, lengths: Tensor) -> Tensor:
        """Encoder frames of so many samples: a last partial frame counts."""
        return (lengths + self.frame_size - 1) // self.frame_size

    def text_ids(self, text: str) -> list[int]:
        """Ids of a normalised text's characters; AudiolmError names a character that ``symbols`` lacks."""
        try:
            return [self.config.symbols.index(character) + 1 for character in text]
        except ValueError:
            wrong = next(c for c in text if c not in self.config.symbols)
            raise AudiolmError(
                f"character '{wrong}' of text '{text}' is none of the recogniser's symbols '{self.config.symbols}': "
                "normalise the text, or add it to model.symbols in the recogniser's config"
            ) from None

    def forward(self, wav: Tensor, lengths: Tensor, mel_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits [B, F, 1 + symbols] and frames [B] of one window.

        ``mel_mask`` [B, 4 F, n_mels] multiplies the log-mel frames (SpecAugment in training).
        """
        states, frames = self.encode(wav, lengths, self.config.layers, mel_mask)
        return self.classify(states[-1]), frames

    def classify(self, hidden: Tensor) -> Tensor:
        """Logits [B, F, 1 + symbols] of a block's output [B, F, dim]."""
        return self.head(self.encoder.after_norm(hidden))

    def log_probs(self, wav: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log posteriors [B, F, 1 + symbols], float32, and frames [B]; recordings may be of any length."""

        def posteriors(part: Tensor, part_lengths: Tensor) -> Tensor:
            return self.forward(part, part_lengths)[0].float().log_softmax(-1)

        return self._in_windows(wav, lengths, posteriors), self.num_frames(lengths)

    def hidden(self, wav: Tensor, lengths: Tensor, layer: Layer) -> Tensor:
        """Return the output [B, F, dim] of block ``layer`` (1 … layers; mean: of all), zero beyond ``lengths``."""
        if layer != "mean" and not 1 <= layer <= self.config.layers:
            raise AudiolmError(
                f"layer {layer} of a recogniser, expected 1 to {self.config.layers}, its number of layers"
            )

        def features(part: Tensor, part_lengths: Tensor) -> Tensor:
            if layer == "mean":
                return torch.stack(self.encode(part, part_lengths, self.config.layers)[0]).float().mean(0)
            return self.encode(part, part_lengths, layer)[0][-1].float()

        return self._in_windows(wav, lengths, features)

    @torch.inference_mode()
    def transcribe(self, wavs: list[np.ndarray], batch: int = 16, words: list[str] | None = None) -> list[str]:
        """Return the text of each float32 waveform [samples] at ``sample_rate``, longest first in batches of ``batch``.

        Args:
            words: a closed vocabulary; only sequences of these words are then found (see ``decode.WordLoop``).
        """
        from audiolm.recognizer.decode import WordLoop

        loop = WordLoop({word: self.text_ids(word) for word in words}) if words else None
        texts = [""] * len(wavs)
        order = sorted(range(len(wavs)), key=lambda i: -len(wavs[i]))
        device = self.head.weight.device
        for start in range(0, len(order), batch):
            chosen = [i for i in order[start : start + batch] if len(wavs[i])]
            if not chosen:
                continue
            rows = [torch.from_numpy(np.asarray(wavs[i], dtype=np.float32)) for i in chosen]
            lengths = torch.tensor([len(row) for row in rows], device=device)
            padded = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
            log_probs, frames = self.log_probs(padded, lengths)
            rows, counts = log_probs.cpu().numpy(), frames.tolist()
            if loop:
                found = [" ".join(spoken) for spoken in loop.decode(rows, counts)]
            else:
                found = [greedy(row[:count], self.config.symbols) for row, count in zip(rows, counts, strict=True)]
            for i, text in zip(chosen, found, strict=True):
                texts[i] = text
        return texts

    def encode(
        self, wav: Tensor, lengths: Tensor, layers: int, mel_mask: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """One window through ``layers`` blocks: the output of each [B, F, dim], zero beyond ``lengths``; frames [B]."""
        frames = self.num_frames(lengths)
        mel = self.normalize(self.logmel(wav).transpose(1, 2)).transpose(1, 2)  # [B, F100, n_mels]
        mel = mel * before(self.logmel.num_frames(lengths), mel.shape[1])[..., None]
        mel = F.pad(mel, (0, 0, 0, -mel.shape[1] % STACK))
        if mel_mask is not None:
            mel = mel * mel_mask
        valid = before(frames, mel.shape[1] // STACK)  # [B, F]
        x = self.project(self.subsample(mel.transpose(1, 2)).transpose(1, 2))
        # ESPnet keeps one table of positions and casts it to the type of x, so bf16 here would round it for good.
        state = self.encoder.embed(x.float())
        for block in self.encoder.encoders:
            block.conv_module.depthwise_conv.valid = valid[:, None]
        mask = valid[:, None]
        states = []
        for block in self.encoder.encoders[:layers]:
            state, mask = block(state, mask)
            states.append(state[0] * valid[..., None])
        return states, frames

    def _in_windows(self, wav: Tensor, lengths: Tensor, function) -> Tensor:
        """Join ``function(part, part_lengths) -> [B', F', D]`` of overlapping windows to [B, F, D]."""
        size, margin = (round(seconds * self.frame_rate) for seconds in (self.config.window, self.config.context))
        return in_windows(wav, lengths, function, self.frame_size, size, margin)


class MaskedConv1d(nn.Conv1d):
    """A convolution that reads zeros where ``valid`` [B, 1, F] is false, as it does beyond the ends."""

    valid: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * self.valid)


def _conformer(config: RecognizerModelConfig) -> nn.Module:
    """ESPnet's ConformerEncoder on ready features [B, F, dim], with masked depthwise convolutions."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints that flash attention, which it does not need, is absent
        from espnet2.asr.encoder.conformer_encoder import ConformerEncoder
    encoder = ConformerEncoder(
        input_size=config.dim,
        output_size=config.dim,
        attention_heads=config.heads,
        linear_units=config.ffn_dim,
        num_blocks=config.layers,
        dropout_rate=config.dropout,
        positional_dropout_rate=config.dropout,
        attention_dropout_rate=config.dropout,
        input_layer=None,
        macaron_style=True,
        rel_pos_type="latest",
        cnn_module_kernel=config.kernel_size,
    )
    for block in encoder.encoders:
        block.conv_module.depthwise_conv = MaskedConv1d(
            config.dim, config.dim, config.kernel_size, padding=config.kernel_size // 2, groups=config.dim
        )
    return encoder


def _check(config: RecognizerModelConfig) -> None:
    if config.kernel_size % 2 == 0:
        raise AudiolmError(
            f"kernel_size: {config.kernel_size} in the recogniser's model config is even, expected an odd number"
        )
    if config.dim % config.heads:
        raise AudiolmError(
            f"dim: {config.dim} is not divisible by heads: {config.heads} in the recogniser's model config"
        )
    if len(set(config.symbols)) != len(config.symbols) or not config.symbols.startswith(" "):
        raise AudiolmError(
            f"symbols: '{config.symbols}' in the recogniser's model config must begin with a space and repeat nothing"
        )
    if config.window <= 2 * config.context:
        raise AudiolmError(
            f"window: {config.window} s in the recogniser's model config is not longer than twice context, "
            f"{config.context} s: nothing would be left between the contexts"
        )
