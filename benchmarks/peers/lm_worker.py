"""One dialogue LM, kept in a process of its own and timed on request.

A worker of ``benchmarks/lm.py``. Reads one JSON request a line and answers one JSON line:

    {"work": "step", "count": 12, "position": 0}  -> {"took": [0.12, …]}   seconds of a live frame, sampled, B = 1
    {"work": "train", "count": 1, "frames": 125, "precision": "fp32"}  -> {"took": [3.1]}   seconds of an update
    {"work": "memory", "frames": 125, "precision": "fp32"}  -> {"mib": 410.0}   kept from forward to backward pass

On a CPU with one thread seconds are of processor time, which suffers little from what else the machine does. Imports no
more than its model's library, so that it runs in environments that audiolm does not install into.
"""

import argparse
import json
import sys
import time

DELAYS = [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]
STREAMS, LEVELS = 17, 8  # text and two speakers; the main speaker's codes are predicted
CONTEXT = 3000
# moshi's arguments; its gated width is two thirds of hidden_scale * dim
SHAPES = {
    "smoke": dict(dim=32, layers=2, heads=2, depth_dim=16, depth_layers=1, depth_heads=2, text=40, codes=12),
    "small": dict(dim=256, layers=6, heads=4, depth_dim=128, depth_layers=2, depth_heads=4, text=2000, codes=256),
    "392m": dict(dim=1024, layers=12, heads=16, depth_dim=512, depth_layers=4, depth_heads=8, text=32000, codes=2048),
    "1b": dict(dim=2048, layers=16, heads=16, depth_dim=1024, depth_layers=6, depth_heads=16, text=32000, codes=2048),
    "7b": dict(dim=4096, layers=32, heads=32, depth_dim=1024, depth_layers=6, depth_heads=16, text=32000, codes=2048),
}
HIDDEN_SCALE = 4.125


