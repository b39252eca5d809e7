"""Other projects' layouts of dialogue LMs: names, shapes, logits, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import audiolm
from audiolm.codec.adapters.moshi_mimi import RELEASED, MoshiMimi, with_all_levels
from audiolm.encoders import hub
from audiolm.errors import AudiolmError
from audiolm.models.moshi.adapters import LAYOUTS, find_layout
from audiolm.models.moshi.adapters.layout import normal
from audiolm.models.moshi.adapters.moshi_config import PAPER, inner_width, outer_width, save_config, scale
from audiolm.models.moshi.adapters.moshi_package import released_names
from audiolm.models.moshi.data import delayed_input
from audiolm.models.moshi.model import ModelConfig, MoshiModel, TaskConfig
from audiolm.text.tokenizer import train_tokenizer
from tests.codec.foreign_codecs import mimi
from tests.models.foreign_lms import SHAPES, grid, logits, random_model, shape

NAMES = Path(__file__).parent / "moshi_names"  # $AUDIOLM_MOSHI_PYTHON tests/models/moshi_worker.py names CONFIG.json


@pytest.fixture(scope="module")
def parts():
    return mimi(levels=4), train_tokenizer(["one two"], 300)


def save(layout: str, model: MoshiModel, parts, folder: Path) -> str:
    return LAYOUTS[layout].save(model, *parts, folder)


def delayed(config: ModelConfig, frames: int = 20) -> torch.Tensor:
    (task,) = config.tasks
    tokens = delayed_input(config.layout, grid(config, frames)[0].numpy(), config.delays(task))
    return torch.from_numpy(tokens)[None, :, : 1 + frames]


def same(one: MoshiModel, other: MoshiModel) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine if not name.endswith("digest"))


@pytest.mark.parametrize("name", SHAPES)
def test_names_and_shapes_are_the_packages_own(name):
    lines = (NAMES / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    own = {line.split()[0]: torch.empty([int(size) for size in line.split()[1:]], device="meta") for line in lines}
    saved = LAYOUTS["moshi"].tensors(random_model(shape(name)))
    assert {key: tensor.shape for key, tensor in saved.items()} == {
        key: tensor.shape for key, tensor in released_names(own).items()
    }


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_saved_for_the_package_is_loaded_again(name, parts, tmp_path):
    model = random_model(shape(name))
    save("moshi", model, parts, tmp_path)
    loaded, config = audiolm.load_lm(tmp_path)
    assert normal(loaded.config) == normal(model.config) and config.model == loaded.config
    assert same(loaded, model) and not loaded.training
    assert loaded.backbone.tokenizer.digest.any()  # of the tokenizer beside it
    tokens = delayed(model.config)
    for mine, theirs in zip(logits(model, tokens), logits(loaded, tokens), strict=True):
        assert torch.equal(mine, theirs)


def test_a_folder_without_config_is_the_papers_7b(tmp_path):
    save_file({"depformer_text_emb.weight": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    layout, _ = find_layout(tmp_path)
    config = layout.load_config(layout.read_config(tmp_path))
    assert config.temporal.ffn_dim == 11264 and config.depth.ffn_dim == 2816 and config.levels == 8
    assert config.temporal.heads == 32 and config.predict == "main"
    assert config.tasks == {"dialogue": TaskConfig(0, 1)}
    written = save_config(config)
    assert all(written[key] == value for key, value in PAPER.items())
    with pytest.raises(AudiolmError, match=r"missing: 'text_emb.weight', .* 1 of another shape: 'depformer_text_emb"):
        audiolm.load_lm(tmp_path)


@pytest.mark.parametrize("gated", [True, False])
def test_feed_forward_widths_have_an_inverse(gated):
    for dim in (16, 24, 40):
        for inner in range(1, 4 * dim):
            try:
                outer = outer_width(inner, dim, gated)
            except AudiolmError:
                assert gated and (3 * inner + 1) // 2 == 4 * dim  # what the package reads as another width
                continue
            assert inner_width(int(scale(outer, dim) * dim), dim, gated) == inner


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditioners": {"description": {"type": "lut"}}}, "with conditioners {'description'"),
        ({"fuser": {"sum": ["description"]}}, "with a fuser"),
        ({"extra_heads_num_heads": 4}, "with extra_heads_num_heads 4"),
        ({"cross_attention": True}, "with cross_attention True"),
        ({"norm": "rms_norm"}, "with norm 'rms_norm' is not supported, expected rms_norm_f32 or layer_norm"),
        ({"positional_embedding": "sin_rope"}, "with positional_embedding 'sin_rope' is not .*: sinusoidal positions"),
        ({"positional_embedding": "sin"}, "with positional_embedding 'sin' is not supported: sinusoidal positions"),
        ({"positional_embedding": "learnt"}, "with positional_embedding 'learnt' is not supported, expected rope or"),
        ({"gating": "gelu"}, "with gating 'gelu'"),
        ({"depformer_pos_emb": "sin"}, "with depformer_pos_emb 'sin'"),
        ({"depformer_norm": "layer_norm"}, "with depformer_norm 'layer_norm'"),
        ({"depformer_weights_per_step": False}, "with depformer_weights_per_step False"),
        ({"depformer_layer_scale": 0.1}, "with depformer_layer_scale 0.1"),
        ({"depformer_dim_feedforward": [33, 48, 33, 33]}, "one for all"),
        ({"text_card_out": 5}, "with text_card_out 5"),
        ({"demux_second_text_stream": True}, "with demux_second_text_stream True"),
        ({"quantize": True}, "with quantize True"),
        ({"dep_q": 0}, "with dep_q 0 and n_q 8"),
        ({"dep_q": 3}, "with dep_q 3 and n_q 8 is not supported, expected dep_q 8 or 4"),
        ({"delays": [0, 0, 1, 1, 1, 0, 2, 2, 2]}, "delays .* both speakers' levels must be the same"),
        ({"depformer_weights_per_step_schedule": [0, 2, 2, 2]}, "schedule"),
        ({"rope_scaling": 2}, "with rope_scaling 2 is not supported"),
        ({"dim": None}, "config makes no model"),
    ],
)
def test_what_our_model_cannot_be_is_refused(change, message, parts, tmp_path):
    save("moshi", random_model(shape()), parts, tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(AudiolmError, match=message) as error:
        audiolm.load_lm(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named(parts, tmp_path):
    save("moshi", random_model(shape()), parts, tmp_path)
    config = tmp_path / "config.json"
    whole = json.loads(config.read_text())
    config.write_text(json.dumps({k: v for k, v in whole.items() if k != "positional_embedding"}))
    with pytest.raises(AudiolmError, match="'sin', the package's default where the config has none, is not supported"):
        audiolm.load_lm(tmp_path)
    config.write_text(json.dumps(whole))
    config.write_text(json.dumps({k: v for k, v in json.loads(config.read_text()).items() if k != "depformer_dim"}))
    with pytest.raises(AudiolmError, match="has no key 'depformer_dim'"):
        audiolm.load_lm(tmp_path)


def test_tensors_of_another_shape_are_named(parts, tmp_path):
    save("moshi", random_model(shape()), parts, tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    state["text_linear.weight"] = torch.zeros(3, 32)
    save_file({name: tensor for name, tensor in state.items() if name != "out_norm.alpha"}, file)
    message = r"1 missing: 'out_norm.alpha'; 1 of another shape: 'text_linear.weight' \[3, 32\] for \[300, 32\]"
    with pytest.raises(AudiolmError, match=message):
        audiolm.load_lm(tmp_path)


def updates(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Updates of rank 2 of three layers, and new rows of one embedding."""
    generator = torch.Generator().manual_seed(1)

    def pair(layer: str, outputs: int, inputs: int) -> dict[str, torch.Tensor]:
        sizes = {"lora_A": (2, inputs), "lora_B": (outputs, 2)}
        return {f"{layer}.{part}.weight": torch.randn(size, generator=generator) for part, size in sizes.items()}

    return {
        **pair("transformer.layers.1.self_attn.in_projs.0", 96, 32),
        **pair("depformer.layers.0.self_attn.out_projs.2", 16, 16),
        **pair("linears.3", 16, 16),
        "text_emb.weight": torch.randn(state["text_emb.weight"].shape, generator=generator),
    }


