"""Words a minute of the text-stream builder on one core, beside moshi-finetune's, and tokens a second of the loader.

    python benchmarks/text_streams.py [--moshi_finetune CHECKOUT] [--hours 50]

Made-up transcripts at three words a second in recordings of a minute, spelt by a SentencePiece model of 8000 pieces.
Both builders get the same words; their streams are compared, in moshi-finetune's layout, before they are timed.
"""

import argparse
import functools
import importlib.util
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np
import torch

from audiolm.data.tokens import Meta, TokenReader, TokenWriter
from audiolm.streams.text import build_text
from audiolm.text.tokenizer import BOS, EOS, EPAD, PAD, Tokenizer, train_tokenizer

RATE, SECONDS, WORDS_A_SECOND, REPEATS = 12.5, 60, 3, 5
FRAMES = int(RATE * SECONDS)


def transcripts(hours: float, rng: np.random.Generator):
    """Recordings' words and starts; words of two to ten letters, the frequent ones shorter."""
    letters = np.array(list("etaoinshrdlucmfwyp"))
    lexicon = ["".join(rng.choice(letters, 2 + min(8, n // 400 + int(rng.integers(3))))) for n in range(4000)]
    weights = 1 / np.arange(1, len(lexicon) + 1)
    count = SECONDS * WORDS_A_SECOND
    for _ in range(int(hours * 3600 / SECONDS)):
        words = [lexicon[i] for i in rng.choice(len(lexicon), count, p=weights / weights.sum())]
        yield words, np.sort(rng.uniform(0, SECONDS - 1, count))


def interleaver(checkout: Path, tokenizer: Tokenizer):
    """moshi-finetune's builder, whose import of moshi is for annotations only."""
    if importlib.util.find_spec("moshi") is None:
        stub = types.ModuleType("moshi.conditioners")
        stub.ConditionAttributes = object
        sys.modules.setdefault("moshi", types.ModuleType("moshi"))
        sys.modules.setdefault("moshi.conditioners", stub)
    spec = importlib.util.spec_from_file_location("interleaver", checkout / "finetune/data/interleaver.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Spelling:  # what it asks of SentencePiece
        bos_id, eos_id = staticmethod(lambda: BOS), staticmethod(lambda: EOS)

        def encode(self, text):
            return [tokenizer.encode_word(word) for word in text] if isinstance(text, list) else [0]

    return module.Interleaver(Spelling(), RATE, PAD, EPAD, -1, keep_and_shift=True, device="cpu")


def best(name: str, amount: float, unit: str, work) -> float:
    """Print and return the best rate of several runs of ``work``."""
    spent = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    print(f"{name:<62}{amount / min(spent):>14,.0f} {unit}   (worst {amount / max(spent):,.0f})")
    return amount / min(spent)


def builders(options: argparse.Namespace) -> None:
    everything = list(transcripts(options.hours, np.random.default_rng(0)))
    tokenizer = train_tokenizer((" ".join(words) for words, _ in everything[:2000]), 8000)
    spelt = [[tokenizer.encode_word(word) for word in words] for words, _ in everything]
    ends = [starts + 0.2 for _, starts in everything]
    minutes = sum(len(words) for words, _ in everything) * 60

    def ours(layout="paper"):
        for (_, starts), pieces, end in zip(everything, spelt, ends, strict=True):
            build_text(starts, pieces, FRAMES, RATE, layout, ends=end)

    def ours_spelling():
        spelling = functools.cache(tokenizer.encode_word)
        for words, starts in everything:
            build_text(starts, [spelling(word) for word in words], FRAMES, RATE)

    rates = [
        best("text streams, pieces given", minutes, "words/min", ours),
        best("text streams, words spelt on the way", minutes, "words/min", ours_spelling),
    ]
    if options.moshi_finetune:
        peer = interleaver(options.moshi_finetune, tokenizer)
        given = [
            [(pieces, (start, start + 0.2), "SPEAKER_MAIN") for pieces, start in zip(spelt[i], starts, strict=True)]
            for i, (_, starts) in enumerate(everything)
        ]
        for alignments, (_, starts), pieces, end in zip(given, everything, spelt, ends, strict=True):
            mine = build_text(starts, pieces, FRAMES, RATE, "moshi_finetune", ends=end)[0]
            assert torch.equal(peer.build_token_stream(alignments, SECONDS)[0, 0], torch.from_numpy(mine))
        worded = [
            [(word, (start, start + 0.2), "SPEAKER_MAIN") for word, start in zip(words, starts, strict=True)]
            for words, starts in everything
        ]
        theirs = [
            best("moshi-finetune, pieces given", minutes, "words/min",
                 lambda: [peer.build_token_stream(alignments, SECONDS) for alignments in given]),
            best("moshi-finetune, words spelt on the way", minutes, "words/min",
                 lambda: [peer.prepare_item(alignments, SECONDS) for alignments in worded]),
        ]  # fmt: skip
        print(f"streams are equal; ours against theirs: {rates[0] / theirs[0]:.1f} x, {rates[1] / theirs[1]:.1f} x")


def loader() -> None:
    rng, levels, recordings = np.random.default_rng(0), 8, 2000
    with tempfile.TemporaryDirectory() as folder:
        with TokenWriter(folder, "codes", meta=Meta(RATE, (2048,) * levels, "x")) as writer:
            for n in range(recordings):
                writer.write(f"r{n:05d}", rng.integers(0, 2048, (FRAMES, levels)))
        reader = TokenReader(folder, "codes")
        keys, window = reader.keys(), 250
        places = [(keys[rng.integers(recordings)], int(rng.integers(FRAMES - window))) for _ in range(20000)]

        def read():
            for key, start in places:
                reader.read(key, start, start + window)

        best(f"archive, windows of {window} frames in random order", len(places) * window * levels, "tokens/s", read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moshi_finetune", type=Path, help="a checkout of kyutai-labs/moshi-finetune")
    parser.add_argument("--hours", type=float, default=50, help="of made-up transcripts (default: %(default)s)")
    builders(parser.parse_args())
    loader()
