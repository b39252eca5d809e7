"""Streaming against whole recordings: any chunks, slots that reset and pause one by one, state that stays in place."""

from dataclasses import replace

import pytest
import torch
from tiny_codecs import relative, settings, tiny_codec

from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.errors import AudiolmError

KINDS = ["stft", "seanet", "soundstream", "lstm", "replicate", "factorised"]


def make(kind: str) -> Codec:
    """A tiny codec."""
    torch.manual_seed(0)
    if kind in ("stft", "seanet", "soundstream", "dac", "speechtokenizer", "encodec"):
        return tiny_codec(kind).requires_grad_(False)
    seanet = SeanetConfig(channels=4, ratios=[8, 8, 5], residual_layers=2, shortcut="conv")
    quantizer = QuantizerConfig(n_q=3, codebook_size=16, codebook_dim=8)
    if kind == "lstm":
        seanet = replace(seanet, lstm=2)
    elif kind == "replicate":
        seanet = replace(seanet, pad_mode="replicate")
    else:
        quantizer = replace(quantizer, kind="factorised")
    sides = {"encoder": EncoderConfig(seanet=seanet), "decoder": DecoderConfig(seanet=seanet)}
    base = settings() if kind != "lstm" else relative("soundstream")
    codec = Codec(CodecConfig(**{**base, **sides, "quantizer": quantizer})).eval().requires_grad_(False)
    for codebook in codec.quantizer.codebooks():
        getattr(codebook, "embed_sum", getattr(codebook, "embed", None)).normal_()
    return codec


@pytest.fixture(params=KINDS)
def codec(request):
    return make(request.param)


def chunked(call, x: torch.Tensor, unit: int, chunks: list[int]) -> torch.Tensor:
    return torch.cat([call(part) for part in x.split([unit * n for n in chunks], dim=-1)], dim=-1)


def latents_of(codec: Codec, stream, wav: torch.Tensor) -> torch.Tensor:
    """What the quantizer gets, [B, dim, frames], for a chunk."""
    seen = []
    codec_codes = stream.form.to_codes
    stream.form.to_codes = lambda latents: seen.append(latents) or codec_codes(latents)
    stream.encode(wav)
    stream.form.to_codes = codec_codes
    return seen[0].transpose(1, 2)


@pytest.mark.parametrize("chunks", [[1] * 13, [4, 1, 2, 1, 4, 1]], ids=["ones", "mixed"])
def test_equals_whole_recordings(codec, chunks):
    wav = 0.3 * torch.randn(2, 1, 13 * codec.frame_size)
    codes = codec.encode(wav)
    stream = codec.streaming(batch=2, max_frames=4)
    assert torch.equal(chunked(stream.encode, wav, codec.frame_size, chunks), codes)
    sound = chunked(stream.decode, codes, 1, chunks)
    torch.testing.assert_close(sound, codec.decode(codes), atol=1e-4, rtol=0)
    assert sound.abs().max() > 1e-3
    stream.reset()
    latents = chunked(lambda x: latents_of(codec, stream, x), wav, codec.frame_size, chunks)
    torch.testing.assert_close(latents, codec.to_latents(wav), atol=1e-4, rtol=0)


def test_slots_reset_and_pause_one_by_one(codec):
    """Four recordings in two slots, each begun, paused and followed by another at times of its own."""
    frame = codec.frame_size
    wavs = 0.3 * torch.randn(4, 1, 10 * frame)
    codes = codec.encode(wavs)
    sounds = codec.decode(codes)
    stream = codec.streaming(batch=2, max_frames=2)
    place = {0: [0, 0], 1: [1, 0]}  # slot -> recording, frames that it has had
    heard = {slot: ([], []) for slot in range(4)}
    schedule = [(2, [1, 1]), (1, [1, 0]), (2, [0, 1]), (1, [1, 1]), "next 0", (2, [1, 1]), (1, [0, 1]), (2, [1, 0])]
    for what in [*schedule, "next 1", (1, [1, 1]), (2, [1, 1])]:
        if isinstance(what, str):
            slot = int(what[-1])
            stream.reset([slot])
            place[slot] = [place[slot][0] + 2, 0]
            continue
        frames, active = what
        spans = [(row, slice(at, at + frames)) for row, at in place.values()]
        chunk = torch.stack([wavs[row, :, span.start * frame : span.stop * frame] for row, span in spans])
        mask = None if all(active) else torch.tensor(active, dtype=torch.bool)
        found = stream.encode(chunk, mask)
        sound = stream.decode(torch.stack([codes[row, :, span] for row, span in spans]), mask)
        for slot in (0, 1):
            if active[slot]:
                row = place[slot][0]
                heard[row][0].append(found[slot])
                heard[row][1].append(sound[slot])
                place[slot][1] += frames
    for row, (found, sound) in heard.items():
        found, sound = torch.cat(found, dim=-1), torch.cat(sound, dim=-1)
        assert torch.equal(found, codes[row, :, : found.shape[1]]) and found.shape[1] >= 3
        torch.testing.assert_close(sound, sounds[row, :, : sound.shape[1]], atol=1e-4, rtol=0)


def test_state_stays_where_it_is(codec):
    stream = codec.streaming(batch=2)
    wav, codes = torch.randn(2, 1, codec.frame_size), torch.zeros(2, 3, 1, dtype=torch.int64)
    stream.encode(wav)
    stream.decode(codes)
    directions = (stream._encoding, stream._decoding)
    before = [[(buffer.data_ptr(), buffer.shape) for buffer in side.slots.buffers] for side in directions]
    for t in range(20):
        stream.encode(wav, torch.tensor([t % 3 == 0, True]))
        stream.decode(codes)
        stream.reset([t % 2])
    assert before == [[(buffer.data_ptr(), buffer.shape) for buffer in side.slots.buffers] for side in directions]