def test_low_rank_updates_are_merged_into_what_they_belong_to(parts, tmp_path):
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    save("moshi", random_model(shape()), parts, base)
    state = load_file(base / "model.safetensors")
    lora = updates(state)
    tuned.mkdir()
    save_file(lora, tuned / "lora.safetensors")
    keys = json.loads((base / "config.json").read_text()) | {"lora": True, "lora_rank": 2, "lora_scaling": 3.0}
    del keys["moshi_name"]
    (tuned / "config.json").write_text(json.dumps(keys))
    with pytest.raises(AudiolmError, match="only low-rank updates, lora.safetensors; name the weights"):
        audiolm.load_lm(tuned)
    keys["moshi_name"] = f"file://{base}/model.safetensors"
    (tuned / "config.json").write_text(json.dumps(keys))

    def update(layer: str) -> torch.Tensor:
        return 3.0 * lora[f"{layer}.lora_B.weight"] @ lora[f"{layer}.lora_A.weight"]

    state["transformer.layers.1.self_attn.in_proj_weight"] += update("transformer.layers.1.self_attn.in_projs.0")
    state["depformer.layers.0.self_attn.out_proj.weight"][32:48] += update("depformer.layers.0.self_attn.out_projs.2")
    state["linears.3.weight"] += update("linears.3")
    state["text_emb.weight"] = lora["text_emb.weight"]
    found = LAYOUTS["moshi"].tensors(audiolm.load_lm(tuned)[0])
    assert all(torch.allclose(found[name], tensor, atol=1e-6) for name, tensor in state.items())

    lora["text_emb.weight"] = torch.zeros(3, 32)
    save_file(lora, tuned / "lora.safetensors")
    with pytest.raises(AudiolmError, match=r"'text_emb.weight' are of a layer \[3, 32\]"):
        audiolm.load_lm(tuned)
    save_file({"nothing.lora_A.weight": torch.zeros(2, 3)}, tuned / "lora.safetensors")
    with pytest.raises(AudiolmError, match="lack 'nothing.lora_B.weight'"):
        audiolm.load_lm(tuned)


