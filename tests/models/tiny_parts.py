"""Experiments of a tiny LM, of the codec whose codes it was trained on, and its tokenizer."""

from dataclasses import asdict
from pathlib import Path

import yaml

from audiolm.lm.start import special_ids
from audiolm.text.tokenizer import Tokenizer, train_tokenizer
from audiolm.train.checkpoint import checksum, write_model
from tests.codec.tiny_codecs import write_experiment
from tests.models.conftest import make_model, model_config


def write_parts(folder: Path, tokenizer: Tokenizer | None = None, **options) -> dict[str, str]:
    """Write them below a folder; return their paths, and that of a bundle to be, by the options of verbs.

    Args:
        tokenizer: of its words; None: a SentencePiece model.
        options: of the model, beside those of :func:`tests.models.conftest.model_config`.
    """
    tokenizer = tokenizer or train_tokenizer(["one two three"], 300)
    tokenizer.save(folder / "tokenizer")
    write_experiment(folder / "codec")
    shape = {"levels": 3, "codebook_size": 16, "text_vocab": tokenizer.vocab_size, **options}
    if (ids := special_ids(tokenizer)) is not None:
        shape["specials"] = ids
    model = make_model(**shape)
    model.codec.claim(checksum(folder / "codec"), "codec")
    model.backbone.tokenizer.claim(tokenizer.checksum, "tokenizer")
    config = {"system": "moshi", "model": asdict(model_config(**shape)), "data": {"mix": {"dialogue": {"weight": 1.0}}}}
    (folder / "lm").mkdir()
    (folder / "lm" / "config.yaml").write_text(yaml.safe_dump(config))
    write_model(folder / "lm", model.state_dict())
    return {name: str(folder / name) for name in ("lm", "codec", "tokenizer")} | {"out": str(folder / "bundle")}
