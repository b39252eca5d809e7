"""One codec of Mimi's shape, kept in a process of its own and timed on request.

A worker of ``benchmarks/codec.py``, which starts one for every codec that it compares. Reads one JSON request a line
and answers one JSON line: ``{"work": "encode", "seconds": 10, "repeats": 1}`` -> ``{"took": [0.95]}``, seconds of each
repeat; with one thread of processor time, which suffers little from what else the machine does. Works: ``encode`` and
``decode`` of a whole recording of ``seconds``; ``stream_encode`` and ``stream_decode`` of 80 ms frames, one after
another, each timed by itself. Imports no more than its codec's library, so that it runs in environments that audiolm
does not install into.
"""

import argparse
import json
import sys
import time

SAMPLE_RATE, FRAME, N_Q, ENTRIES = 24000, 1920, 8, 2048


class Moshi:
    """The `moshi` package."""

    def __init__(self, args):
        import torch
        from moshi.models import loaders

        self.torch = torch
        torch.set_num_threads(args.threads)
        torch.set_grad_enabled(False)
        self.model = loaders.get_mimi(args.weights, num_codebooks=N_Q)

    def inputs(self, frames: int):
        torch = self.torch
        return 0.1 * torch.randn(1, 1, frames * FRAME), torch.randint(ENTRIES, (1, N_Q, frames))

    def encode(self, wav):
        return self.model.encode(wav)

    def decode(self, codes):
        return self.model.decode(codes)

    def steps(self, work: str, frames: int):
        """A call that does the next frame, for each frame."""
        wav, codes = self.inputs(frames)
        with self.model.streaming(1):
            for t in range(frames):
                if work == "encode":
                    yield lambda x=wav[..., t * FRAME : (t + 1) * FRAME]: self.model.encode(x)
                else:
                    yield lambda c=codes[..., t : t + 1]: self.model.decode(c)


class Transformers(Moshi):
    """`MimiModel` of the transformers library; it does not stream decoding."""

    def __init__(self, args):
        import torch
        from transformers import MimiConfig, MimiModel

        self.torch = torch
        torch.set_num_threads(args.threads)
        torch.set_grad_enabled(False)
        torch.manual_seed(0)
        self.model = MimiModel(MimiConfig()).eval()

    def encode(self, wav):
        return self.model.encode(wav, num_quantizers=N_Q).audio_codes

    def decode(self, codes):
        return self.model.decode(codes).audio_values

    steps = None


class Rustymimi(Moshi):
    """The `rustymimi` package; its threads are set by RAYON_NUM_THREADS."""

    def __init__(self, args):
        import numpy
        import rustymimi

        self.numpy = numpy
        self.model = rustymimi.Tokenizer(args.weights, num_codebooks=N_Q)

    def inputs(self, frames: int):
        random = self.numpy.random.default_rng(0)
        wav = 0.1 * random.standard_normal((1, 1, frames * FRAME)).astype("float32")
        return wav, random.integers(ENTRIES, size=(1, N_Q, frames)).astype("uint32")

    def steps(self, work: str, frames: int):
        wav, codes = self.inputs(frames)
        self.model.reset()
        if work == "encode":
            chunks, run = self.numpy.split(wav, frames, axis=2), self.model.encode_step
        else:
            chunks, run = self.numpy.split(codes, frames, axis=2), self.model.decode_step
        for chunk in map(self.numpy.ascontiguousarray, chunks):
            yield lambda chunk=chunk: run(chunk)


class Audiolm(Moshi):
    """Ours, of the config's shape, with random weights."""

    def __init__(self, args):
        import torch

        from audiolm.codec.system import CodecSystem
        from audiolm.nn.conv import fold_weight_norm
        from audiolm.train.options import read_config

        self.torch = torch
        torch.set_num_threads(args.threads)
        torch.manual_seed(0)
        run = read_config([args.config], [("train_dir", "-"), ("valid_dir", "-")])
        run.config.teacher = None
        self.model = CodecSystem(run.config).codec.eval().requires_grad_(False)
        fold_weight_norm(self.model)
        for codebook in self.model.quantizer.codebooks():
            codebook.embed_sum.normal_()
        self.model.prepare(args.precision)

    def steps(self, work: str, frames: int):
        wav, codes = self.inputs(frames)
        stream = self.model.streaming(1)
        for t in range(frames):
            if work == "encode":
                yield lambda x=wav[..., t * FRAME : (t + 1) * FRAME]: stream.encode(x)
            else:
                yield lambda c=codes[..., t : t + 1]: stream.decode(c)


CODECS = {"moshi": Moshi, "transformers": Transformers, "rustymimi": Rustymimi, "audiolm": Audiolm}


def answer(codec, request: dict, clock) -> dict:
    """Do one request and time it by ``clock``."""
    work, frames = request["work"], round(request["seconds"] * SAMPLE_RATE / FRAME)
    if work.startswith("stream_"):
        if codec.steps is None:
            return {"took": None}
        calls = codec.steps(work.removeprefix("stream_"), frames)
    else:
        wav, codes = codec.inputs(frames)
        calls = [(lambda: codec.encode(wav)) if work == "encode" else (lambda: codec.decode(codes))] * request[
            "repeats"
        ]
    took = []
    for call in calls:
        begin = clock()
        call()
        took.append(clock() - begin)
    return {"took": took}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codec", choices=CODECS)
    parser.add_argument("--weights", help="safetensors of moshi's layout")
    parser.add_argument("--config", help="of our codec's training")
    parser.add_argument("--precision", default="fp32", help="of our codec")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    codec = CODECS[args.codec](args)
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    print(json.dumps({"ready": args.codec}), file=answers, flush=True)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    for line in sys.stdin:
        print(json.dumps(answer(codec, json.loads(line), clock)), file=answers, flush=True)


if __name__ == "__main__":
    main()