def test_hub_ids_are_found_in_the_cache(parts, tmp_path, monkeypatch):
    model = random_model(shape())
    save("moshi", model, parts, tmp_path)
    monkeypatch.setattr(hub, "_cached", lambda name, config, weights: tmp_path if name == "who/what" else None)
    assert same(audiolm.load_lm("who/what")[0], model)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(AudiolmError, match="no dialogue LM 'who/else' in the cache .*hf download who/else"):
        audiolm.load_lm("who/else")


def test_what_is_no_lm_says_what_one_is(tmp_path):
    with pytest.raises(AudiolmError, match=f"no config.yaml of a trained LM in {tmp_path}, and neither the moshi"):
        audiolm.load_lm(tmp_path)


@pytest.mark.parametrize(
    ("layout", "options", "message"),
    [
        ("moshi", {"text_hold": True}, "does not fit moshi's LMModel: model.text_hold is True, there it is False"),
        ("moshi", {"depth": None}, "has a depth transformer, this model has none"),
        ("moshi", {"tasks": {"a": TaskConfig(), "b": TaskConfig()}}, "one delay pattern; this model has a, b"),
        ("transformers", {"predict": "both"}, "model.predict is 'both', there it is 'main'"),
        ("transformers", {"tasks": {"x": TaskConfig(0, 2)}}, "acoustic_delay is 2, there it is 1"),
        ("transformers", {"speakers": 1}, "model.speakers is 1, there it is 2"),
    ],
)
def test_what_a_layout_cannot_hold_is_refused(layout, options, message, parts, tmp_path):
    with pytest.raises(AudiolmError, match=message):
        save(layout, random_model(replace(shape(), **options)), parts, tmp_path)
    assert not list(tmp_path.iterdir())


