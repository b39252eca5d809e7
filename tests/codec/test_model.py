"""The codec as a whole: frames, causality, batches, configs."""

import pytest
import torch
from tiny_codecs import relative, settings, tiny_codec

from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import Draws
from audiolm.codec.seanet import SeanetConfig, SeanetDecoder, SeanetEncoder
from audiolm.codec.spectral import SpectralConfig
from audiolm.errors import AudiolmError
from audiolm.nn.transformer import TransformerConfig

KINDS = ["stft", "seanet"]


@pytest.fixture(params=KINDS)
def codec(request):
    torch.manual_seed(0)
    return tiny_codec(request.param)


def test_frames_and_samples(codec):
    assert (codec.frame_size, codec.n_q, codec.codebook_sizes) == (640, 3, [16, 16, 16])
    for samples, frames in ((1, 1), (640, 1), (641, 2), (6400, 10)):
        codes = codec.encode(torch.randn(2, 1, samples))
        assert codes.shape == (2, 3, frames) and codes.dtype == torch.int64
        assert codec.decode(codes).shape == (2, 1, frames * 640)


def test_codes_of_a_frame_do_not_depend_on_what_follows_it(codec):
    wav = torch.randn(1, 1, 6400)
    codes = codec.encode(wav)
    for frame in (1, 4, 9):
        changed = wav.clone()
        changed[..., frame * 640 :] = torch.randn(6400 - frame * 640)
        assert torch.equal(codec.encode(changed)[..., :frame], codes[..., :frame])
        assert torch.equal(codec.encode(wav[..., : frame * 640]), codes[..., :frame])


def test_sound_depends_on_the_codes_so_far(codec):
    codes = torch.randint(16, (1, 3, 10))
    wav = codec.decode(codes)
    changed = codes.clone()
    changed[..., 4:] = torch.randint(16, (1, 3, 6))
    assert torch.allclose(codec.decode(changed)[..., : 4 * 640], wav[..., : 4 * 640], atol=1e-5)


def test_batched_and_padded_equals_single(codec):
    waves = [torch.randn(length) for length in (6400, 3000, 700)]
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)[:, None]
    together = codec.encode(padded)
    for row, wave in zip(together, waves, strict=True):
        alone = codec.encode(wave[None, None])[0]
        assert torch.equal(row[:, : alone.shape[1]], alone)


def test_window_that_begins_early_enough_has_the_same_codes(codec):
    wav = torch.randn(1, 1, 640 * 40)
    latents, past = codec.to_latents(wav), codec.past
    assert past < 20
    begin = 30 - past
    window = codec.to_latents(wav[..., begin * 640 :])
    assert torch.allclose(window[..., past:], latents[..., 30:], atol=1e-5)
    late = codec.to_latents(wav[..., 29 * 640 :])
    assert not torch.allclose(late[..., 1:2], latents[..., 30:31], atol=1e-5)


def test_training_pass_gives_gradients_to_every_parameter(codec):
    codec.train()
    draws = Draws(torch.arange(2), torch.tensor([2, 2]), torch.tensor([True, True]))
    output, quantized = codec(0.1 * torch.randn(2, 1, 6400), draws)
    (output.square().mean() + quantized.commitment).backward()
    missing = [name for name, p in codec.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not missing and output.shape == (2, 1, 6400)


def test_same_codes_every_time(codec):
    wav = torch.randn(3, 1, 6400)
    assert torch.equal(codec.encode(wav), codec.encode(wav))


def test_fewer_levels_decode_and_wrong_codes_are_refused(codec):
    codes = torch.randint(16, (1, 3, 4))
    assert not torch.equal(codec.decode(codes[:, :1]), codec.decode(codes))
    for wrong in (torch.zeros(1, 4, 2, dtype=torch.int64), codes - 20, codes + 16):
        with pytest.raises(AudiolmError, match="this codec has 3 levels of 16 entries"):
            codec.decode(wrong)


def test_seanet_is_that_of_transformers_mimi():
    mimi = pytest.importorskip("transformers.models.mimi.modeling_mimi")
    theirs = mimi.MimiConfig(num_filters=4, hidden_size=16, upsampling_ratios=[4, 3, 2])
    ours = SeanetConfig(channels=4, ratios=[4, 3, 2], norm="none")
    x, latents = torch.randn(2, 1, 96), torch.randn(2, 16, 5)
    for mine, other, given in (
        (SeanetEncoder(ours, 16), mimi.MimiEncoder(theirs), x),
        (SeanetDecoder(ours, 16), mimi.MimiDecoder(theirs), latents),
    ):
        mine.load_state_dict(other.state_dict())
        assert torch.allclose(mine(given), other(given), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"encoder": EncoderConfig(stft=SpectralConfig(ratios=[8]))},
            "encoder takes 640 samples a step, decoder gives 320",
        ),
        ({"sample_rate": 8192}, "is not a whole number"),
        ({"dim": 32}, "encoder_transformer.dim is 16, dim is 32"),
        ({"decoder_transformer": TransformerConfig(dim=16, heads=2)}, "decoder_transformer must be causal with a con"),
    ],
)
def test_configs_that_do_not_fit_are_refused(change, message):
    with pytest.raises(AudiolmError, match=message):
        CodecConfig(**{**settings(), **change})


def test_encoder_and_decoder_are_one_of_their_kinds():
    with pytest.raises(AudiolmError, match="encoder has no section; give exactly one of: seanet, dac, stft"):
        EncoderConfig()
    with pytest.raises(AudiolmError, match="decoder has seanet and istft; give exactly one of: seanet, dac, istft"):
        DecoderConfig(seanet=SeanetConfig(), istft=SpectralConfig())
    with pytest.raises(AudiolmError, match="n_fft 100 is not a multiple of stft_hop 80"):
        SpectralConfig(n_fft=100)


@pytest.mark.parametrize("name", ["seanet", "encodec", "soundstream", "speechtokenizer", "dac"])
def test_untrained_sides_keep_the_signal(name):
    """What differs between inputs is most of the output, as loud as it came: nothing is drowned by biases."""
    torch.manual_seed(0)
    config = CodecConfig(**(settings(name) if name == "seanet" else relative(name)))
    codec = Codec(config)
    wav = 0.1 * torch.randn(8, 1, 6400)
    with torch.no_grad():
        latents, made = codec.encoder(wav), codec.decoder(torch.randn(8, config.dim, 20))
    assert 0.2 < float(latents.std()) < 5
    assert float(latents.std(dim=0).mean()) > 0.5 * float(latents.std())
    assert 0.01 < float(made.std()) < 0.5
    assert float(made.std(dim=0).mean()) > 0.5 * float(made.std())
