"""Codec training: crops, losses and gradients of both sides, export and start from it, the verb that writes codes."""

import numpy as np
import pytest
import soundfile
import torch
from tiny_codecs import settings

from audiolm.codec.discriminators import DiscriminatorConfig
from audiolm.codec.discriminators.spectral import StftConfig
from audiolm.codec.losses import MelLossConfig
from audiolm.codec.system import CodecSystem, CodecSystemConfig
from audiolm.data.datadir import DataDir
from audiolm.errors import AudiolmError
from audiolm.train.randomness import Key


def config(data_dir, kind="stft", **options):
    return CodecSystemConfig(
        **settings(kind),
        train_dir=str(data_dir),
        valid_dir=str(data_dir),
        crop=0.64,
        valid_crops=3,
        mel=MelLossConfig(windows=[64, 256], bands=[8, 16]),
        discriminator=DiscriminatorConfig(stft=StftConfig(n_fft=[128], channels=4, dilations=[1])),
        **options,
    )


def batch_of(system, size=4, first=0):
    examples = system.examples()
    return examples.collate([examples(Key(0, index)) for index in range(first, first + size)])


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


def test_sounds_are_the_first_validation_crops_and_their_resynthesis(data_dir):
    torch.manual_seed(0)
    system = CodecSystem(config(data_dir, samples=2))
    system.train().losses(batch_of(system), 0)
    system.eval()
    with torch.no_grad():
        sounds = system.sounds()
        crops = next(iter(system.validation_batches()))["wav"][:2, 0]
    assert sounds.sample_rate == 8000 and torch.equal(sounds.originals, crops)
    made = system.codec.decode(system.codec.encode(crops[:, None]))[:, 0]
    torch.testing.assert_close(sounds.made, made, rtol=1e-4, atol=1e-5)
    assert CodecSystem(config(data_dir, samples=0)).sounds() is None


def test_silence_alone_trains_without_a_loss_that_is_not_finite(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000), 8000)
    DataDir(wav={"silence": str(tmp_path / "silence.wav")}).write(tmp_path)
    torch.manual_seed(0)
    system = CodecSystem(config(tmp_path)).train()
    for step in range(3):
        losses, _ = system.losses(batch_of(system, first=4 * step), step)
        sum(losses.values()).backward()
        grads = [p.grad for p in system.parameters() if p.grad is not None]
        assert all(torch.isfinite(x).all() for x in (*losses.values(), *grads))


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
