"""How fast a recipe's trainings step with the optimizer that they name, beside the same with others.

    python benchmarks/trainings.py egs/mini/dialogue1/work/demo                 # a finished run of a recipe
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/trainings.py …   # as an ordinary processor

Every training of DIR/exp (recogniser, codec, dialogue LM) takes a few steps of the real loop on its own data, with
Muon as it chooses its number format, Muon in bf16 and in fp32, and AdamW instead; by turns, each in a process of its
own. Told are steps a second of processor time with one thread (other work on the machine hardly matters), medians of
the steps, and the ratios to Muon in bf16 and to AdamW. Prints one JSON line a measurement.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from measuring import tell

TRAININGS = ("recognizer", "codec", "lm_joint")
WARM_UP = 2  # steps that do not count


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("dir", type=Path, help="work directory of a recipe's finished run")
    options.add_argument("--trainings", nargs="*", default=list(TRAININGS), help="folders of DIR/exp")
    options.add_argument("--steps", type=int, default=6)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--variant", help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.variant:
        print(json.dumps(seconds_a_step(args.dir, args.trainings[0], args.variant, args.steps)))
        return
    for training in args.trainings:
        took: dict[str, list[float]] = {}
        for _ in range(args.rounds):
            for variant in ("as chosen", "bf16", "fp32", "adamw"):
                command = [sys.executable, __file__, str(args.dir), "--trainings", training, "--variant", variant]
                environment = {**os.environ, "OMP_NUM_THREADS": "1"}
                done = subprocess.run([*command, "--steps", str(args.steps)], env=environment, capture_output=True,
                                      text=True, check=False)  # fmt: skip
                if done.returncode:
                    raise SystemExit(done.stderr)
                took.setdefault(variant, []).append(median(json.loads(done.stdout.splitlines()[-1])))
        rates = {name: 1 / min(seconds) for name, seconds in took.items()}
        capability = torch.backends.cpu.get_cpu_capability()
        tell(training=training, capability=capability, **{f"{name}, steps/s": rate for name, rate in rates.items()},
             against_bf16=rates["as chosen"] / rates["bf16"], against_fp32=rates["as chosen"] / rates["fp32"],
             against_adamw=rates["as chosen"] / rates["adamw"])  # fmt: skip


def seconds_a_step(directory: Path, training: str, variant: str, steps: int) -> list[float]:
    """Processor time of each step after the first few, of the training that DIR/exp/TRAINING/config.yaml tells."""
    from audiolm.train import muon
    from audiolm.train.loop import Trainer, make_fabric
    from audiolm.train.options import read_config

    config = directory.resolve() / "exp" / training / "config.yaml"
    os.chdir(directory.resolve().parents[1])  # a recipe's configs name its files from its own folder
    kinds = {"bf16": torch.bfloat16, "fp32": torch.float32}
    if variant in kinds:
        muon.product_type = lambda device: kinds[variant]
    changes = {"trainer.max_steps": WARM_UP + steps, "trainer.valid_every": 0, "trainer.save_every": 0}
    run = read_config([str(config)], [(key, str(value)) for key, value in changes.items()])
    if variant == "adamw":
        for optimizer in run.optimizers.values():
            optimizer.kind = "adamw"
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(run, Path(folder), make_fabric(run.trainer))
        ends: list[float] = []
        after_step = trainer._after_step
        trainer._after_step = lambda: (ends.append(time.process_time()), after_step())
        trainer.fit()
    return [later - earlier for earlier, later in zip(ends[WARM_UP - 1 :], ends[WARM_UP:], strict=False)]


if __name__ == "__main__":
    main()