def test_fewer_levels_decode(codec):
    codes = codec.encode(0.3 * torch.randn(1, 1, 3 * codec.frame_size))[:, :2]
    stream = codec.streaming(batch=1, max_frames=3)
    torch.testing.assert_close(stream.decode(codes), codec.decode(codes), atol=1e-4, rtol=0)


def test_prepared_codec_equals_itself_in_any_batch(codec):
    wav = 0.3 * torch.randn(3, 1, 9 * codec.frame_size - 5)
    codes = codec.encode(wav)
    sound = codec.decode(codes)
    assert codec.prepare() is codec
    assert torch.equal(codec.encode(wav), codes) and torch.equal(codec.encode(wav[1:2]), codes[1:2])
    torch.testing.assert_close(codec.decode(codes), sound, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("tile", "seconds"), [(512, 4.0), (1, 0.1)])
def test_tiles_of_any_size_give_the_same(codec, tile, seconds, monkeypatch):
    wav = 0.3 * torch.randn(2, 1, 6 * codec.frame_size)
    codes = codec.encode(wav)
    sound = codec.decode(codes)
    monkeypatch.setattr("audiolm.codec.prepared.TILE", tile)
    monkeypatch.setattr("audiolm.codec.prepared.SECONDS", seconds)
    codec.prepare()
    assert torch.equal(codec.encode(wav), codes)
    torch.testing.assert_close(codec.decode(codes), sound, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("precision", "share"), [("fp16", 0.95), ("bf16", 0.8), ("int8", 0.5)])
@pytest.mark.parametrize("kind", ["stft", "seanet"])
def test_reduced_precision_stays_near(kind, precision, share, monkeypatch):
    monkeypatch.setattr("audiolm.nn.packed.SMALLEST", 0)  # tiny layers too
    monkeypatch.setattr("audiolm.nn.processor.cpu_multiplies_bf16", lambda: True)
    codec = make(kind)
    wav = 0.3 * torch.randn(2, 1, 20 * codec.frame_size)
    codes = codec.encode(wav)
    sound = codec.decode(codes)
    codec.prepare(precision)
    assert (codec.encode(wav) == codes).float().mean() >= share
    error = codec.decode(codes) - sound
    assert error.square().mean() < 0.01 * sound.square().mean()
    stream = codec.streaming(batch=2, max_frames=20)
    assert stream.encode(wav).shape == codes.shape and stream.decode(codes).dtype == torch.float32


@pytest.mark.parametrize("kind", ["encodec", "speechtokenizer", "dac"])
def test_what_looks_ahead_does_not_stream(kind):
    codec = make(kind)
    with pytest.raises(AudiolmError, match="this codec sees what comes later"):
        codec.streaming(batch=1)
    codes = codec.encode(torch.zeros(1, 1, 640))
    assert torch.equal(codec.prepare().encode(torch.zeros(1, 1, 640)), codes)


def test_wrong_shapes_and_graphs_without_a_gpu_are_refused():
    codec = make("stft")
    stream = codec.streaming(batch=2, max_frames=2)
    for shape in ([2, 1, 639], [1, 1, 640], [2, 1, 1920], [2, 640], [2, 1, 0]):
        with pytest.raises(AudiolmError, match=r"expected \[2, 1, n \* 640\] with n = 1 … 2"):
            stream.encode(torch.zeros(shape))
    for shape in ([1, 3, 1], [2, 4, 1], [2, 3, 3], [2, 3, 0], [2, 3]):
        with pytest.raises(AudiolmError, match=r"expected \[2, K, n\] with K = 1 … 3 and n = 1 … 2"):
            stream.decode(torch.zeros(shape, dtype=torch.int64))
    with pytest.raises(AudiolmError, match="CUDA graphs need a CUDA device"):
        codec.streaming(batch=1, graphs=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("graphs", [False, True], ids=["plain", "graphs"])
def test_on_a_gpu_as_on_the_cpu(codec, graphs):
    frame = codec.frame_size
    wav = 0.3 * torch.randn(2, 1, 12 * frame)
    codes = codec.encode(wav)
    sound = codec.decode(codes)
    stream = codec.to("cuda").streaming(batch=2, max_frames=2, graphs=graphs)
    nobody = torch.zeros(2, dtype=torch.bool, device="cuda")
    for begin in (0, 5):  # slot 1 begins anew after five frames; between any two frames all pause for one
        found, heard = [], []
        stream.reset([1] if begin else None)
        for now in range(begin, begin + 5):
            rows = ((0, now), (1, now - begin))
            samples = torch.stack([wav[row, :, t * frame : (t + 1) * frame] for row, t in rows]).cuda()
            found.append(stream.encode(samples))
            heard.append(stream.decode(torch.stack([codes[row, :, t : t + 1] for row, t in rows]).cuda()))
            stream.encode(torch.randn_like(samples), nobody)
        found, heard = torch.cat(found, dim=2).cpu(), torch.cat(heard, dim=2).cpu()
        assert torch.equal(found[0], codes[0, :, begin : begin + 5]) and torch.equal(found[1], codes[1, :, :5])
        torch.testing.assert_close(heard[0], sound[0, :, begin * frame : (begin + 5) * frame], atol=1e-4, rtol=0)
        torch.testing.assert_close(heard[1], sound[1, :, : 5 * frame], atol=1e-4, rtol=0)
