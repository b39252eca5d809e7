"""Codecs of Mimi's shape side by side: each in a process of its own, taking turns, so that a busy machine hits all."""

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from peers.racer import Racer

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
ROW, FRAMES = 10.0, 2.0  # seconds of a whole recording, and of live frames in a turn
WARM_UP = 3  # frames of a turn that do not count
WORKS = ("encode", "decode", "stream_encode", "stream_decode")


def turn(racer: Racer, work: str) -> float | None:
    """Seconds for a second of audio (recordings) or for a frame (live); None: the codec does not do it."""
    live = work.startswith("stream_")
    took = racer.ask(work=work, seconds=FRAMES if live else ROW, repeats=1)["took"]
    if took is None:
        return None
    return median(took[WARM_UP:]) if live else took[0] / ROW


def race(config: Path, peers: Path, threads: int, rounds: int) -> Iterator[dict]:
    """A line for each codec and work: medians over the rounds, and ours against the best peer of the same round.

    Args:
        config: of our codec's training, of Mimi's shape.
        peers: the python of ``moshi_env.sh``.
        threads: of every codec.
        rounds: turns of each codec at each work.
    """
    weights = ("--weights", str(peers.parent.parent / "mimi.safetensors"))
    racers = {
        f"audiolm {p}": (sys.executable, "audiolm", "--config", str(config), "--precision", p) for p in PRECISIONS
    }
    racers["moshi"] = (str(peers), "moshi", *weights)
    racers["rustymimi"] = (str(peers), "rustymimi", *weights)
    racers["transformers"] = (sys.executable, "transformers")
    running = {
        who: Racer(python, "codec_worker.py", threads, name, *options)
        for who, (python, name, *options) in racers.items()
    }
    took: dict[str, dict[str, list[float]]] = {}
    for work in WORKS:
        turns: dict[str, list[float | None]] = {who: [] for who in running}
        for _ in range(rounds + 1):  # the first is a warm-up
            for who, racer in running.items():
                turns[who].append(turn(racer, work))
        took[work] = {who: values[1:] for who, values in turns.items() if values[0] is not None}
    for racer in running.values():
        racer.close()
    sides = {who: zip(turns, took["stream_decode"][who], strict=True) for who, turns in took["stream_encode"].items()}
    took["stream"] = {who: [sum(turn) for turn in turns] for who, turns in sides.items()}
    for work, values in took.items():
        theirs = {who: median(v) for who, v in values.items() if not who.startswith("audiolm")}
        best = min(theirs, key=theirs.get)
        for who, turns in values.items():
            line = {
                "what": work,
                "codec": who,
                "ms": 1e3 * median(turns),
                "least_ms": 1e3 * min(turns),
            }
            if who not in theirs:
                ratios = [mine / other for mine, other in zip(turns, values[best], strict=True)]
                line |= {"best_peer": best, "ratio": median(ratios), "ratio_of_least": min(turns) / min(values[best])}
            yield line
