"""Codec training: reconstruction, adversarial and distillation losses for the common loop."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from audiolm.codec.balancer import Balancer, WeightedSum
from audiolm.codec.crops import Crops, check_data
from audiolm.codec.discriminators import DiscriminatorConfig, Discriminators
from audiolm.codec.losses import (
    Adversarial,
    FeatureDistance,
    MelLoss,
    MelLossConfig,
    StftLoss,
    StftLossConfig,
    adversarial_loss,
    discriminator_loss,
    distillation_loss,
    feature_loss,
)
from audiolm.codec.model import Codec, CodecConfig
from audiolm.codec.quantize import Draws, Quantized
from audiolm.codec.spectral import SpectralBlock
from audiolm.codec.teacher import Teacher, TeacherConfig
from audiolm.errors import AudiolmError
from audiolm.nn.conv import folded_state, load_folded_state
from audiolm.train.checkpoint import load_model, read_tensors
from audiolm.train.config import OptimizerConfig
from audiolm.train.logs import logger
from audiolm.train.randomness import Key
from audiolm.train.sounds import Sounds
from audiolm.train.system import Batch, System, decay_matrices, hidden_kernels
from audiolm.train.tensors import check_same_tensors

DISTILLATION = "distillation.safetensors"  # beside the exported codec


@dataclass
class BalanceConfig:
    """Weights of the losses on the codec's output; one of weight 0 is not computed. Defaults are EnCodec's
    (section 3.4).

    With ``balancer: true`` they are shares of the gradient (`Balancer`), with ``false`` factors of the losses. All
    losses are means over their scales, discriminators and layers; where a release adds these, its factor times their
    number is ours: DAC's 15 (mel), 2 (features) and 1 (adversarial) are 105, 200 and 8 here, with feature_distance
    absolute.

    Attributes:
        mel: multi-scale mel distance.
        stft: multi-scale distance of STFT magnitudes.
        time: L1 distance of samples.
        adversarial: against the discriminators.
        features: distance of the discriminators' features.
    """

    mel: float = 2.0
    stft: float = 0.0
    time: float = 0.1
    adversarial: float = 4.0
    features: float = 4.0

    def __post_init__(self):
        if negative := [name for name, weight in vars(self).items() if weight < 0]:
            raise AudiolmError(f"{negative[0]} is {getattr(self, negative[0]):g}, expected 0 or more")


@dataclass(kw_only=True)
class CodecSystemConfig(CodecConfig):
    """A codec and its training.

    Attributes:
        train_dir: data directory to train on, or a list of several.
        valid_dir: data directory to validate on.
        train_weights: of several train_dir, one each: their shares of the crops. None: all seconds are equally likely.
        crop: seconds of a training example.
        speech: share of the crops around a moment of `segments`, where there are any.
        gain: decibels by which a training example is louder, [low, high], drawn evenly. Peaks stay within full scale.
        loudness: decibels of full scale to bring a training example to before that, likewise: mean power without
            pauses (audiolm.data.loudness). null: it stays as it is.
        max_rejected: share of the training recordings that may turn out unreadable: rejected.tsv names them.
        valid_crops: number of crops to validate on, drawn once.
        samples: of how many of those the resynthesis is kept to listen to, at every validation.
        mel: kind and scales of the mel loss.
        stft: scales of the STFT loss.
        balance: weights of the losses on the output.
        balancer: whether these weights are shares of the gradient, or factors.
        commitment: weight of the commitment loss.
        codebook: weight of the loss that moves entries which are parameters.
        teacher: what is distilled; none without it.
        discriminator: kinds and shapes of the discriminators; none without it.
        adversarial: what discriminators and codec play.
        feature_distance: of the discriminators' features, relative to their size or not.
        discriminator_start: step at which the discriminators begin to learn.
        adversarial_start: step at which the codec begins to learn from them, not before they do.
    """

    train_dir: list[str] | str
    valid_dir: str
    train_weights: list[float] = field(default_factory=list)
    crop: float = 12.0
    speech: float = 0.0
    gain: tuple[float, float] = (0.0, 0.0)
    loudness: tuple[float, float] | None = None
    max_rejected: float = 0.01
    valid_crops: int = 64
    samples: int = 4
    mel: MelLossConfig = field(default_factory=MelLossConfig)
    stft: StftLossConfig = field(default_factory=StftLossConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    balancer: bool = True
    commitment: float = 0.25
    codebook: float = 1.0
    teacher: TeacherConfig | None = None
    discriminator: DiscriminatorConfig | None = None
    adversarial: Adversarial = "hinge"
    feature_distance: FeatureDistance = "relative"
    discriminator_start: int = 0
    adversarial_start: int = 0

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.train_dir, str):
            self.train_dir = [self.train_dir]
        check_data(self.train_dir, self.train_weights, gain=self.gain, loudness=self.loudness)
        balance, start = self.balance, max(self.discriminator_start, self.adversarial_start)
        if self.discriminator is not None:
            self.discriminator.check(self.crop_samples, self.frame_size, self.sample_rate)
            if not balance.adversarial and not balance.features:
                raise AudiolmError(
                    "discriminator is given, but balance.adversarial and balance.features are 0; drop it or weigh one"
                )
        if not balance.mel and not balance.stft and not balance.time and (self.discriminator is None or start > 0):
            when = "there is no discriminator" if self.discriminator is None else f"discriminators come at step {start}"
            raise AudiolmError(f"balance: mel, stft and time are 0, and {when}; weigh one of them")

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
        self.valid_crops: Crops | None = None
        self.codec = Codec(config)
        self.discriminator = None if config.discriminator is None else Discriminators(config.discriminator)
        self.mel = MelLoss(config.sample_rate, config.mel)
        self.stft = StftLoss(config.stft)
        self.weights = {name: weight for name, weight in vars(config.balance).items() if weight}
        self.balancer = Balancer(self.weights) if config.balancer else WeightedSum(self.weights)
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
        judges = [] if self.discriminator is None else list(self.discriminator.parameters())
        taken = {p for group in groups for p in group["params"]} | set(judges)
        others = [p for p in self.parameters() if p not in taken]
        return {
            "codec": [*groups, {"params": others, "weight_decay": 0.0}],
            "discriminator": [{"params": judges}],
        }

    def examples(self) -> Crops:
        config = self.config
        return self._crops(
            config.train_dir,
            weights=config.train_weights,
            gain=config.gain,
            level=config.loudness,
            exp_dir=self.exp_dir,
            max_rejected=config.max_rejected,
        )

    def _crops(self, paths: list[str], **options) -> Crops:
        config = self.config
        return Crops(paths, config.crop_samples, config.sample_rate, config.speech, config.quantizer, **options)

    def losses(self, batch: Batch, step: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        wav = batch["wav"]
        output, quantized = self.codec(wav, Draws(batch["index"], batch["levels"], batch["quantized"]))
        judged = output.detach().requires_grad_()  # gradients are taken here, so the discriminators get none of them
        distances = {"mel": self.mel, "stft": self.stft, "time": F.l1_loss}
        terms = {name: distance(judged, wav) for name, distance in distances.items() if name in self.weights}
        losses = {}
        if self.discriminator is not None and step >= self.config.discriminator_start:
            # Not one batch of both: the codec's gradients would pass through the originals' half as well.
            with parametrize.cached():  # both with the same weights, whose norm is taken once
                real_scores, real_features = self.discriminator(wav)
                fake_scores, fake_features = self.discriminator(judged)
            losses["discriminator"] = discriminator_loss(real_scores, fake_scores, self.config.adversarial)
            if step >= self.config.adversarial_start:
                if "adversarial" in self.weights:
                    terms["adversarial"] = adversarial_loss(fake_scores, self.config.adversarial)
                if "features" in self.weights:
                    terms["features"] = feature_loss(real_features, fake_features, self.config.feature_distance)
        through = (output * self.balancer(terms, judged)).sum()  # has the gradient; the value is the weighted sum
        value = sum(self.weights[name] * loss.detach() for name, loss in terms.items())
        terms["commitment"] = quantized.commitment
        losses["codec"] = through - through.detach() + value + self.config.commitment * quantized.commitment
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
        for start in range(0, config.valid_crops, self.VALID_BATCH):
            yield self._valid_batch(start, min(start + self.VALID_BATCH, config.valid_crops))

    def _valid_batch(self, first: int, last: int) -> Batch:
        if self.valid_crops is None:  # kept: reading the tables takes long where they are
            config = self.config
            self.valid_crops = self._crops([config.valid_dir], exp_dir=self.exp_dir, max_rejected=config.max_rejected)
        return self.valid_crops.collate([self.valid_crops(Key(0, index)) for index in range(first, last)])

    def sounds(self) -> Sounds | None:
        """The first validation crops, and what the codec makes of them with all levels."""
        count = min(self.config.samples, self.config.valid_crops)
        if not count:
            return None
        wav = self._valid_batch(0, count)["wav"].to(next(self.parameters()).device)
        draws = Draws(
            torch.arange(count, device=wav.device),
            torch.full((count,), self.codec.n_q, device=wav.device),
            torch.ones(count, dtype=torch.bool, device=wav.device),
        )
        made, _ = self.codec(wav, draws)
        return Sounds(self.config.sample_rate, wav[:, 0], made[:, 0])

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

    def export_parts(self) -> dict[str, dict[str, Tensor]]:
        """``distillation.safetensors``: the projection to the teacher, where there is one."""
        return {} if self.teacher is None else {DISTILLATION: self.to_teacher.state_dict(prefix="to_teacher.")}

    def read_init(self, name: str) -> Mapping[str, Tensor]:
        """The codec, and the projection to the teacher where both have one: a new one would pull level 1 elsewhere."""
        state, path = load_model(name), Path(name) / DISTILLATION
        return {**state, **read_tensors(path)} if self.teacher is not None and path.is_file() else state

    def load_init(self, state: Mapping[str, Tensor]) -> None:
        """Start from another experiment's codec; discriminators start anew, and the projection to another teacher."""
        state = dict(state)
        projection = {name: state.pop(name) for name in list(state) if name.startswith("to_teacher.")}
        check_same_tensors(self.export_state(), state)
        load_folded_state(self.codec, state)
        own = self.to_teacher.state_dict(prefix="to_teacher.") if projection else {}
        if projection and all(own[name].shape == projection[name].shape for name in own):
            with torch.no_grad():
                for name, tensor in own.items():
                    tensor.copy_(projection[name])

    def _distillation(self, quantized: Quantized, wav: Tensor) -> Tensor:
        student = self.to_teacher(quantized.semantic).transpose(1, 2)  # [B, F, teacher's channels]
        return distillation_loss(student, self.teacher(wav), self.config.teacher.loss)
