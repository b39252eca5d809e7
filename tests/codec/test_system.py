"""Codec training: crops, losses and gradients of both sides, export and start from it, the verb that writes codes."""

import numpy as np
import pytest
import soundfile
import torch
from tiny_codecs import settings

from audiolm.codec.crops import Crops
from audiolm.codec.discriminators import DiscriminatorConfig
from audiolm.codec.losses import MelLossConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.system import CodecSystem, CodecSystemConfig
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment
from audiolm.errors import AudiolmError
from audiolm.train.randomness import Key

QUANTIZER = QuantizerConfig(n_q=4)


@pytest.fixture
def data_dir(tmp_path):
    """Two recordings: 4 s, silent but for second 2 to 3, which is a segment; and 0.5 s."""
    long, short = np.zeros(32000), np.full(4000, 0.25)
    long[16000:24000] = 0.5
    for reco, wav in (("long", long), ("short", short)):
        soundfile.write(tmp_path / f"{reco}.flac", wav, 8000)
    wav = {reco: str(tmp_path / f"{reco}.flac") for reco in ("long", "short")}
    DataDir(wav=wav, segments={"utt": Segment("long", 2.0, 3.0)}).write(tmp_path)
    return tmp_path


def config(data_dir, kind="stft", **options):
    return CodecSystemConfig(
        **settings(kind),
        train_dir=str(data_dir),
        valid_dir=str(data_dir),
        crop=0.64,
        valid_crops=3,
        mel=MelLossConfig(windows=[64, 256], bands=[8, 16]),
        discriminator=DiscriminatorConfig(n_fft=[128], channels=4, dilations=[1]),
        **options,
    )


def batch_of(system, size=4, first=0):
    examples = system.examples()
    return examples.collate([examples(Key(0, index)) for index in range(first, first + size)])


def test_crops_are_functions_of_the_key(data_dir):
    crops = Crops(data_dir, 640, 8000, 0.5, QUANTIZER)
    one, two = crops(Key(0, 5)), Crops(data_dir, 640, 8000, 0.5, QUANTIZER)(Key(0, 5))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert one["wav"].shape == (1, 640) and one["wav"].dtype == np.float32 and one["index"] == 5


@pytest.mark.parametrize(("speech", "low", "high"), [(1.0, 1.0, 1.0), (0.0, 0.25, 0.5)])
def test_crops_favour_segments(data_dir, speech, low, high):
    crops = Crops(data_dir, 1600, 8000, speech, QUANTIZER)
    heard = np.mean([crops(Key(0, index))["wav"].any() for index in range(200)])
    assert low <= heard <= high


def test_crops_leave_out_what_is_heard_too_often(data_dir):
    before = [Crops(data_dir, 640, 8000, 0.5, QUANTIZER)(Key(0, index))["wav"] for index in range(60)]
    (data_dir / "frequent").write_text("long 1.90 3.10 12\n")
    after = [Crops(data_dir, 640, 8000, 0.5, QUANTIZER)(Key(0, index))["wav"] for index in range(60)]
    assert any((wav == 0.5).any() for wav in before) and not any((wav == 0.5).any() for wav in after)
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert any(same) and same == [not (wav == 0.5).any() for wav in before]


def test_recordings_shorter_than_a_crop_end_in_zeros(data_dir):
    crops = Crops(data_dir, 8000, 8000, 0.0, QUANTIZER)
    crops.reco_ends[:] = [0.0, 0.5]  # only the short one
    wav = crops(Key(0, 0))["wav"][0]
    assert (wav[:4000] == 0.25).all() and not wav[4000:].any()


def test_draws_cover_levels_and_leave_half_unquantized(data_dir):
    drawn = [Crops(data_dir, 640, 8000, 0.0, QUANTIZER)(Key(0, index)) for index in range(300)]
    counts = np.bincount([example["levels"] for example in drawn])
    assert not counts[:2].any() and (counts[2:] > 70).all() and len(counts) == 5
    assert 0.4 < np.mean([example["quantized"] for example in drawn]) < 0.6
    all_levels = Crops(data_dir, 640, 8000, 0.0, QuantizerConfig(n_q=4, dropout=0.0, unquantized=0.0))
    assert {(e["levels"], e["quantized"]) for e in map(all_levels, (Key(0, i) for i in range(20)))} == {(4, True)}


