"""Llama-shaped models of transformers, random weights: the same logits here and there; the others are refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from audiolm.commands.main import main
from audiolm.errors import AudiolmError
from audiolm.lm.backbone import Backbone
from audiolm.lm.llama import read_llama, write_llama
from audiolm.lm.start import read_init
from audiolm.models.textlm.load import load_text_lm
from audiolm.models.textlm.system import TextLMConfig, TextLMSystem
from audiolm.nn.transformer import TransformerConfig
from audiolm.text.tokenizer import train_tokenizer

VOCAB = 300
SIZES = {"vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 4}
GROUPED = {"num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-3}
THETA = {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
KINDS = {
    "llama": ("Llama", {**HEADS}),
    "llama, grouped keys, another theta": ("Llama", {**GROUPED, **THETA}),
    "llama, tied": ("Llama", {**HEADS, "tie_word_embeddings": True}),
    "helium": ("Helium", {**HEADS, "head_dim": 8}),
    "qwen2": ("Qwen2", {**HEADS}),
    "qwen2, grouped keys, tied": ("Qwen2", {**GROUPED, "tie_word_embeddings": True}),
    "mistral, sliding window": ("Mistral", {**GROUPED, "sliding_window": 5}),
    "mistral, no window": ("Mistral", {**GROUPED, "sliding_window": None}),
}


def make(kind: str, **options):
    """A model of transformers with random weights, its norms' gains among them."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SIZES, **options, max_position_embeddings=64)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def logits_of(model, tokens):
    with torch.no_grad():
        return model(tokens).logits


def ours(found) -> Backbone:
    backbone = Backbone(found.text_vocab, found.config)
    backbone.load_state_dict(found.state, strict=False)
    return backbone.eval()


