"""A small byte-level BPE of the tokenizers library."""

import json

import pytest

library = pytest.importorskip("tokenizers")
TEXTS = ["one two three, hello how are you", "Where's the naïve café? 42 houses\n", "the the the three"] * 5


def make(folder, names=None, **changes):
    """A small tokenizer of the library, saved as transformers saves it."""
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=alphabet, special_tokens=["<|end|>", "<|begin|>"], show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    folder.mkdir(exist_ok=True)
    settings = json.loads(tokenizer.to_str())
    (folder / "tokenizer.json").write_text(json.dumps({**settings, **changes}))
    names = {"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>"}} if names is None else names
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    return folder