def transformers_logits(model, tokens, levels):
    """Logits of a transformers model, as `logits` gives them."""
    inputs, frames = tokens[:, :, :-1], tokens[:, :, 1:].transpose(1, 2).flatten(0, 1)
    speakers = {"moshi_audio_codes": inputs[:, 1 : 1 + levels], "user_audio_codes": inputs[:, 1 + levels :]}
    with torch.no_grad():
        made = model(input_ids=inputs[:, 0], **speakers)
        states = made.last_hidden_state.flatten(0, 1)[:, None]
        codes = model.depth_decoder(input_ids=frames[:, :levels].clone(), last_hidden_state=states).logits
    return made.logits, codes.transpose(0, 1).unflatten(1, made.logits.shape[:2])


@pytest.mark.parametrize("kv_heads", [None, 2])
def test_logits_of_transformers_both_ways(kv_heads, parts, tmp_path):
    transformers = pytest.importorskip("transformers")
    model = random_model(shape(temporal={"kv_heads": kv_heads}))
    usage = save("transformers", model, parts, tmp_path / "ours")
    assert usage == f"transformers.MoshiForConditionalGeneration.from_pretrained('{tmp_path}/ours')"
    theirs = transformers.MoshiForConditionalGeneration.from_pretrained(tmp_path / "ours").eval()
    tokens = delayed(model.config)
    for mine, other in zip(logits(model, tokens), transformers_logits(theirs, tokens, 4), strict=True):
        assert (mine - other).abs().max() < 1e-4 and mine.std() > 1
    wav = torch.randn(1, 1, 4 * parts[0].frame_size)
    assert torch.equal(theirs.audio_encoder.encode(wav).audio_codes, parts[0].encode(wav))

    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="40KB")
    assert len(list((tmp_path / "theirs").glob("model-*.safetensors"))) > 1
    loaded, _ = audiolm.load_lm(tmp_path / "theirs")
    assert normal(loaded.config) == normal(model.config)
    for mine, other in zip(logits(loaded, tokens), transformers_logits(theirs, tokens, 4), strict=True):
        assert (mine - other).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "gelu"}, "with hidden_act 'gelu'"),
        ({"head_dim": 5}, "with head_dim 5"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "with rope_type 'yarn'"),
    ],
)
def test_what_our_model_cannot_be_of_transformers_is_refused(change, message, parts, tmp_path):
    save("transformers", random_model(shape()), parts, tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(AudiolmError, match=message):
        audiolm.load_lm(tmp_path)


@pytest.mark.slow
def test_mimi_of_the_papers_shape_needs_no_config_there(parts, tmp_path):
    codec = mimi(small=False, levels=4)
    usage = save("moshi", random_model(shape()), (codec, parts[1]), tmp_path)
    assert usage.startswith(f"python -m moshi.server --moshi-weight {tmp_path}/model.safetensors --mimi-weight")
    assert "mimi_config_name" not in json.loads((tmp_path / "config.json").read_text())
    whole = audiolm.load_codec(tmp_path)
    assert whole.config.quantizer.n_q == RELEASED.quantizer.n_q == 32
    codes = torch.randint(2048, (1, 4, 3))
    assert torch.allclose(whole.decode(codes), codec.decode(codes), atol=1e-4)
    names = (Path(__file__).parents[1] / "codec/moshi_names.txt").read_text(encoding="utf-8").split("\n")
    assert len(MoshiMimi().convert(with_all_levels(codec))[1]) == len([name for name in names if name])
