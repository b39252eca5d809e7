"""Pretrained CTC models as aligners: both layouts, long recordings in windows, models without a word boundary."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torchaudio = pytest.importorskip("torchaudio")

from tiny_models import wav2vec2_ctc  # noqa: E402

from audiolm.annotate import wav2vec2  # noqa: E402
from audiolm.annotate.ctc import CtcAligner  # noqa: E402
from audiolm.annotate.timed import Failure, Utterance  # noqa: E402
from audiolm.annotate.wav2vec2 import Wav2Vec2Posteriors, load_posteriors  # noqa: E402
from audiolm.errors import AudiolmError  # noqa: E402

FS, STRIDE = 16000, 320
LETTERS = ("-", *"abcdefghijklmnopqrstuvwxyz'")  # as MMS_FA: lower case, no word boundary


class Spelling(torch.nn.Module):
    """Logits that favour the symbol whose number each frame of the waveform holds; valid convolution as wav2vec2's."""

    def forward(self, wav):
        frames = wav.unfold(1, 400, STRIDE)[..., 0]  # [1, F]
        return (10 * torch.nn.functional.one_hot((frames * 100).round().long(), len(LETTERS)).float(),)


@pytest.fixture
def aligner():
    return CtcAligner(Wav2Vec2Posteriors(Spelling().requires_grad_(False), LETTERS, False, FS, STRIDE), "spelling")


@pytest.fixture(autouse=True)
def one_parameter(monkeypatch):
    monkeypatch.setattr(Spelling, "parameters", lambda self, recurse=True: iter([torch.zeros(1)]))
    monkeypatch.setattr(Wav2Vec2Posteriors, "parameters", lambda self, recurse=True: iter([torch.zeros(1)]))


def spoken(path, words):
    wav = np.repeat(np.array([LETTERS.index(symbol) for symbol in path], dtype=np.float32) / 100, STRIDE)
    wav = np.concatenate([wav, np.zeros(80, dtype=np.float32)])
    return Utterance("u", wav, FS, words, 0.0, len(wav) / FS)


def test_words_without_a_boundary_symbol(aligner):
    (found,) = aligner.align([spoken("--o-n-e--two--", ["One", "two!"])])
    assert [(word.word, round(word.start, 3), round(word.end, 3)) for word in found] == [
        ("One", 0.04, 0.14),
        ("two!", 0.18, 0.24),
    ]


def test_long_recordings_go_through_in_windows(aligner, monkeypatch):
    path = "-" * 40 + "one" + "-" * 30 + "two" + "-" * 50 + "three" + "-" * 20
    utterance = spoken(path, ["one", "two", "three"])
    whole = aligner.align([utterance])
    monkeypatch.setattr(wav2vec2, "WINDOW", 0.8)  # 40 frames
    monkeypatch.setattr(wav2vec2, "CONTEXT", 0.1)
    assert aligner.align([utterance]) == whole
    assert [round(word.start * 50) for word in whole[0]] == [40, 73, 126]


def test_a_character_that_the_model_lacks(aligner):
    (failure,) = aligner.align([spoken("--o-n-e--", ["naïve"])])
    assert isinstance(failure, Failure) and "'ï'" in failure.reason


@pytest.mark.slow
def test_folder_of_transformers(tmp_path):
    pytest.importorskip("transformers")
    model = load_posteriors(str(wav2vec2_ctc(tmp_path / "w2v")))
    assert model.frame_rate == 50 and model.text_ids("it's me") == [10, 6, 27, 12, 4, 17, 5]
    wav = torch.randn(2, FS)
    together, frames = model.log_probs(wav, torch.tensor([FS, FS // 2]))
    assert frames.tolist() == [49, 24]
    alone, _ = model.log_probs(wav[1:, : FS // 2], torch.tensor([FS // 2]))
    torch.testing.assert_close(together[1, :24], alone[0])
    with pytest.raises(AudiolmError, match="holds no vocab.json"):
        load_posteriors(str(tmp_path))


def test_bundles_come_from_the_hub_cache(tmp_path, monkeypatch):
    from torchaudio.pipelines._wav2vec2.impl import Wav2Vec2FABundle

    layers = [(8, 10, 5), (8, 3, 2), (8, 3, 2), (8, 3, 2), (8, 3, 2), (8, 2, 2), (8, 2, 2)]
    params = torchaudio.pipelines.MMS_FA._params | {
        "extractor_conv_layer_config": layers,
        "encoder_embed_dim": 16,
        "encoder_pos_conv_kernel": 16,
        "encoder_pos_conv_groups": 2,
        "encoder_num_layers": 1,
        "encoder_num_heads": 2,
        "encoder_ff_interm_features": 16,
    }

    fields = dict(_path="tiny.pt", _params=params, _labels=torchaudio.pipelines.MMS_FA._labels, _sample_rate=16000)
    tiny = Wav2Vec2FABundle(**fields, _normalize_waveform=True, _model_type="Wav2Vec2")
    monkeypatch.setattr(torchaudio.pipelines, "TINY_FA", tiny, raising=False)
    monkeypatch.setattr(wav2vec2, "reachable", lambda url: False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(AudiolmError, match="no weights of TINY_FA at .*tiny.pt, and their server cannot be reached"):
        load_posteriors("TINY_FA")
    (tmp_path / "checkpoints").mkdir()
    state = torchaudio.models.wav2vec2_model(**params).state_dict()
    for key in ("aux.weight", "aux.bias"):  # released files hold three columns more, which torchaudio drops
        state[key] = torch.cat([state[key][:1], torch.zeros_like(state[key][:3]), state[key][1:]])
    torch.save(state, tmp_path / "checkpoints/tiny.pt")
    model = load_posteriors("TINY_FA")
    assert model.frame_rate == 50 and model.text_ids("a i") == [1, 2]
    log_probs, frames = model.log_probs(torch.randn(1, FS), torch.tensor([FS]))
    assert log_probs.shape == (1, 49, 28) and frames.tolist() == [49]


def test_what_is_no_model_is_told():
    with pytest.raises(AudiolmError, match="no CTC model 'MMS_FAA'"):
        load_posteriors("MMS_FAA")
