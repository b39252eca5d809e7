"""How fast a dialogue LM steps and trains, with random weights: ours beside moshi's at equal numbers of parameters.

    python benchmarks/lm.py --peers PEERS/bin/python        # an environment of benchmarks/peers/moshi_env.sh PEERS
    python benchmarks/lm.py --profile train --precision bf16
    python benchmarks/lm.py --agreement [--lm egs/mini/dialogue1/work/demo/exp/lm_dialogue]
    python benchmarks/lm.py --device cuda
    python benchmarks/lm.py --smoke

Every model in a process of its own, by turns. A step is one live frame of one conversation, text and codes sampled:
ours in every precision, at the beginning and with all of the context of 3000 frames written; moshi's attention goes
over all of it always. bf16 is left out where the processor only emulates it. Training is forward and backward pass,
clipping and AdamW on one sequence of 125 frames, of moshi as moshi-finetune does it, in fp32 and under bf16 autocast.
With one thread times are of processor time. Told are medians, and of ratios to moshi's fp32 in the same round: of
times for steps, of speeds for training; and what the backward pass keeps for each frame.

``--agreement`` tells how often the likeliest token of every stream is that of the plain fp32 model, given the same
frames. On a GPU: a step of 7B parameters in bf16, and training of 1B with the share of the matrix product's rate.
Prints one JSON line a measurement.
"""

import argparse
import sys
from pathlib import Path
from statistics import median

import torch
from measuring import matrix_rate, tell
from peers.lm_worker import CONTEXT, SHAPES, Audiolm, model_config, parser
from peers.racer import Racer
from torch.utils.flop_counter import FlopCounterMode

from audiolm.nn.processor import multiplies_bf16

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
WARM_UP = 3  # steps of a turn that do not count
REAL_TIME = 80.0  # ms of a frame


class Here:
    """A model of ours in this process, asked as a :class:`Racer` is."""

    def __init__(self, *options: str):
        self.lm = Audiolm(parser().parse_args(["audiolm", *options]))
        self.ready = {"parameters": self.lm.parameters}

    def ask(self, work: str, **request) -> dict:
        return getattr(self.lm, work)(**request)

    def close(self) -> None:
        del self.lm


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shapes", nargs="*", choices=SHAPES, default=["small", "392m"])
    options.add_argument("--peers", type=Path, help="python of the environment that holds moshi")
    options.add_argument("--threads", type=int, default=2, help="of each model")
    options.add_argument("--rounds", type=int, default=5, help="turns of each model")
    options.add_argument("--steps", type=int, default=12, help="frames of a turn")
    options.add_argument("--frames", type=int, default=125, help="of a training sequence")
    options.add_argument("--works", nargs="*", choices=("step", "train"), default=["step", "train"])
    options.add_argument("--profile", choices=("step", "train"), help="where its time goes, one thread, nothing else")
    options.add_argument("--precision", default="fp32", help="of what is profiled")
    options.add_argument("--agreement", action="store_true", help="tokens in each precision, nothing else")
    options.add_argument("--lm", type=Path, help="a trained model for --agreement (default: random, of the last shape)")
    options.add_argument("--device", default="cpu")
    options.add_argument("--smoke", action="store_true", help="that it runs: the smallest shape, in this process")
    args = options.parse_args()
    torch.manual_seed(0)
    if args.smoke:
        args.shapes, args.rounds, args.steps, args.frames = ["smoke"], 1, WARM_UP + 1, 8
    if args.profile:
        return profile(args)
    if args.agreement or args.smoke:
        agreement(args)
    if args.agreement:
        return None
    if torch.device(args.device).type == "cuda":
        return on_gpu(args)
    for shape in args.shapes:
        if "step" in args.works:
            race_steps(args, shape)
        if "train" in args.works:
            race_training(args, shape)
    return None


