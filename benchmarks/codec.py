"""How fast a codec trains, encodes and decodes on this machine, with random weights: seconds of audio a second, memory.

    python benchmarks/codec.py --config egs/fisher/dialogue1/conf/paper/codec.yaml --device cuda
    python benchmarks/codec.py --config egs/mini/dialogue1/conf/codec.yaml --batches 1 16
    python benchmarks/codec.py --config egs/fisher/dialogue1/conf/paper/codec.yaml --train_batches --batches \
        --peers PEERS/bin/python     # an environment of benchmarks/peers/moshi_env.sh PEERS

Training is a step of losses, backward pass and optimizers on noise already in memory, discriminators included and
without a teacher; its floating-point operations are counted by torch, and the share of the machine's rate in a bf16 (on
CPUs fp32) matrix product of 8192 (2048) is told beside them. With ``--peers`` (on CPUs, a config of Mimi's shape), the
codec in each precision takes turns with moshi's, rustymimi's and transformers': ms for a second of a recording of 10 s,
and for a live frame of 80 ms; with one thread, of processor time. Prints one JSON line a measurement.
"""

import argparse
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from measuring import matrix_rate, tell, timed
from peers.codec_race import race
from torch.utils.flop_counter import FlopCounterMode

from audiolm.codec.system import CodecSystem
from audiolm.nn.conv import fold_weight_norm
from audiolm.train.optim import make_optimizers
from audiolm.train.options import read_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="of a codec's training")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=10.0, help="of audio in a batch's row, encoded and decoded")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 16, 128], help="rows encoded at once")
    parser.add_argument("--train_batches", type=int, nargs="*", default=[1, 4, 16], help="crops of a training step")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="python of the environment that holds moshi and rustymimi")
    parser.add_argument("--threads", type=int, default=2, help="of each codec, beside peers")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each codec, beside peers")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    limit = matrix_rate(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    tell(machine=name, torch=torch.__version__, matrix_tflops=limit / 1e12)
    run = read_config([args.config], [("train_dir", "-"), ("valid_dir", "-")])
    run.config.teacher = None
    for batch in args.train_batches:
        attempt(train, run, batch, device, args.repeats, limit)
    for batch in args.batches:
        attempt(code, run, batch, args.seconds, device, args.repeats)
        attempt(live, run, batch, device, args.repeats)
    if args.peers:
        for line in race(args.config, args.peers, args.threads, args.rounds):
            tell(threads=args.threads, **line)


def train(run, batch: int, device: torch.device, repeats: int, limit: float) -> None:
    """A training step with every loss on."""
    config = run.config
    system = CodecSystem(config).to(device).train()
    optimizers = make_optimizers(system, run.optimizers, run.trainer.max_steps)
    start = max(config.discriminator_start, config.adversarial_start)
    draws = {
        "index": torch.arange(batch, device=device),
        "levels": torch.full((batch,), config.quantizer.n_q, device=device),
        "quantized": torch.arange(batch, device=device) % 2 == 0,
    }
    wav = 0.1 * torch.randn(batch, 1, config.crop_samples, device=device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            losses, _ = system.losses({"wav": wav, **draws}, start)
        sum(losses.values()).backward()
        for optimizer in optimizers.values():
            optimizer.step(start)
        system.zero_grad(set_to_none=True)

    counter = FlopCounterMode(display=False)
    counter.mod_tracker = Untracked()
    with counter:
        step()
    seconds, memory = timed(step, device, repeats)
    flops = counter.get_total_flops()
    audio = batch * config.crop_samples / config.sample_rate
    tell(
        what="train",
        batch=batch,
        crop_s=config.crop_samples / config.sample_rate,
        parameters=sum(p.numel() for p in system.parameters()),
        step_ms=1e3 * seconds,
        audio_s_per_s=audio / seconds,
        gflop_per_audio_s=flops / audio / 1e9,
        share_of_matrix_rate=flops / seconds / limit,
        memory_gib=memory,
    )


@torch.inference_mode()
def code(run, batch: int, seconds: float, device: torch.device, repeats: int) -> None:
    """Encoding and decoding, in fp32 and bf16: on CPUs prepared for it, on GPUs under autocast."""
    codec = CodecSystem(run.config).codec
    fold_weight_norm(codec)
    codec = codec.eval().to(device)
    samples = round(seconds * codec.frame_rate) * codec.frame_size
    wav = 0.1 * torch.randn(batch, 1, samples, device=device)
    for precision in ("fp32", "bf16"):
        autocast = precision == "bf16" and device.type == "cuda"
        if device.type == "cpu":
            codec.prepare(precision)
        with torch.autocast(device.type, torch.bfloat16) if autocast else nullcontext():
            codes = codec.encode(wav)
            for what, run_it in (("encode", lambda: codec.encode(wav)), ("decode", lambda c=codes: codec.decode(c))):
                took, memory = timed(run_it, device, repeats)
                audio = batch * samples / codec.sample_rate
                tell(what=what, batch=batch, row_s=samples / codec.sample_rate, precision=precision,
                     audio_s_per_s=audio / took, real_time_factor=took / audio, memory_gib=memory)  # fmt: skip


@torch.inference_mode()
def live(run, batch: int, device: torch.device, repeats: int) -> None:
    """Frame after frame of ``batch`` slots: encoding, decoding; on GPUs also as CUDA graphs."""
    codec = CodecSystem(run.config).codec.eval().to(device)
    if not codec.causal:
        return
    wav = 0.1 * torch.randn(batch, 1, codec.frame_size, device=device)
    for precision in ("fp32", "bf16"):
        codec.prepare(precision)
        for graphs in (False, True) if device.type == "cuda" else (False,):
            stream = codec.streaming(batch, graphs=graphs)
            codes = stream.encode(wav)
            for what, step in (("encode", partial(stream.encode, wav)), ("decode", partial(stream.decode, codes))):
                took, memory = timed(step, device, 10 * repeats)
                tell(what=f"live {what}", batch=batch, precision=precision, graphs=graphs, frame_ms=1e3 * took,
                     real_time_factor=took * codec.frame_rate, memory_gib=memory)  # fmt: skip


class Untracked(nullcontext):
    """No sums by module: the hooks that make them do not go with the balancer's ``autograd.grad``."""

    parents = frozenset({"Global"})


def attempt(measure, *args) -> None:
    """Measure, or say that it does not fit."""
    try:
        measure(*args)
    except torch.OutOfMemoryError as error:
        tell(what=measure.__name__, batch=args[1], error=str(error).partition(".")[0])
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