def test_discriminator_and_codec_begin_at_their_steps(data_dir):
    torch.manual_seed(0)
    system = CodecSystem(config(data_dir, discriminator_start=1, adversarial_start=2)).train()
    batch = batch_of(system)
    for step, sides, names in (
        (0, {"codec"}, {"mel", "time"}),
        (1, {"codec", "discriminator"}, {"mel", "time", "discriminator"}),
        (2, {"codec", "discriminator"}, {"mel", "time", "discriminator", "adversarial", "features"}),
    ):
        losses, metrics = system.losses(batch, step)
        assert losses.keys() == sides
        assert names <= metrics.keys() and {"commitment", "perplexity3", "usage1"} <= metrics.keys()
        assert not any(value.requires_grad for value in metrics.values())


def test_sides_share_no_gradients(data_dir):
    torch.manual_seed(0)
    system = CodecSystem(config(data_dir)).train()
    batch = batch_of(system)
    losses, _ = system.losses(batch, 0)
    losses["codec"].backward()
    assert all(p.grad is None for p in system.discriminator.parameters())
    assert all(p.grad is not None for p in system.codec.parameters())
    system.zero_grad()
    losses, _ = system.losses(batch, 0)
    losses["discriminator"].backward()
    assert all(p.grad is None for p in system.codec.parameters())
    assert all(p.grad is not None for p in system.discriminator.parameters())


def test_every_parameter_has_one_optimizer_and_transformers_decay(data_dir):
    system = CodecSystem(config(data_dir))
    groups = system.parameter_groups()
    found = [p for side in groups.values() for group in side for p in group["params"]]
    assert len(found) == len(set(found)) == len(list(system.parameters()))
    decayed = {p for group in groups["codec"] if group.get("weight_decay") is None for p in group["params"]}
    names = {name for name, p in system.named_parameters() if p in decayed}
    assert names and all("_transformer.layers" in name and name.endswith("weight") for name in names)


@pytest.mark.parametrize("kind", ["stft", "seanet"])
def test_export_and_init_are_inverse(data_dir, kind):
    torch.manual_seed(0)
    one, other = CodecSystem(config(data_dir, kind)), CodecSystem(config(data_dir, kind))
    one.train().losses(batch_of(one), 0)  # starts the codebooks
    state = one.export_state()
    assert not any("parametrizations" in name or name.startswith("codec.") for name in state)
    other.load_init(state)
    wav = torch.randn(1, 1, 3200)
    assert torch.equal(one.eval().codec.encode(wav), other.eval().codec.encode(wav))
    with pytest.raises(AudiolmError, match="missing: 'quantizer.semantic.output_proj.weight'"):
        other.load_init({k: v for k, v in state.items() if k != "quantizer.semantic.output_proj.weight"})


def test_validation_is_the_same_each_time_and_changes_nothing(data_dir):
    torch.manual_seed(0)
    system = CodecSystem(config(data_dir))
    system.train().losses(batch_of(system), 0)
    system.eval()
    before = {name: tensor.clone() for name, tensor in system.state_dict().items()}
    with torch.no_grad():
        one, two = ([system.validate(batch) for batch in system.validation_batches()] for _ in range(2))
    assert one == two and [values["loss"][1] for values in one] == [3]
    assert all(torch.equal(tensor, before[name]) for name, tensor in system.state_dict().items())


def test_collapse_is_told(data_dir, caplog):
    system = CodecSystem(config(data_dir))
    system.codec.quantizer.codebooks()[1].cluster_usage[1:] = 0.0
    with caplog.at_level("WARNING", logger="audiolm"):
        system.after_step(499)
        assert not caplog.records
        system.after_step(500)
    assert [record.getMessage()[:56] for record in caplog.records] == [
        "step 500: codebook 2 of 16 entries has a perplexity of 1"
    ]