def start(args: argparse.Namespace, shape: str, work: str, precisions: tuple[str, ...]) -> dict:
    """The models by name, of equal numbers of parameters."""
    common = ("--shape", shape, "--work", work)
    racers: dict[str, Racer | Here] = {}
    if args.peers:
        racers["moshi"] = Racer(str(args.peers), "lm_worker.py", args.threads, "moshi", *common)
    for precision in precisions:
        ours = (*common, "--precision", precision)
        name = f"audiolm {precision}" if work == "step" else "audiolm"
        if args.smoke:
            racers[name] = Here(*ours, "--threads", str(args.threads))
        else:
            racers[name] = Racer(sys.executable, "lm_worker.py", args.threads, "audiolm", *ours)
    check_parameters({name: racer.ready["parameters"] for name, racer in racers.items()})
    return racers


def check_parameters(counts: dict[str, int]) -> None:
    """Tell the numbers of parameters, and end where they differ: speeds of unequal models say nothing."""
    tell(what="parameters", **counts)
    if len(set(counts.values())) > 1:
        raise SystemExit(f"models of different size: {counts}; give both the same shape (peers/lm_worker.py)")


def race_steps(args: argparse.Namespace, shape: str) -> None:
    multiplied = tuple(p for p in PRECISIONS if p != "bf16" or multiplies_bf16())
    racers = start(args, shape, "step", multiplied)
    places = {"first frames": 0, "full context": CONTEXT - args.steps}
    took: dict[tuple[str, str], list[float]] = {}
    for turn in range(args.rounds + 1):
        for who, racer in racers.items():
            for place, position in places.items() if who != "moshi" else [("any", 0)]:
                seconds = racer.ask(work="step", count=args.steps, position=position)["took"]
                if turn:  # the first is a warm-up
                    took.setdefault((who, place), []).append(median(seconds[WARM_UP:]))
    for racer in racers.values():
        racer.close()
    theirs = took.get(("moshi", "any"))
    for (who, place), seconds in took.items():
        line = {"shape": shape, "what": "step", "model": who, "at": place, "ms": 1e3 * median(seconds)}
        tell(threads=args.threads, **line, **ratios(seconds, theirs))


