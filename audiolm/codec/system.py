"""Codec training: reconstruction, adversarial and distillation losses for the common loop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audiolm.codec.balancer import Balancer
from audiolm.codec.crops import Crops
from audiolm.codec.discriminators import DiscriminatorConfig, MultiScaleSTFTDiscriminator
from audiolm.codec.losses import (
    MelLoss,
    MelLossConfig,
    adversarial_loss,
    discriminator_loss,
    distillation_loss,
    feature_loss,
)
from audiolm.codec.model import Codec, CodecConfig
from audiolm.codec.quantize import Draws, Quantized
from audiolm.codec.spectral import SpectralBlock
from audiolm.codec.teacher import Teacher, TeacherConfig
from audiolm.nn.conv import folded_state, load_folded_state
from audiolm.train.config import OptimizerConfig
from audiolm.train.logs import logger
from audiolm.train.randomness import Key
from audiolm.train.system import Batch, System, check_same_tensors, decay_matrices, hidden_kernels


@dataclass
class BalanceConfig:
    """Shares of the codec's gradient at its output (`Balancer`); defaults are EnCodec's (section 3.4).

    Attributes:
        mel: multi-scale mel distance.
        time: L1 distance of samples.
        adversarial: hinge loss against the discriminators.
        features: distance of the discriminators' features.
    """

    mel: float = 2.0
    time: float = 0.1
    adversarial: float = 4.0
    features: float = 4.0


@dataclass(kw_only=True)
class CodecSystemConfig(CodecConfig):
    """A codec and its training.

    Attributes:
        train_dir: data directory to train on.
        valid_dir: data directory to validate on.
        crop: seconds of a training example.
        speech: share of the crops around a moment of `segments`, where there are any.
        valid_crops: number of crops to validate on, drawn once.
        mel: scales of the mel loss.
        balance: shares of the losses on the output.
        commitment: weight of the commitment loss.
        codebook: weight of the loss that moves entries which are parameters.
        teacher: what is distilled; none without it.
        discriminator: shape of the discriminators.
        discriminator_start: step at which the discriminators begin to learn.
        adversarial_start: step at which the codec begins to learn from them, not before they do.
    """

    train_dir: str
    valid_dir: str
    crop: float = 12.0
    speech: float = 0.0
    valid_crops: int = 64
    mel: MelLossConfig = field(default_factory=MelLossConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    commitment: float = 0.25
    codebook: float = 1.0
    teacher: TeacherConfig | None = None
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    discriminator_start: int = 0
    adversarial_start: int = 0

    @property
    def crop_samples(self) -> int:
        """Samples of a crop: whole frames."""
        return max(round(self.crop * self.frame_rate), 1) * self.frame_size


class CodecSystem(System):
    """Trains a `Codec`: AdamW, weight decay on the transformers' matrices only (Moshi, section 4.1)."""

    VALID_BATCH = 16  # crops validated at once
    WATCH_EVERY = 500  # steps between two looks at the codebooks
    COLLAPSED = 0.1  # share of a codebook's size that its perplexity should exceed

    config_class = CodecSystemConfig
    optimizers: ClassVar[dict[str, OptimizerConfig]] = {
        "codec": OptimizerConfig(lr=8e-4, betas=(0.5, 0.9), weight_decay=0.05),
        "discriminator": OptimizerConfig(lr=8e-4, betas=(0.5, 0.9)),
    }

    def __init__(self, config: CodecSystemConfig):
        super().__init__(config)
        self.codec = Codec(config)
        self.discriminator = MultiScaleSTFTDiscriminator(config.discriminator)
        self.mel = MelLoss(config.sample_rate, config.mel)
        balance = config.balance
        self.balancer = Balancer(
            {"mel": balance.mel, "time": balance.time, "adversarial": balance.adversarial, "features": balance.features}
        )
        self.teacher = None
        if config.teacher is not None:
            self.teacher = Teacher(config.teacher, config.sample_rate, config.frame_rate)
            self.to_teacher = nn.Conv1d(config.dim, self.teacher.dim, 1)

    def parameter_groups(self) -> dict[str, list[dict]]:
        """Transformers with weight decay on matrices, the rest of the codec without; discriminators."""
        every = [self.codec.encoder_transformer, self.codec.decoder_transformer]
        transformers = [transformer for transformer in every if transformer is not None]
        kernels = hidden_kernels(*(block for block in self.codec.modules() if isinstance(block, SpectralBlock)))
        groups = [*decay_matrices(*transformers, hidden=True), *({**group, "weight_decay": 0.0} for group in kernels)]
        judges = list(self.discriminator.parameters())
        taken = {p for group in groups for p in group["params"]} | set(judges)
        others = [p for p in self.parameters() if p not in taken]
        return {
            "codec": [*groups, {"params": others, "weight_decay": 0.0}],
            "discriminator": [{"params": judges}],
        }

    def examples(self) -> Crops:
        config = self.config
        return Crops(config.train_dir, config.crop_samples, config.sample_rate, config.speech, config.quantizer)

    def losses(self, batch: Batch, step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        wav = batch["wav"]
        output, quantized = self.codec(wav, Draws(batch["index"], batch["levels"], batch["quantized"]))
        judged = (
            output.detach().requires_grad_()
        )  # the balancer takes gradients here, so the discriminator gets none of them
        terms = {"mel": self.mel(judged, wav), "time": F.l1_loss(judged, wav)}
        losses = {}
        if step >= self.config.discriminator_start:
            real_scores, real_features = self.discriminator(wav)
            fake_scores, fake_features = self.discriminator(judged)
            losses["discriminator"] = discriminator_loss(real_scores, fake_scores)
            if step >= self.config.adversarial_start:
                terms["adversarial"] = adversarial_loss(fake_scores)
                terms["features"] = feature_loss(real_features, fake_features)
        gradient = self.balancer(terms, judged)
        terms["commitment"] = quantized.commitment
        losses["codec"] = (output * gradient).sum() + self.config.commitment * quantized.commitment
        if quantized.codebook is not None:
            terms["codebook"] = quantized.codebook
            losses["codec"] = losses["codec"] + self.config.codebook * quantized.codebook
        if self.teacher is not None:
            terms["distillation"] = self._distillation(quantized, wav)
            losses["codec"] = losses["codec"] + self.config.teacher.weight * terms["distillation"]
        if "discriminator" in losses:
            terms["discriminator"] = losses["discriminator"]
        metrics = {name: loss.detach() for name, loss in terms.items()}
        for level, codebook in enumerate(self.codec.quantizer.codebooks(), 1):
            metrics[f"perplexity{level}"] = codebook.perplexity()
            metrics[f"usage{level}"] = codebook.usage()
        return losses, metrics

    def after_step(self, step: int) -> None:
        """Warn of codebooks that use few of their entries."""
        if step == 0 or step % self.WATCH_EVERY:
            return
        for level, codebook in enumerate(self.codec.quantizer.codebooks(), 1):
            if (perplexity := float(codebook.perplexity())) < self.COLLAPSED * codebook.size:
                logger.warning(
                    "step %d: codebook %d of %d entries has a perplexity of %.1f; if it lasts, lower the learning rate",
                    *(step, level, codebook.size, perplexity),
                )

    def validation_batches(self) -> Iterable[Batch]:
        config = self.config
        crops = Crops(config.valid_dir, config.crop_samples, config.sample_rate, config.speech, config.quantizer)
        for start in range(0, config.valid_crops, self.VALID_BATCH):
            keys = range(start, min(start + self.VALID_BATCH, config.valid_crops))
            yield crops.collate([crops(Key(0, index)) for index in keys])

    def validate(self, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """``loss``: mel distance with all levels; and the distillation loss where there is a teacher."""
        wav = batch["wav"]
        every = torch.full_like(batch["levels"], self.codec.n_q)
        output, quantized = self.codec(wav, Draws(batch["index"], every, torch.ones_like(batch["quantized"])))
        count = len(wav)
        values = {"loss": self.mel(output, wav), "time": F.l1_loss(output, wav)}
        if self.teacher is not None:
            values["distillation"] = self._distillation(quantized, wav)
        return {name: (value * count, count) for name, value in values.items()}

    def export_state(self) -> dict[str, Tensor]:
        """The codec alone, weight norm folded into its convolutions."""
        return folded_state(self.codec)

    def load_init(self, state: Mapping[str, Tensor]) -> None:
        """Start from another experiment's codec; discriminators and the projection to the teacher start anew."""
        check_same_tensors(self.export_state(), state)
        load_folded_state(self.codec, state)

    def _distillation(self, quantized: Quantized, wav: Tensor) -> Tensor:
        student = self.to_teacher(quantized.semantic).transpose(1, 2)  # [B, F, teacher's channels]
        return distillation_loss(student, self.teacher(wav))