class LM:
    """What both have in common: timing."""

    def __init__(self, args):
        import torch

        self.torch, self.device = torch, torch.device(args.device)
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        self.shape = SHAPES[args.shape]
        on_cpu, one = self.device.type == "cpu", args.threads == 1
        self.clock = time.process_time if on_cpu and one else time.perf_counter

    def timed(self, calls) -> list[float]:
        took = []
        for call in calls:
            self._wait()
            begin = self.clock()
            call()
            self._wait()
            took.append(self.clock() - begin)
        return took

    def _wait(self) -> None:
        if self.device.type == "cuda":
            self.torch.cuda.synchronize(self.device)

    def step(self, count: int, position: int = 0) -> dict:
        return {"took": self.timed(self.steps(count, position))}

    def train(self, count: int, frames: int, precision: str) -> dict:
        tokens = self.tokens(frames)
        return {"took": self.timed([lambda: self.update(tokens, precision)] * count)}

    def memory(self, frames: int, precision: str) -> dict:
        """MiB of the tensors that the backward pass needs, parameters left out."""
        kept: dict[int, int] = {}
        own = {p.untyped_storage().data_ptr() for p in self.model.parameters()}

        def keep(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with self.torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = self.loss(self.tokens(frames), precision)
        mib = sum(kept.values()) / 2**20
        loss.detach()
        return {"mib": mib}

    def tokens(self, frames: int):
        """[1, streams, frames], not delayed."""
        torch, shape = self.torch, self.shape
        sizes = torch.tensor([shape["text"]] + [shape["codes"]] * (STREAMS - 1), device=self.device)
        return (torch.rand(1, STREAMS, frames, device=self.device) * sizes[:, None]).long()

    def autocast(self, precision: str):
        return self.torch.autocast(self.device.type, self.torch.bfloat16, enabled=precision == "bf16")


class Moshi(LM):
    """The `moshi` package; trained as moshi-finetune trains it (full fine-tuning), which is not installed for that."""

    def __init__(self, args):
        super().__init__(args)
        from moshi.models.lm import LMGen, LMModel

        torch, s = self.torch, self.shape
        dtype = torch.bfloat16 if args.work == "step" and args.precision == "bf16" else torch.float32
        self.model = LMModel(
            delays=DELAYS, n_q=STREAMS - 1, dep_q=LEVELS, card=s["codes"], text_card=s["text"], dim=s["dim"],
            num_heads=s["heads"], num_layers=s["layers"], hidden_scale=HIDDEN_SCALE, norm="rms_norm_f32",
            causal=True, context=CONTEXT, max_period=10000, gating="silu", positional_embedding="rope",
            depformer_dim=s["depth_dim"], depformer_dim_feedforward=int(HIDDEN_SCALE * s["depth_dim"]),
            depformer_num_heads=s["depth_heads"], depformer_num_layers=s["depth_layers"], depformer_multi_linear=True,
            depformer_context=LEVELS, depformer_max_period=10000, depformer_gating="silu", depformer_pos_emb="none",
            depformer_weights_per_step=True, device=self.device, dtype=dtype,
        )  # fmt: skip
        self.parameters = sum(p.numel() for p in self.model.parameters())
        if args.work == "step":
            self.generator = LMGen(self.model.eval())
            self.generator.streaming_forever(1)
        else:
            self.optimizer = torch.optim.AdamW(
                self.model.train().parameters(), lr=1e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1
            )

    def steps(self, count: int, position: int):
        del position  # its attention always goes over the whole ring
        codes = self.tokens(count)[:, 1 + LEVELS :]
        for t in range(count):
            yield lambda t=t: self.generator.step(codes[:, :, t : t + 1])

    def loss(self, tokens, precision: str):
        with self.autocast(precision):
            output = self.model(tokens)
        codes = tokens[:, 1 : 1 + LEVELS]
        text = self._cross_entropy(output.text_logits, tokens[:, :1], output.text_mask.float())
        weights = output.mask.float()
        weights[:, 0] *= 100
        return text + self._cross_entropy(output.logits, codes, weights)

    def _cross_entropy(self, logits, targets, weights):
        losses = self.torch.nn.functional.cross_entropy(
            logits.flatten(0, -2).float(), self.torch.where(weights > 0, targets, 0).flatten(), reduction="none"
        )
        weights = weights.flatten()
        return self.torch.where(weights > 0, losses * weights, 0).sum() / weights.sum()

    def update(self, tokens, precision: str) -> None:
        self.optimizer.zero_grad()
        self.loss(tokens, precision).backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()


class Audiolm(LM):
    """Ours; ``--precision plain`` steps without packed weights."""

    def __init__(self, args):
        super().__init__(args)
        from audiolm.lm.sampling import Sampling
        from audiolm.models.moshi.data import DataConfig, MixConfig
        from audiolm.models.moshi.generate import MoshiStream, SampledText
        from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
        from audiolm.train.devices import keep_freed_memory
        from audiolm.train.optim import make_optimizers

        config = MoshiConfig(model=model_config(args.shape), data=DataConfig(mix={"dialogue": MixConfig()}))
        self.layout = config.model.layout
        with self.device:
            self.system = MoshiSystem(config)
        self.model = self.system.model
        self.parameters = count_parameters(self.model)
        if args.work == "step":
            self.model = self.model.eval() if args.precision == "plain" else self.model.prepare(args.precision)
            self.system = None
            sampling, text = Sampling(0.8, 250), Sampling(0.7, 25)  # moshi's defaults
            words, graphs = SampledText(text, 1, self.device), self.device.type == "cuda"
            self.stream = MoshiStream(self.model, 1, "dialogue", sampling, words, graphs=graphs)
        else:
            if self.device.type == "cpu":
                keep_freed_memory()  # as the training loop does
            self.optimizers = make_optimizers(self.system.train(), MoshiSystem.optimizers, 1000)

    def steps(self, count: int, position: int):
        forced = self.torch.full((1, STREAMS, count), -2, device=self.device)  # generated, but for the user's codes
        forced[:, 1 + LEVELS :] = self.tokens(count)[:, 1 + LEVELS :]
        self.stream.cache.position.fill_(position)
        for t in range(count):
            yield lambda t=t: self.stream.step(forced[:, :, t])

    def loss(self, tokens, precision: str):
        import numpy as np

        from audiolm.models.moshi.data import delayed_input

        delayed = delayed_input(self.layout, tokens[0].cpu().numpy(), DELAYS)[:, : 1 + tokens.shape[2]]
        ones = self.torch.ones(1, tokens.shape[2], dtype=self.torch.bool, device=self.device)
        batch = {
            "tokens": self.torch.from_numpy(np.ascontiguousarray(delayed))[None].to(self.device),
            "task": ones.new_zeros(1, dtype=self.torch.int64),
            "text_weight": ones.new_ones(1, dtype=self.torch.float32),
            "hidden": ~ones[:, None].expand(-1, self.layout.speakers, -1),
            "depth_frames": ones,
        }
        with self.autocast(precision):
            losses, _ = self.system.losses(batch, 0)
        return losses["main"]

    def update(self, tokens, precision: str) -> None:
        self.loss(tokens, precision).backward()
        for optimizer in self.optimizers.values():
            optimizer.step(0)
        self.system.zero_grad(set_to_none=True)


def model_config(shape: str):
    """The :class:`audiolm.models.moshi.model.ModelConfig` of moshi's arguments."""
    from audiolm.lm.depth import DepthConfig
    from audiolm.models.moshi.model import ModelConfig
    from audiolm.nn.transformer import TransformerConfig

    s = SHAPES[shape]
    width, depth_width = (int(HIDDEN_SCALE * dim) * 2 // 3 for dim in (s["dim"], s["depth_dim"]))
    return ModelConfig(
        text_vocab=s["text"], levels=LEVELS, codebook_size=s["codes"], speakers=2, predict="main",
        temporal=TransformerConfig(
            dim=s["dim"], layers=s["layers"], heads=s["heads"], ffn_dim=width, context=CONTEXT
        ),
        depth=DepthConfig(
            dim=s["depth_dim"], layers=s["depth_layers"], heads=s["depth_heads"], ffn_dim=depth_width
        ),
    )  # fmt: skip


def count_parameters(model) -> int:
    """Parameters of a ``MoshiModel`` but for each table's last row: it stands for -1, is zero, and moshi has none."""
    from audiolm.lm.embedding import StreamEmbedding

    absent = sum(part.weight.shape[1] for part in model.modules() if isinstance(part, StreamEmbedding))
    return sum(p.numel() for p in model.parameters()) - absent


MODELS = {"moshi": Moshi, "audiolm": Audiolm}


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", choices=MODELS)
    options.add_argument("--shape", choices=SHAPES, default="392m")
    options.add_argument("--work", choices=("step", "train"), default="step", help="what it is built for")
    options.add_argument("--precision", default="fp32", help="of steps")
    options.add_argument("--device", default="cpu")
    options.add_argument("--threads", type=int, default=2)
    return options


def main() -> None:
    args = parser().parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    lm = MODELS[args.model](args)
    print(json.dumps({"ready": args.model, "parameters": lm.parameters}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(lm, request.pop("work"))(**request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