TOKENS = torch.randint(4, VOCAB, (2, 12), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", KINDS)
def test_a_model_of_transformers_has_the_same_logits_here(name, tmp_path):
    kind, options = KINDS[name]
    model = make(kind, **options)
    model.save_pretrained(tmp_path)
    backbone = ours(read_llama(tmp_path))
    with torch.no_grad():
        found = backbone.text_logits(TOKENS)
        torch.testing.assert_close(found, logits_of(model, TOKENS), atol=1e-4, rtol=0)
        start = torch.full((2, 1), VOCAB)
        torch.testing.assert_close(backbone.text_logits(start), backbone.text_logits(torch.ones_like(start)))


@pytest.mark.parametrize(
    "options",
    [{}, {"kv_heads": 2, "norm_eps": 1e-3, "rope_base": 500.0}, {"context": 5}, {"qkv_bias": True, "kv_heads": 2}],
)
def test_a_model_of_ours_has_the_same_logits_there(options, tmp_path):
    import transformers

    torch.manual_seed(0)
    backbone = Backbone(VOCAB, TransformerConfig(dim=32, layers=2, heads=4, ffn_dim=48, **options)).eval()
    for parameter in backbone.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    write_llama(backbone, tmp_path, 64)
    model, problems = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not problems["missing_keys"] and not problems["unexpected_keys"]
    with torch.no_grad():
        expected = backbone.text_logits(TOKENS)
    torch.testing.assert_close(logits_of(model.eval(), TOKENS), expected, atol=1e-4, rtol=0)
    again = ours(read_llama(tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(again.text_logits(TOKENS), expected)


@pytest.fixture
def folder(tmp_path):
    make("Llama", **GROUPED).save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def edit(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "gemma"}, "model_type is 'gemma', expected one of: llama, mistral"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, r"rope_parameters.rope_type is 'llama3'"),
        ({"rope_parameters": None, "rope_scaling": {"type": "yarn"}}, "rope_scaling is 'yarn', expected default"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', expected silu"),
        ({"head_dim": 16}, "head_dim is 16, expected hidden_size / num_attention_heads = 8"),
        ({"vocab_size": "many"}, "vocab_size is 'many', expected a number"),
        ({"intermediate_size": 40}, "tensors differ from what config.json says: .*linear_in.weight"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window is True, expected the same window"),
        ({"model_type": "qwen3", "layer_types": ["sliding_attention", "full_attention"]}, "layer_types is"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config is 'gptq'"),
    ],
)
def test_configs_that_do_not_fit_are_refused_by_their_keys(folder, values, message):
    edit(folder, **values)
    with pytest.raises(AudiolmError, match=message):
        read_llama(folder)


def test_tensors_that_do_not_fit_are_refused_by_their_names(folder):
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "model.layers.0.self_attn.q_proj.bias": torch.zeros(32)}, folder / "model.safetensors")
    with pytest.raises(AudiolmError, match="no place for 'model.layers.0.self_attn.q_proj.bias'"):
        read_llama(folder)
    save_file({name: t for name, t in tensors.items() if "layers.1." not in name}, folder / "model.safetensors")
    with pytest.raises(AudiolmError, match="no tensor 'model.layers.1.*', expected the weights of 2 layers"):
        read_llama(folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(AudiolmError, match="cannot read .*model.safetensors"):
        read_llama(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(AudiolmError, match="holds neither model.safetensors nor model.safetensors.index.json"):
        read_llama(folder)


def test_weights_in_several_files(folder):
    whole = read_llama(folder).state
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(sorted(tensors))}
    for file in set(places.values()):
        save_file({name: tensors[name] for name in places if places[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    parts = read_llama(folder).state
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize("option", [{"ffn": "gelu"}, {"norm": "layer"}, {"layer_scale": 0.1}, {"rope_base": None}])
def test_a_model_of_ours_that_is_no_llama_is_not_written(option, tmp_path):
    backbone = Backbone(VOCAB, TransformerConfig(dim=32, layers=1, heads=4, ffn_dim=48, **option))
    with pytest.raises(AudiolmError, match=f"temporal.{next(iter(option))} is .* no Llama of transformers is so"):
        write_llama(backbone, tmp_path, 64)


def test_training_starts_from_one_of_the_same_shape(folder):
    shape = TransformerConfig(dim=32, layers=2, heads=4, kv_heads=2, ffn_dim=48, norm_eps=1e-3, context=100)
    tokenizer = train_tokenizer(["one two three"], 300)
    tokenizer.save(folder)
    system = TextLMSystem(TextLMConfig(VOCAB, shape))
    system.load_init(system.read_init(str(folder)))
    with torch.no_grad():
        torch.testing.assert_close(system.backbone.text_logits(TOKENS), ours(read_llama(folder)).text_logits(TOKENS))
    system.backbone.tokenizer.claim(tokenizer.checksum, "tokenizer")
    with pytest.raises(AudiolmError, match="another tokenizer than other"):
        system.backbone.tokenizer.claim("other", "tokenizer")
    wrong = Backbone(400, TransformerConfig(dim=32, layers=3, heads=4, kv_heads=2, ffn_dim=48, rope_base=5e3))
    message = (
        r"model.temporal.layers is 3, there 2; model.temporal.norm_eps is 1e-08, there 0.001; "
        r"model.temporal.rope_base is 5000.0, there 10000.0; model.text_vocab is 400, there 300; set these keys"
    )
    with pytest.raises(AudiolmError, match=message):
        read_init(folder, wrong, "model.temporal")
    with pytest.raises(AudiolmError, match="no text LM '.*nowhere': expected an existing folder with config.json"):
        read_init(folder / "nowhere", wrong, "temporal")


def test_export_both_ways(folder, tmp_path, capsys):
    with pytest.raises(AudiolmError, match=r"holds no tokenizer: neither a SentencePiece model \(\*.model\)"):
        load_text_lm(folder)
    tokenizer = train_tokenizer(["one two three"], 300)
    (folder / "tokenizer_spm_32k_3.model").write_bytes(tokenizer._model)
    assert main(["export", "--textlm", str(folder), "--out", str(tmp_path / "ours")]) == 0
    lm = load_text_lm(tmp_path / "ours")
    assert lm.tokenizer.checksum == tokenizer.checksum and lm.tokens == 64
    back = tmp_path / "theirs"
    assert main(["export", "--textlm", str(tmp_path / "ours"), "--to", "transformers", "--out", str(back)]) == 0
    before, after = (load_file(path / "model.safetensors") for path in (folder, back))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert main(["tokenizer", "--take", str(back), "--out", str(tmp_path / "tokenizer")]) == 0
    assert (tmp_path / "tokenizer/tokenizer.model").read_bytes() == tokenizer._model
    capsys.readouterr()
    assert main(["export", "--textlm", str(back), "--codec", "a", "--out", str(tmp_path / "x")]) == 1
    assert "name --codec, --textlm or --lm, each alone" in capsys.readouterr().err
    assert main(["export", "--textlm", str(back), "--to", "moshi", "--out", str(tmp_path / "x")]) == 1
    assert "a text LM goes --to transformers or audiolm" in capsys.readouterr().err
