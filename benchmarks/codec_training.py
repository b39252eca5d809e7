"""Training of a codec beside espnet's: SoundStream of the same architecture, whole steps of both sides, in one run.

    python benchmarks/codec_training.py [--device cuda]

espnet's SoundStream with its defaults (SEANet of 32 channels with LSTMs, 8 levels of 1024; wave and complex STFT
discriminators), without its second decoder pass, which we have not; ours with the same parts and losses. Parameters of
both are told: espnet's codebooks are among them. A step is one update of the generator and one of the discriminators
from the same crops. Steps of both run by turns; told are the median and the ratio to espnet's, as JSON lines.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from measuring import tell

from audiolm.codec.discriminators import DiscriminatorConfig
from audiolm.codec.discriminators.spectral import ComplexStftConfig
from audiolm.codec.discriminators.waveform import WaveConfig
from audiolm.codec.losses import MelLossConfig
from audiolm.codec.model import DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.codec.system import BalanceConfig, CodecSystem, CodecSystemConfig
from audiolm.train.optim import make_optimizers

SAMPLE_RATE = 24000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--crops", type=int, default=2, help="of a step")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a crop")
    parser.add_argument("--repeats", type=int, default=5, help="steps that are timed, after two more")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    wav = 0.1 * torch.randn(args.crops, round(args.seconds * SAMPLE_RATE), device=device)
    steps = {"espnet, fp32": espnet_step(wav)}
    for precision in ("fp32", "bf16"):
        steps[f"audiolm, {precision}"] = our_step(wav, args.seconds, precision == "bf16")
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(args.repeats + 2):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken[name].append(time.perf_counter() - begin)
    audio = args.crops * args.seconds
    peer = statistics.median(taken["espnet, fp32"][2:])
    for name, seconds in taken.items():
        median = statistics.median(seconds[2:])
        tell(what=name, step_s=median, audio_s_per_s=audio / median, times_espnet=peer / median)


def espnet_step(wav: torch.Tensor) -> Callable[[], None]:
    """Its trainer's order: the discriminators' turn after the generator's, each from the waveform."""
    from espnet2.gan_codec.soundstream.soundstream import SoundStream

    model = SoundStream(use_dual_decoder=False).to(wav.device).train()
    sides = (model.generator, model.discriminator)
    optimizers = [torch.optim.AdamW(side.parameters(), lr=1e-4) for side in sides]
    tell(what="espnet", generator_m=millions(sides[0]), discriminators_m=millions(sides[1]))

    def step() -> None:
        for turn, optimizer in zip((True, False), optimizers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            model(wav, forward_generator=turn)["loss"].backward()
            optimizer.step()

    return step


def our_step(wav: torch.Tensor, seconds: float, bf16: bool) -> Callable[[], None]:
    """The common loop's: losses of both sides from one forward pass."""
    system = CodecSystem(config(seconds)).to(wav.device).train()
    optimizers = make_optimizers(system, CodecSystem.optimizers, 1000)
    if not bf16:
        tell(what="audiolm", generator_m=millions(system.codec), discriminators_m=millions(system.discriminator))
    count = len(wav)
    batch = {
        "wav": wav[:, None],
        "index": torch.arange(count, device=wav.device),
        "levels": torch.full((count,), 8, device=wav.device),
        "quantized": torch.ones(count, dtype=torch.bool, device=wav.device),
    }

    def step() -> None:
        with torch.autocast(wav.device.type, torch.bfloat16, enabled=bf16):
            losses, _ = system.losses(batch, 0)
        sum(losses.values()).backward()
        for optimizer in optimizers.values():
            optimizer.step(0)
        system.zero_grad(set_to_none=True)

    return step


def config(seconds: float) -> CodecSystemConfig:
    """espnet's defaults in our terms."""
    seanet = SeanetConfig(
        channels=32,
        ratios=[8, 5, 4, 2],
        last_kernel_size=7,
        residual_kernel_size=7,
        shortcut="conv",
        lstm=2,
        causal=False,
        pad_mode="reflect",
    )
    strides = [[2, 1], [2, 2], [2, 1], [2, 2], [2, 1], [2, 2]]  # espnet's axes are the paper's swapped
    windows = [64, 128, 256, 512, 1024, 2048]
    return CodecSystemConfig(
        train_dir="-",
        valid_dir="-",
        sample_rate=SAMPLE_RATE,
        frame_rate=75.0,
        dim=128,
        encoder=EncoderConfig(seanet=seanet),
        encoder_transformer=None,
        quantizer=QuantizerConfig(codebook_size=1024, codebook_dim=None, split=False, dropout=0.0, unquantized=0.0),
        decoder_transformer=None,
        decoder=DecoderConfig(seanet=seanet),
        crop=seconds,
        mel=MelLossConfig(windows=windows, bands=[80] * len(windows)),
        balancer=False,
        balance=BalanceConfig(mel=45.0, time=1.0, adversarial=1.0, features=2.0),
        adversarial="least_squares",
        discriminator=DiscriminatorConfig(complex_stft=ComplexStftConfig(strides=strides), wave=WaveConfig()),
    )


def millions(module: torch.nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


if __name__ == "__main__":
    main()