def race_training(args: argparse.Namespace, shape: str) -> None:
    racers = start(args, shape, "train", ("fp32",))
    took: dict[tuple[str, str], list[float]] = {}
    for turn in range(args.rounds + 1):
        for who, racer in racers.items():
            for precision in ("fp32", "bf16") if multiplies_bf16() else ("fp32",):
                seconds = racer.ask(work="train", count=1, frames=args.frames, precision=precision)["took"][0]
                if turn:
                    took.setdefault((who, precision), []).append(seconds)
    theirs = took.get(("moshi", "fp32"))
    for (who, precision), seconds in took.items():
        whole, half = (
            racers[who].ask(work="memory", frames=frames, precision=precision)["mib"]
            for frames in (args.frames, args.frames // 2)
        )
        line = {"shape": shape, "what": "train", "model": who, "precision": precision}
        rate = args.frames / median(seconds)
        kept = (whole - half) / (args.frames - args.frames // 2)
        tell(threads=args.threads, **line, frames_per_s=rate, kept_mib_a_frame=kept, **ratios(theirs or [], seconds))
    for racer in racers.values():
        racer.close()


def ratios(ours: list[float], theirs: list[float] | None) -> dict[str, float]:
    """The median of the rounds' ratios; nothing without a peer."""
    if not ours or not theirs:
        return {}
    return {"ratio": median(a / b for a, b in zip(ours, theirs, strict=True))}


@torch.no_grad()
def agreement(args: argparse.Namespace) -> None:
    """On frames that the plain model has drawn, or random ones for a random model.

    Told are the shares of the likeliest tokens that are the plain model's, and the worst logit's error in deviations of
    its stream's logits.
    """
    from audiolm.models.moshi.load import load_lm
    from audiolm.models.moshi.model import MoshiModel

    model = load_lm(args.lm)[0] if args.lm else MoshiModel(model_config(args.shapes[-1])).eval()
    vocab_sizes = torch.tensor(model.config.layout.vocab_sizes)
    frames = (torch.rand(4, len(vocab_sizes), args.frames) * vocab_sizes[:, None]).long()
    if args.lm:
        frames = drawn(model, frames)
    plain = stream_logits(model, frames)
    for precision in PRECISIONS:
        reduced = stream_logits(model.prepare(precision), frames)
        equal = [(a.argmax(-1) == b.argmax(-1)).float().mean().item() for a, b in zip(reduced, plain, strict=True)]
        error = max(((a - b).abs().max() / b.std()).item() for a, b in zip(reduced, plain, strict=True))
        codes = sum(equal[1:]) / len(equal[1:])
        count = plain[0].shape[0] * plain[0].shape[1]
        tell(what="agreement", precision=precision, frames=count, text=equal[0], codes=codes, worst_logit=error)


def drawn(model, frames: torch.Tensor) -> torch.Tensor:
    """Frames as the model draws them, of the task that comes first; streams that it does not predict stay random."""
    from audiolm.lm.sampling import Sampling
    from audiolm.models.moshi.generate import complete
    from audiolm.streams.grid import TO_GENERATE

    grid = frames.numpy().copy()
    grid[:, : 1 + model.config.predicted_levels] = TO_GENERATE
    task = sorted(model.config.tasks)[0]
    return torch.from_numpy(complete(model, grid, task, Sampling(0.8), Sampling(0.8)))


def stream_logits(model, frames: torch.Tensor) -> list[torch.Tensor]:
    """Logits [T - 1, B, V] of text and of each code, step by step with a cache, frames [B, S, T] given."""
    cache = model.backbone.transformer.make_cache(len(frames), frames=frames.shape[2])
    task = torch.zeros(len(frames), dtype=torch.int64)
    logits: list[list[torch.Tensor]] = []
    for t in range(frames.shape[2] - 1):
        held = torch.full((len(frames), 1, 3), -1)  # the word that is being said is not looked at here
        state = model(frames[:, :, t : t + 1], task, held, cache)[:, 0]
        depth = model.depth.start(state)
        codes = [model.depth.step(depth, k, frames[:, k, t + 1]) for k in range(model.config.predicted_levels)]
        logits.append([model.backbone.text_head(state), *codes])
    return [torch.stack(stream) for stream in zip(*logits, strict=True)]


def profile(args: argparse.Namespace) -> None:
    """torch.profiler's table of one update or of eight steps, with one thread."""
    options = ("--shape", args.shapes[-1], "--work", args.profile, "--precision", args.precision)
    model = Here(*options, "--threads", "1", "--device", args.device)
    request = {"work": "train", "count": 1, "frames": args.frames, "precision": args.precision}
    if args.profile == "step":
        request = {"work": "step", "count": 8}
    for _ in range(2):
        model.ask(**request)
    with torch.profiler.profile(record_shapes=True) as table:
        model.ask(**request)
    print(table.key_averages().table(sort_by=f"self_{args.device.partition(':')[0]}_time_total", row_limit=30))


def on_gpu(args: argparse.Namespace) -> None:
    """A step at the paper's size; training at 1B."""
    device = torch.device(args.device)
    limit = matrix_rate(device)
    tell(machine=torch.cuda.get_device_name(device), torch=torch.__version__, matrix_tflops=limit / 1e12)
    step = Here("--shape", "7b", "--work", "step", "--precision", "bf16", "--device", args.device)
    for place, position in (("first frames", 0), ("full context", CONTEXT - args.steps)):
        seconds = [median(step.ask("step", count=args.steps, position=position)["took"]) for _ in range(args.rounds)]
        tell(
            what="step", shape="7b", at=place, ms=1e3 * median(seconds), of_real_time=1e3 * median(seconds) / REAL_TIME
        )
    step.close()
    train = Here("--shape", "1b", "--work", "train", "--device", args.device)
    request = {"work": "train", "count": 1, "frames": args.frames, "precision": "bf16"}
    train.ask(**request)
    with FlopCounterMode(display=False) as counter:
        train.ask(**request)
    torch.cuda.reset_peak_memory_stats(device)
    seconds = median(train.ask(**request)["took"][0] for _ in range(args.rounds))
    tell(what="train", shape="1b", frames_per_s=args.frames / seconds,
         share_of_matrix_rate=counter.get_total_flops() / seconds / limit,
         memory_gib=torch.cuda.max_memory_allocated(device) / 2**30)  # fmt: skip


if __name__ == "__main__":
    main()
