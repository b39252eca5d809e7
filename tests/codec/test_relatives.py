"""Codecs of other papers from the same parts: EnCodec, SoundStream, SpeechTokenizer, DAC."""

import pytest
import torch
from tiny_codecs import relative, tiny_codec

from audiolm.codec.dac import DacConfig, DacDecoder, DacEncoder
from audiolm.codec.model import Codec, CodecConfig
from audiolm.codec.quantize import Draws, QuantizerConfig
from audiolm.codec.seanet import SeanetConfig, SeanetDecoder, SeanetEncoder

NAMES = ["encodec", "soundstream", "speechtokenizer", "dac"]


@pytest.fixture(params=NAMES)
def name(request):
    torch.manual_seed(0)
    return request.param


def test_frames_and_samples(name):
    codec = tiny_codec(name)
    assert (codec.frame_size, codec.n_q, codec.codebook_sizes) == (320, 3, [16, 16, 16])
    for samples, frames in ((1, 1), (320, 1), (321, 2), (3200, 10)):
        codes = codec.encode(torch.randn(2, 1, samples))
        assert codes.shape == (2, 3, frames)
        assert codec.decode(codes).shape == (2, 1, frames * 320)


def test_only_soundstream_streams(name):
    codec = tiny_codec(name)
    wav = torch.randn(1, 1, 20 * 320)
    changed = torch.cat((wav[..., : 12 * 320], torch.randn(1, 1, 8 * 320)), dim=-1)
    depends = (codec.to_latents(wav) - codec.to_latents(changed)).abs().amax(dim=(0, 1))[:12] > 1e-6
    # A start that is reflected shows in the first frames what comes six frames later.
    assert depends[6:].any() == (name in ("speechtokenizer", "dac"))
    assert codec.causal == (name == "soundstream") and (codec.past is None) == (name != "soundstream")


def test_training_pass_gives_gradients_to_every_parameter(name):
    codec = Codec(CodecConfig(**relative(name))).train()
    draws = Draws(torch.arange(2), torch.tensor([3, 3]), torch.tensor([True, True]))
    output, quantized = codec(0.1 * torch.randn(2, 1, 3200), draws)
    loss = output.square().mean() + quantized.commitment
    if name == "dac":
        loss = loss + quantized.codebook
    loss.backward()
    missing = [name for name, p in codec.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not missing and output.shape == (2, 1, 3200)


def copy_parameters(ours, theirs):
    """Both list their parameters in the order of their layers."""
    ours, theirs = list(ours.parameters()), list(theirs.parameters())
    assert [p.shape for p in ours] == [p.shape for p in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        mine.data.copy_(other.data)


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_seanet_equals_encodec(causal):
    from transformers.models.encodec import EncodecConfig
    from transformers.models.encodec.modeling_encodec import EncodecDecoder, EncodecEncoder

    torch.manual_seed(0)
    theirs = EncodecConfig(num_filters=4, upsampling_ratios=[5, 4, 2], hidden_size=16, use_causal_conv=causal)
    shape = {"channels": 4, "ratios": [5, 4, 2], "last_kernel_size": 7, "shortcut": "conv"}
    ours = SeanetConfig(**shape, lstm=2, pad_mode="reflect", causal=causal)
    latents = torch.randn(2, 16, 5)
    encoder, decoder = SeanetEncoder(ours, 16), SeanetDecoder(ours, 16)
    copy_parameters(encoder, their_encoder := EncodecEncoder(theirs))
    copy_parameters(decoder, their_decoder := EncodecDecoder(theirs))
    for samples in (3, 40, 403, 800):
        wav = torch.randn(2, 1, samples)
        assert torch.equal(encoder(wav), their_encoder(wav))
    assert torch.equal(decoder(latents), their_decoder(latents))


@torch.no_grad()
def test_dac_equals_dac():
    from transformers import DacConfig as Theirs
    from transformers import DacModel

    torch.manual_seed(0)
    theirs = Theirs(
        encoder_hidden_size=4, decoder_hidden_size=16, downsampling_ratios=[2, 4], n_codebooks=4, codebook_size=32
    )
    reference = DacModel(theirs).eval()
    for name, parameter in reference.named_parameters():
        parameter.uniform_(0.5, 1.5) if name.endswith("alpha") else parameter.normal_(std=0.1)
    ours = DacConfig(channels=4, ratios=[4, 2], norm="none")
    encoder, decoder = DacEncoder(ours, 16), DacDecoder(ours, 16)
    copy_parameters(encoder, reference.encoder)
    copy_parameters(decoder, reference.decoder)
    config = QuantizerConfig(n_q=4, codebook_size=32, codebook_dim=8, split=False, kind="factorised")
    quantizer = config.build(16).eval()
    for level, other in zip(quantizer.layers, reference.quantizer.quantizers, strict=True):
        level.input_proj.load_state_dict(other.in_proj.state_dict())
        level.output_proj.load_state_dict(other.out_proj.state_dict())
        level.codebook.embed.copy_(other.codebook.weight)
    latents = reference.encoder(wav := torch.randn(2, 1, 8 * 50))
    torch.testing.assert_close(encoder(wav), latents)
    torch.testing.assert_close(decoder(latents), reference.decoder(latents))
    quantized, codes, *_ = reference.quantizer(latents)
    assert torch.equal(quantizer.encode(latents), codes)
    torch.testing.assert_close(quantizer.decode(codes), quantized)
