"""Loss of every stream beside its unigram, on archives of random tokens."""

from dataclasses import asdict

import numpy as np
import pytest
import yaml

from audiolm.data.tokens import Meta, TokenWriter
from audiolm.errors import AudiolmError
from audiolm.models.moshi.data import Recordings
from audiolm.score import lm_loss
from audiolm.train.checkpoint import checksum, write_model
from tests.models.conftest import ENTRIES, LEVELS, RATE, dump, make_model, model_config  # noqa: F401


@pytest.fixture
def lm(dump, tmp_path):  # noqa: F811
    """Experiment of an untrained model that belongs to the archives."""
    exp = tmp_path / "lm"
    exp.mkdir()
    config = {"system": "moshi", "model": asdict(model_config()), "data": {"frames": 20, "mix": {"dialogue": {}}}}
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    model = make_model()
    Recordings(dump / "train", model.config.layout).claim(model)
    write_model(exp, model.state_dict())
    return exp


def test_every_predicted_stream_has_a_score(dump, lm):  # noqa: F811
    scores = {score.metric: score for score in lm_loss.score(lm, dump / "train", dump / "dev", "dev")}
    speakers = [f"lm_loss_{who}{level + 1}" for who in ("main", "user") for level in range(LEVELS)]
    assert list(scores) == ["lm_loss_text", *speakers, "perplexity_codes"]
    for name in speakers:
        assert scores[name].baseline == pytest.approx(np.log(ENTRIES), abs=0.1)  # the tokens are uniform
        assert scores[name].value > scores[name].baseline  # and the model is sharp and knows nothing
        low, high = scores[name].ci
        assert low < scores[name].value < high
    assert scores["lm_loss_text"].baseline < np.log(20)  # padding is frequent
    counts = [scores[name].count for name in speakers]
    mean = sum(scores[name].value * count for name, count in zip(speakers, counts, strict=True)) / sum(counts)
    perplexity = scores["perplexity_codes"]
    assert perplexity.value == pytest.approx(np.exp(mean)) and perplexity.count == sum(counts)
    assert perplexity.ci[0] < perplexity.value < perplexity.ci[1]
    assert perplexity.baseline == pytest.approx(ENTRIES, rel=0.1)
    assert {score.checksum for score in scores.values()} == {checksum(lm)}


@pytest.mark.parametrize("name", ["train", "dev"])
def test_tokens_of_another_codec_are_refused(dump, lm, name):  # noqa: F811
    with TokenWriter(dump / name / "codes", "codes", 1, Meta(RATE, (ENTRIES,) * LEVELS, "another")) as writer:
        writer.write("d1-A", np.zeros((60, LEVELS), np.int64))
    with pytest.raises(AudiolmError, match="trained on tokens of another codec than another"):
        lm_loss.score(lm, dump / "train", dump / "dev", "dev")
