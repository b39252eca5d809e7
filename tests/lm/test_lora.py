"""Low-rank matrices: nothing changes at first, they alone train, merged they are the model."""

import pytest
import torch

from audiolm.errors import AudiolmError
from audiolm.lm.lora import LoraConfig, add_lora, lora_state, merged_state
from audiolm.models.moshi.data import DataConfig, MixConfig
from audiolm.models.moshi.model import MoshiModel
from audiolm.models.moshi.system import MoshiConfig, MoshiSystem
from tests.models.conftest import make_model, model_config, write_dump

TOKENS = torch.randint(0, 8, (2, 7, 9), generator=torch.Generator().manual_seed(0))
TASK = torch.tensor([0, 2])


def outputs(model: MoshiModel) -> list[torch.Tensor]:
    states = model(TOKENS, TASK)
    frames = TOKENS.transpose(1, 2).flatten(0, 1)
    states = states.flatten(0, 1)
    depth = model.depth.start(states)
    one_by_one = [model.depth.step(depth, level, frames[:, level]) for level in range(3)]
    return [states, model.depth(states, frames), model.depth(states, frames, 3), torch.stack(one_by_one)]


def lora_model(**options) -> MoshiModel:
    model = make_model()
    add_lora(model, LoraConfig(**{"rank": 2, "scaling": 3.0, **options}))
    return model


def test_at_first_the_model_is_what_it_was():
    for one, two in zip(outputs(make_model()), outputs(lora_model()), strict=True):
        assert torch.equal(one, two)


def test_merged_weights_are_the_model():
    model = lora_model()
    for p in lora_state(model).values():
        torch.nn.init.normal_(p, std=0.1)
    plain = make_model()
    plain.load_state_dict(merged_state(model))
    for one, two, before in zip(outputs(plain), outputs(model), outputs(make_model()), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(before, two, atol=1e-2)


def test_a_product_by_hand():
    model = torch.nn.ModuleDict({"x": torch.nn.Linear(3, 2)})
    add_lora(model, LoraConfig(rank=1, scaling=0.5, modules=["x"]))
    a, b = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0], [5.0]])
    model["x"].lora_A.weight.data, model["x"].lora_B.weight.data = a, b
    x = torch.tensor([1.0, 0.0, -1.0])
    expected = model["x"].weight @ x + model["x"].bias + 0.5 * b @ (a @ x)
    torch.testing.assert_close(model["x"](x), expected)


def test_only_what_is_named_trains():
    model = lora_model(modules=["*attention*"], train=["*text_embedding.weight", "backbone.text_head.weight"])
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    full = {"backbone.text_embedding.weight", "backbone.text_head.weight"}
    assert trained == full | set(lora_state(model)) and len(lora_state(model)) == 2 * 2 * 2
    model = lora_model()
    sum(out.square().sum() for out in outputs(model)[:2]).backward()
    for name, p in model.named_parameters():
        assert (p.grad is not None) == ("lora_A" in name or "lora_B" in name), name


def test_names_that_match_nothing():
    with pytest.raises(
        AudiolmError,
        match=r"lora.modules: 'transformer.layers' matches no product.*are backbone.trans",
    ):
        lora_model(modules=["transformer.layers"])
    with pytest.raises(AudiolmError, match=r"lora.train: '\*embeding\*' matches no parameter"):
        lora_model(train=["*embeding*"])
    with pytest.raises(AudiolmError, match="rank: found 0"):
        LoraConfig(rank=0)


def test_a_phase_starts_from_whole_weights_and_leaves_whole_ones(tmp_path):
    dump = write_dump(tmp_path)
    data = DataConfig(str(dump / "train"), str(dump / "dev"), frames=30, mix={"dialogue": MixConfig()})
    first = MoshiSystem(MoshiConfig(model_config(), data))
    second = MoshiSystem(MoshiConfig(model_config(), data, lora=LoraConfig(rank=2)))
    second.load_init(first.export_state())
    assert all(torch.equal(tensor, first.export_state()[name]) for name, tensor in second.export_state().items())
    (group,) = second.parameter_groups()["main"][:1]
    assert {id(p) for p in group["params"]} <= {id(p) for p in lora_state(second.model).values()}
    assert set(second.export_parts()["lora.safetensors"]) == set(lora_state(second.model))
    assert first.export_parts() == {}
    with pytest.raises(AudiolmError, match="do not fit"):
        second.load_init({name: t for name, t in first.export_state().items() if "depth" not in name})
