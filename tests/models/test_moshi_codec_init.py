"""Embeddings of codes that start from the codec's codebooks."""

import pytest
import torch

from audiolm.codec.load import load_codec
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.models.moshi.codec_init import embed_like_codec, entry_latents
from audiolm.models.moshi.data import DataConfig, MixConfig
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
from audiolm.train.checkpoint import checksum
from tests.codec.tiny_codecs import write_experiment
from tests.models.conftest import RATE, make_model, model_config

SHAPE = {"levels": 3, "codebook_size": 16}  # of the tiny codec


@pytest.fixture
def experiment(tmp_path):
    write_experiment(tmp_path / "codec")
    return tmp_path / "codec"


def similarity(vectors):
    """How alike entries are, cosine, each pair once."""
    vectors = torch.nn.functional.normalize(vectors - vectors.mean(dim=0), dim=1)
    first, second = torch.triu_indices(len(vectors), len(vectors), 1)
    return (vectors @ vectors.T)[first, second]


def test_entries_that_sound_alike_begin_alike(experiment):
    codec, model = load_codec(experiment), make_model(**SHAPE)
    before = model.audio_embedding.weight.detach().clone()
    embed_like_codec(model, codec, spread=0.0)
    latents = entry_latents(codec)
    assert latents.shape == (3, 16, 16)
    after, offsets = model.audio_embedding.weight.detach(), model.audio_embedding.offsets

    def fit(table, level):
        pair = torch.stack((similarity(latents[level % 3]), similarity(table)))
        return float(torch.corrcoef(pair)[0, 1])

    for level in range(6):  # of both speakers
        rows = slice(int(offsets[level]), int(offsets[level]) + 16)
        assert fit(after[rows], level) > 0.6 > 0.4 > fit(before[rows], level)
        assert float(after[rows].std()) == pytest.approx(float(before[rows].std()), rel=0.1)
    assert fit(model.depth.embeddings[1].weight[:16].detach(), 0) > 0.4  # 8 channels keep less


def test_a_codec_of_other_sizes_is_refused(experiment):
    with pytest.raises(AudiolmError, match="a codec of 3 levels of 16 entries, the model has 3 of 8"):
        embed_like_codec(make_model(), load_codec(experiment))


def test_codes_must_be_those_of_the_codec(dump, experiment, tmp_path):
    for name, source in (("train", checksum(experiment)), ("dev", checksum(experiment))):
        with TokenWriter(dump / name / "codes", "codes", 1, Meta(RATE, (16,) * 3, source)) as writer:
            writer.write("d1-A", torch.zeros(60, 3, dtype=torch.int64).numpy())
    data = DataConfig(str(dump / "train"), str(dump / "dev"), frames=30, valid_windows=2, mix={"asr": MixConfig()})
    MoshiSystem(MoshiConfig(model_config(**SHAPE), data, codec_init=str(experiment))).examples()
    write_experiment(tmp_path / "other", seed=1)
    system = MoshiSystem(MoshiConfig(model_config(**SHAPE), data, codec_init=str(tmp_path / "other")))
    with pytest.raises(AudiolmError, match=f"codec_init: {tmp_path}/other is another codec than the one that made"):
        system.examples()
