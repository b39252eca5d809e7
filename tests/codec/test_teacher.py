"""Teachers of the first level: rates, alignment, kinds of the distillation loss in a step."""

import pytest
import torch
from tiny_codecs import settings

from audiolm.codec.losses import MelLossConfig
from audiolm.codec.system import CodecSystem, CodecSystemConfig
from audiolm.codec.teacher import Teacher, TeacherConfig
from audiolm.config.yaml_files import write_yaml
from audiolm.errors import AudiolmError
from audiolm.recognizer.model import Recognizer, RecognizerModelConfig
from audiolm.train.checkpoint import write_model
from tests.encoders.tiny_encoders import speech_encoder, whisper


@pytest.fixture(scope="module")
def hubert(tmp_path_factory) -> str:
    pytest.importorskip("transformers")
    return str(speech_encoder(tmp_path_factory.mktemp("teacher") / "hubert"))


@pytest.mark.parametrize(("sample_rate", "frame_rate"), [(24000, 12.5), (16000, 50.0), (8000, 25.0), (44100, 12.5)])
def test_an_encoder_of_16_khz_gives_a_state_for_each_frame_of_the_codec(hubert, sample_rate, frame_rate):
    teacher = Teacher(TeacherConfig(hubert, "mean", backend="transformers"), sample_rate, frame_rate)
    frames = round(0.96 * frame_rate)
    wav = torch.randn(2, 1, round(frames * sample_rate / frame_rate))
    states = teacher(wav)
    assert states.shape == (2, frames, 16) and states.dtype == torch.float32


def test_whispers_encoder_teaches_without_thirty_seconds(tmp_path):
    pytest.importorskip("transformers")
    teacher = Teacher(TeacherConfig(str(whisper(tmp_path)), "auto", backend="transformers"), 24000, 12.5)
    assert teacher(torch.randn(2, 1, 1920 * 13)).shape == (2, 13, 16) and not teacher.model.pad


def test_states_are_pooled_encoder_states_of_resampled_sound(hubert):
    from torchaudio.functional import resample

    from audiolm.codec.losses import pool_teacher
    from audiolm.encoders.load import load_encoder

    wav = torch.randn(2, 1, 24000 * 2)
    with torch.no_grad():
        states = load_encoder("transformers", hubert, 2)(resample(wav[:, 0], 24000, 16000)).states
    pooled = pool_teacher(states, 4)
    assert torch.allclose(pooled[:, 3], states[:, 10:18].mean(1), atol=1e-6)  # kernel 8, stride 4, both ways
    ours = Teacher(TeacherConfig(hubert, 2, backend="transformers"), 24000, 12.5)(wav)
    assert torch.allclose(ours, pooled, atol=1e-4)


def test_a_recogniser_of_another_sample_rate_hears_resampled_sound(tmp_path):
    torch.manual_seed(0)
    shape = {"sample_rate": 8000, "dim": 16, "layers": 2, "heads": 2, "ffn_dim": 32, "n_mels": 20}
    write_yaml(tmp_path / "config.yaml", {"system": "recognizer", "model": shape})
    write_model(tmp_path, Recognizer(RecognizerModelConfig(**shape)).state_dict())
    teacher = Teacher(TeacherConfig(str(tmp_path), 2), 24000, 12.5)
    assert teacher(torch.randn(1, 1, 1920 * 13)).shape == (1, 13, 16)
    with pytest.raises(AudiolmError, match="layer 3 of .*, expected 1 to 2, or mean"):
        Teacher(TeacherConfig(str(tmp_path), 3), 24000, 12.5)


def test_frame_rates_must_divide(hubert):
    with pytest.raises(AudiolmError, match="gives 50 frames a second, the codec needs a multiple of its frame_rate 75"):
        Teacher(TeacherConfig(hubert, 1, backend="transformers"), 24000, 75.0)
    with pytest.raises(AudiolmError, match="gives 50 frames a second"):
        TeacherConfig(hubert, 1, backend="transformers").check(75.0)  # before any weights are read


@pytest.mark.parametrize("loss", ["cosine", "feature_axis"])
def test_distillation_reaches_the_encoder_and_the_projection_alone(hubert, loss):
    torch.manual_seed(0)
    teacher = TeacherConfig(hubert, "mean", weight=2.0, backend="transformers", loss=loss)
    mel = MelLossConfig(windows=[64], bands=[8])
    system = CodecSystem(
        CodecSystemConfig(**settings(), train_dir="no", valid_dir="no", crop=0.64, mel=mel, teacher=teacher)
    ).train()
    index = torch.arange(2)
    batch = {
        "wav": torch.randn(2, 1, 5120),
        "index": index,
        "levels": torch.full_like(index, 2),
        "quantized": index > 5,
    }
    with torch.autocast("cpu", torch.bfloat16):
        losses, metrics = system.losses(batch, 0)
    assert torch.isfinite(metrics["distillation"]) and metrics["distillation"] > 0
    losses["codec"].backward()
    assert system.to_teacher.weight.grad.abs().sum() > 0
    assert not any("teacher.model" in name for name in system.state_dict())
    assert all(p.grad is None for p in system.teacher.model.parameters())


def test_a_training_goes_on_with_the_projection_to_its_teacher(hubert, tmp_path):
    def system(layer="mean", path=hubert) -> CodecSystem:
        teacher = None if path is None else TeacherConfig(path, layer, backend="transformers")
        mel = MelLossConfig(windows=[64], bands=[8])
        shape = CodecSystemConfig(**settings(), train_dir="no", valid_dir="no", crop=0.64, mel=mel, teacher=teacher)
        return CodecSystem(shape)

    torch.manual_seed(0)
    first, second, third = system(), system(), system(path=None)
    assert third.export_parts() == {}
    write_model(tmp_path, first.export_state())
    (name, part), *others = first.export_parts().items()
    write_model(tmp_path, part, name)
    assert name == "distillation.safetensors" and not others
    second.load_init(second.read_init(str(tmp_path)))
    assert torch.equal(second.to_teacher.weight, first.to_teacher.weight)
    assert torch.equal(second.to_teacher.bias, first.to_teacher.bias)
    third.load_init(third.read_init(str(tmp_path)))  # without a teacher there is no use for it
    part = {key: tensor[:3] for key, tensor in part.items()}
    write_model(tmp_path, part, name)  # of a teacher of 3 channels
    second.to_teacher.weight.data.zero_()
    second.load_init(second.read_init(str(tmp_path)))
    assert not second.to_teacher.weight.any()
    (tmp_path / name).unlink()
    second.load_init(second.read_init(str(tmp_path)))
    assert not second.to_teacher.weight.any()
