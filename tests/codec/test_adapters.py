"""Other projects' layouts: tensors and configs mapped both ways, the same codes and sound in transformers."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from foreign_codecs import mimi, randomize, sound, transformers_codes, transformers_model, transformers_wav
from safetensors.torch import load_file, save_file
from tiny_codecs import tiny_codec

from audiolm.codec.adapters import LAYOUTS, find_layout, layout_for
from audiolm.codec.adapters.layout import architecture
from audiolm.codec.adapters.moshi_mimi import PAPER, MoshiMimi
from audiolm.codec.load import load_codec
from audiolm.codec.model import Codec, DecoderConfig, EncoderConfig
from audiolm.errors import AudiolmError
from audiolm.interchange.rules import Rule, load_state, save_state
from audiolm.nn.conv import fold_weight_norm
from audiolm.train.options import read_config

KINDS = ["mimi", "encodec", "dac"]
ONLY_OURS = ("updates", "idle")  # of codebooks: what only training counts


@pytest.fixture(params=KINDS)
def theirs(request, tmp_path):
    """A model of transformers and the folder that it is saved in."""
    pytest.importorskip("transformers")
    model = transformers_model(request.param)
    model.save_pretrained(tmp_path / "theirs")
    return model, tmp_path / "theirs"


def test_folder_of_transformers_gives_the_same_codes_and_sound(theirs):
    model, folder = theirs
    codec = load_codec(folder)
    wav = torch.randn(2, 1, 40 * codec.frame_size)
    codes = transformers_codes(model, wav)
    assert len(codes.unique()) > 5
    assert torch.equal(codec.encode(wav), codes)
    assert torch.allclose(codec.decode(codes), transformers_wav(model, codes), atol=1e-4)
    assert not codec.training and all(book.initialized for book in codec.quantizer.codebooks())


def test_what_is_saved_for_transformers_loads_there_and_is_the_same(theirs, tmp_path):
    import transformers

    model, folder = theirs
    codec = load_codec(folder)
    fold_weight_norm(codec)
    randomize(codec)
    layout = layout_for(codec.config, "transformers")
    layout.save(codec, tmp_path / "ours")
    loaded = type(model).from_pretrained(tmp_path / "ours").eval()
    wav = torch.randn(1, 1, 40 * codec.frame_size)
    codes = codec.encode(wav)
    assert torch.equal(transformers_codes(loaded, wav), codes)
    assert torch.allclose(transformers_wav(loaded, codes), codec.decode(codes), atol=1e-4)
    assert transformers.AutoConfig.from_pretrained(tmp_path / "ours").to_diff_dict().keys()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path / "ours")
    assert extractor(wav[0, 0].numpy(), sampling_rate=codec.sample_rate, return_tensors="pt")["input_values"].ndim == 3


def test_mimi_streams_in_transformers_to_the_same_codes(tmp_path):
    transformers = pytest.importorskip("transformers")
    codec = mimi()
    layout_for(codec.config, "transformers").save(codec, tmp_path)
    model = transformers.MimiModel.from_pretrained(tmp_path).eval()
    wav = sound(codec, 20)
    codes, past, padding = [], None, None
    with torch.no_grad():
        for frame in wav.split(codec.frame_size, dim=-1):
            found = model.encode(frame, encoder_past_key_values=past, padding_cache=padding, use_streaming=True)
            codes.append(found.audio_codes)
            past, padding = found.encoder_past_key_values, found.padding_cache
    assert torch.equal(torch.cat(codes, dim=-1), codec.encode(wav))


def test_config_of_transformers_goes_and_comes_back(theirs):
    model, folder = theirs
    layout, weights = find_layout(folder)
    found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    back = layout.save_config(layout.load_config(found))
    for key in found.keys() & back.keys() - {"dtype"}:
        assert back[key] == found[key], key


def test_every_tensor_is_used_once_and_comes_back(theirs):
    _, folder = theirs
    layout, weights = find_layout(folder)
    found = load_file(weights)
    codec = layout.load(weights)
    rules, own = layout.rules(codec.config), codec.state_dict()
    saved = save_state(rules, own)
    assert saved.keys() == found.keys()
    back = load_state(rules, saved)
    left_out = own.keys() - back.keys()
    kept = () if layout.model_type != "dac" else ("initialized", "cluster_usage")  # gradients move DAC's entries
    assert all(name.endswith(ONLY_OURS + kept) for name in left_out)
    for name, tensor in back.items():
        torch.testing.assert_close(tensor, own[name], rtol=1e-6, atol=1e-7)


def test_dac_fills_its_last_frame_with_silence_as_its_extractor_does(tmp_path):
    pytest.importorskip("transformers")
    model = transformers_model("dac")
    model.save_pretrained(tmp_path)
    codec = load_codec(tmp_path)
    wav = torch.randn(1, 1, 83)
    padded = torch.nn.functional.pad(wav, (0, 5))
    assert torch.equal(codec.encode(wav), transformers_codes(model, padded))


def test_dac_of_an_odd_ratio_is_the_same_but_for_its_end(tmp_path):
    transformers = pytest.importorskip("transformers")
    settings = {"encoder_hidden_size": 2, "decoder_hidden_size": 32, "n_codebooks": 2, "codebook_size": 16}
    torch.manual_seed(0)
    model = transformers.DacModel(transformers.DacConfig(**settings, downsampling_ratios=[2, 4, 5, 8])).eval()
    randomize(model)
    model.decoder.conv2.weight.data.mul_(0.05)  # far from where tanh is flat
    model.save_pretrained(tmp_path)
    codec = load_codec(tmp_path)
    wav = torch.randn(1, 1, 10 * 320)
    codes = transformers_codes(model, wav)
    assert torch.equal(codec.encode(wav), codes)
    ours, theirs = codec.decode(codes), transformers_wav(model, codes)
    assert ours.shape[-1] == 3200 and theirs.shape[-1] == 3192
    assert torch.allclose(ours[..., : 8 * 320], theirs[..., : 8 * 320], atol=1e-4)


def test_encodec_of_old_weight_names_loads(tmp_path):
    pytest.importorskip("transformers")
    model = transformers_model("encodec")
    model.save_pretrained(tmp_path)
    wav = torch.randn(1, 1, 200)
    codes = load_codec(tmp_path).encode(wav)
    old = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in load_file(tmp_path / "model.safetensors").items()
    }
    (tmp_path / "model.safetensors").unlink()
    torch.save(old, tmp_path / "pytorch_model.bin")
    assert torch.equal(load_codec(tmp_path).encode(wav), codes)


def test_mimi_goes_to_moshi_and_back(tmp_path):
    codec = mimi()
    weights, config = MoshiMimi().save(codec, tmp_path)
    for name in (weights, tmp_path):
        loaded = load_codec(name)
        state = loaded.state_dict()
        for key, tensor in codec.state_dict().items():
            assert key.endswith(ONLY_OURS) or torch.equal(tensor, state[key]), key
    assert MoshiMimi().load_config(json.loads(config.read_text(encoding="utf-8"))) == replace(codec.config)


def test_names_and_shapes_are_those_of_the_released_mimi():
    lines = (Path(__file__).parent / "moshi_names.txt").read_text(encoding="utf-8").splitlines()
    released = {name: [int(size) for size in sizes] for name, *sizes in map(str.split, lines)}
    config = replace(PAPER, quantizer=replace(PAPER.quantizer, n_q=32))
    with torch.device("meta"):
        codec = Codec(config)
        fold_weight_norm(codec)
    ours = save_state(MoshiMimi().rules(config), codec.state_dict())
    assert {name: list(tensor.shape) for name, tensor in ours.items()} == released
    state = {name: torch.empty(shape, device="meta") for name, shape in released.items()}
    found = MoshiMimi().load_config(MoshiMimi().read_config(Path("nowhere/mimi.safetensors"), state))
    assert found == config


def test_who_can_load_a_mimi_file_is_told():
    weights = Path("out/mimi.safetensors")
    assert "rustymimi.Tokenizer('out/mimi.safetensors', num_codebooks=8)" in MoshiMimi().usage(PAPER, weights)
    assert "rustymimi cannot" in MoshiMimi().usage(replace(PAPER, sample_rate=48000, frame_rate=25.0), weights)


def test_names_that_moshi_itself_keeps_in_memory_load_too(tmp_path):
    codec = mimi()
    weights, _ = MoshiMimi().save(codec, tmp_path)
    state = load_file(weights)
    for old, new in (("in_proj_weight", "in_projs.0.weight"), ("out_proj.weight", "out_projs.0.weight")):
        for name in [name for name in state if name.endswith(f"self_attn.{old}")]:
            state[name.replace(old, new)] = state.pop(name)
    save_file(state, weights)
    wav = sound(codec, 12)
    assert torch.equal(load_codec(weights).encode(wav), codec.encode(wav))


def changed(**changes):
    """The small Mimi with another config."""
    codec = mimi()
    return Codec(replace(codec.config, **changes))


def other_side():
    config = mimi().config
    return replace(config.decoder_transformer, layers=1)


def other_seanet(**changes):
    seanet = replace(mimi().config.encoder.seanet, **changes)
    return {"encoder": EncoderConfig(seanet=seanet), "decoder": DecoderConfig(seanet=seanet)}


@pytest.mark.parametrize("to", ["transformers", "moshi"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tiny_codec("stft"), "an STFT encoder .with.* hold only SEANet .* conf/models/mimi.yaml"),
        (lambda: changed(decoder_transformer=other_side()), "decoder_transformer.layers is 1, there it is 2"),
        (lambda: changed(**other_seanet(shortcut="conv")), "shortcut is 'conv', there it is 'identity'"),
        (lambda: changed(**other_seanet(pad_mode="replicate")), "pad_mode is 'replicate', there it is 'constant'"),
        (lambda: changed(quantizer=replace(mimi().config.quantizer, split=False)), "another quantizer.split"),
        (lambda: changed(quantizer=replace(mimi().config.quantizer, kind="gradient")), "kind is 'gradient', there it"),
    ],
)
def test_what_does_not_fit_mimis_layouts_is_refused(to, make, message, tmp_path):
    with pytest.raises(AudiolmError, match=message):
        codec = make()
        layout_for(codec.config, to).save(codec, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["rope_base", "layer_scale"])
def test_what_moshi_may_leave_out_and_transformers_may_not(key, tmp_path):
    config = mimi().config
    side = replace(config.encoder_transformer, **{key: None})
    codec = Codec(replace(config, encoder_transformer=side, decoder_transformer=side)).eval()
    with pytest.raises(AudiolmError, match=f"always has a {key}, this codec has none"):
        layout_for(codec.config, "transformers").check(codec.config)
    weights, _ = MoshiMimi().save(codec, tmp_path)
    wav = sound(codec, 10)
    assert torch.equal(load_codec(weights).encode(wav), codec.encode(wav))


@pytest.mark.parametrize("to", ["transformers", "moshi"])
@pytest.mark.parametrize("name", ["mimi", "encodec", "dac", "soundstream", "speechtokenizer"])
def test_shipped_configs_fit_where_their_models_are_known(name, to):
    path = Path(__file__).parents[2] / "egs/TEMPLATE/codec1/conf/models" / f"{name}.yaml"
    config = architecture(read_config([path], [("train_dir", "no"), ("valid_dir", "no")]).config)
    if name == "mimi" or (to == "transformers" and name in ("encodec", "dac")):
        layout = layout_for(config, to)
        layout.check(config)
        theirs = layout.save_config(config)
        assert name != "mimi" or to != "transformers" or theirs["frame_rate"] == 12.5
        assert name != "encodec" or theirs["target_bandwidths"] == [1.5, 3.0, 6.0, 12.0, 24.0]
        assert name != "dac" or (theirs["hidden_size"] == 1024 and theirs["decoder_hidden_size"] == 1536)
    else:
        with pytest.raises(AudiolmError, match="--to audiolm holds"):
            layout_for(config, to).check(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pad_mode": "reflect"}, "with pad_mode 'reflect' is not supported, expected 'constant'"),
        ({"hidden_act": "silu"}, "with hidden_act 'silu'"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}}, "with rope_type 'yarn'"),
        ({"num_filters": "many"}, "its config makes no codec: "),
        ({"upsampling_ratios": []}, "its config makes no codec: |missing"),
        ({"rope_parameters": {"rope_type": "default"}}, "its config makes no codec: "),
        ({"num_quantizers": 4}, "1 missing: .*layers.2.codebook|missing"),
        (
            {"hidden_size": 32, "upsample_groups": 32, "head_dim": 8},
            r"of another shape: 'encoder.layers.*\[16, .* for ",
        ),
    ],
)
def test_other_configs_of_transformers_are_refused(change, message, tmp_path):
    pytest.importorskip("transformers")
    transformers_model("mimi").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}), encoding="utf-8")
    with pytest.raises(AudiolmError, match=f"^{tmp_path}/model.safetensors: .*{message}"):
        load_codec(tmp_path)


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("seanet", {"true_skip": False}, "with true_skip False is not supported, expected True"),
        ("transformer", {"gating": "silu"}, "with gating 'silu'"),
        ("transformer", {"positional_embedding": "sin"}, "with positional_embedding 'sin'"),
        ("quantizer", {"n_q": 4}, "missing: 'quantizer.rvq_rest.vq.layers.2._codebook"),
    ],
)
def test_other_configs_of_moshi_are_refused(section, change, message, tmp_path):
    weights, config = MoshiMimi().save(mimi(), tmp_path)
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings[section] |= change
    config.write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(AudiolmError, match=f"^{weights}: .*{message}"):
        load_codec(weights)


def test_moshi_file_of_another_shape_without_its_config_names_what_differs(tmp_path):
    weights, config = MoshiMimi().save(mimi(), tmp_path)
    config.unlink()
    with pytest.raises(AudiolmError, match="of another shape: .*; use the config they were made with"):
        load_codec(weights)


class Runs:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_run_nothing(tmp_path):
    pytest.importorskip("transformers")
    transformers_model("dac").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(
        pickle.dumps({"encoder.conv1.weight": Runs(tmp_path / "ran")}, protocol=2)
    )
    with pytest.raises(AudiolmError, match="pytorch_model.bin: .*nothing is run: name a safetensors file"):
        load_codec(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_damaged_files_are_named(tmp_path):
    pytest.importorskip("transformers")
    transformers_model("dac").save_pretrained(tmp_path)
    data = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudiolmError, match=f"{tmp_path}/model.safetensors"):
        load_codec(tmp_path)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(AudiolmError, match="config.json is not JSON"):
        load_codec(tmp_path)


def test_rules_take_every_tensor_once():
    rules = [
        Rule("norm.{}", "layernorm.{}"),
        Rule("joined.{}", ("first.{}", "second.{}"), lambda a, b: [torch.cat([a, b])], lambda x: x.split(1)),
        Rule("count", ()),
    ]
    ours = {"norm.weight": torch.ones(1), "joined.0": torch.tensor([1.0, 2.0]), "count": torch.zeros(())}
    theirs = save_state(rules, ours)
    assert theirs.keys() == {"layernorm.weight", "first.0", "second.0"}
    assert load_state(rules, theirs).keys() == {"norm.weight", "joined.0"}
    with pytest.raises(AudiolmError, match="hold 'other', which this layout does not have"):
        load_state(rules, {"other": torch.ones(1)})
    with pytest.raises(AudiolmError, match="lack 'second.7', which goes with 'first.7'"):
        load_state(rules, {"first.7": torch.ones(1)})


def test_layouts_do_not_take_each_others_files(tmp_path):
    assert find_layout(tmp_path) is None
    for layout in LAYOUTS:
        assert layout.find(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"no")
    assert find_layout(tmp_path) is None and find_layout(tmp_path / "model.safetensors") is None
