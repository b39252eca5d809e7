"""Training of the CTC recogniser (``system: recognizer``)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.errors import AudiolmError
from audiolm.recognizer.decode import greedy
from audiolm.recognizer.examples import AugmentConfig, Utterances, Windows
from audiolm.recognizer.model import BLANK, STACK, Recognizer, RecognizerModelConfig
from audiolm.train.config import OptimizerConfig
from audiolm.train.system import System, decay_matrices, hidden_kernels


@dataclass
class RecognizerConfig:
    """Model, data and variation of a recogniser's training.

    Attributes:
        model: Shape of the model; windows of model.window seconds are what it is trained on.
        augment: How training windows vary.
        train_data: Data directory whose transcribed utterances it learns.
        valid_data: Data directory for validation.
        valid_utterances: Most utterances to validate on.
        max_rejected: Largest share of training utterances that may be longer than a window.
        cache_gb: Gigabytes of training audio to keep in memory.
    """

    model: RecognizerModelConfig = field(default_factory=RecognizerModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train_data: str = "dump/train/audio"
    valid_data: str = "dump/dev/audio"
    valid_utterances: int = 200
    max_rejected: float = 0.01
    cache_gb: float = 2.0


class RecognizerSystem(System):
    """Recogniser with its CTC loss per character (Graves et al. 2006) and its word error rate in validation."""

    config_class = RecognizerConfig
    optimizers = {"main": OptimizerConfig(lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01, schedule="cosine")}

    def __init__(self, config: RecognizerConfig):
        super().__init__(config)
        self.model = Recognizer(config.model)
        self.boundary = self.model.text_ids(" ")[0]

    def parameter_groups(self) -> dict[str, list[dict[str, Any]]]:
        blocks = self.model.encoder.encoders
        linear = [layer for layer in blocks.modules() if isinstance(layer, nn.Linear)]
        hidden = [*decay_matrices(*linear, hidden=True), *hidden_kernels(blocks)]
        taken = {p for group in hidden for p in group["params"]}
        others = [{**group, "params": [p for p in group["params"] if p not in taken]} for group in decay_matrices(self)]
        return {"main": [*hidden, *others]}

    def examples(self) -> Windows:
        config = self.config
        windows = Windows(self._utterances(config.train_data), config.model.window, self.boundary, config.augment)
        total = len(windows.names) + windows.too_long
        if windows.too_long > config.max_rejected * total:
            raise AudiolmError(
                f"{windows.too_long} of {total} utterances of {config.train_data} are longer than a window of "
                f"{config.model.window} s at {config.augment.speed[0]} times their speed (augment.speed), at most "
                f"{config.max_rejected:.0%} may be: set model.window in the recogniser's config to "
                f"{windows.seconds_for(1 - config.max_rejected):.1f} or more, or cut the segments shorter"
            )
        return windows

    def losses(self, batch: dict[str, Tensor], step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        mask = self._mel_mask(batch["wav"])
        logits, frames = self.model(batch["wav"], batch["lengths"], mask)
        loss = ctc_loss(logits, frames, batch["ids"], batch["id_lengths"]).sum() / batch["id_lengths"].sum()
        return {"main": loss}, {"loss": loss.detach()}

    def validation_batches(self) -> Iterable[dict[str, Tensor]]:
        utterances = self._utterances(self.config.valid_data)
        return list(utterances.batches(16, self.config.valid_utterances))

    def validate(self, batch: dict[str, Tensor]) -> dict[str, tuple[Tensor | float, Tensor | float]]:
        from torchaudio.functional import edit_distance

        log_probs, frames = self.model.log_probs(batch["wav"], batch["lengths"])
        loss = ctc_loss(log_probs, frames, batch["ids"], batch["id_lengths"]).sum()
        errors = words = 0
        symbols = self.config.model.symbols
        for row, count, ids in zip(log_probs.cpu().numpy(), frames.tolist(), batch["ids"].tolist(), strict=True):
            reference = "".join(symbols[i - 1] for i in ids if i).split()
            errors += edit_distance(reference, greedy(row[:count], symbols).split())
            words += len(reference)
        return {"loss": (loss, batch["id_lengths"].sum()), "wer": (100.0 * errors, float(words))}

    def export_state(self) -> dict[str, Tensor]:
        return self.model.state_dict()

    def _utterances(self, path: str) -> Utterances:
        return Utterances(path, self.model.sample_rate, self.model.text_ids, self.config.cache_gb * 1e9)

    def _mel_mask(self, wav: Tensor) -> Tensor:
        """SpecAugment's mask [B, F, n_mels] for windows [B, T]: 0 in random stretches and bands, else 1."""
        augment, n_mels = self.config.augment, self.config.model.n_mels
        frames = int(self.model.num_frames(torch.tensor(wav.shape[1]))) * STACK
        keep_time = _outside_spans(len(wav), frames, augment.time_masks, augment.time_width * 100, wav.device)
        keep_mels = _outside_spans(len(wav), n_mels, augment.mel_masks, augment.mel_width, wav.device)
        return (keep_time[:, :, None] & keep_mels[:, None]).float()


def ctc_loss(scores: Tensor, frames: Tensor, ids: Tensor, id_lengths: Tensor) -> Tensor:
    """CTC losses [B] of scores [B, F, V] (logits or log posteriors), fp32; 0 where a text has too many ids."""
    log_probs = scores.float().log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_probs, ids, frames, id_lengths, blank=BLANK, reduction="none", zero_infinity=True)


def _outside_spans(rows: int, size: int, count: int, width: float, device: torch.device) -> Tensor:
    """bool [rows, size], False inside ``count`` random spans of up to ``width`` in each row."""
    widths = torch.rand(rows, count, 1, device=device) * width
    starts = torch.rand(rows, count, 1, device=device) * (size - widths)
    position = torch.arange(size, device=device)
    return ~((position >= starts) & (position < starts + widths)).any(1)
