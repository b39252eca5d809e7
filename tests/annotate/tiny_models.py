"""Random models of a few thousand weights, written in the file formats of the real ones."""

import json
from pathlib import Path

import numpy as np

WHISPER = {"n_audio_ctx": 1500, "n_text_ctx": 448, "n_mels": 80}  # what all sizes but large-v3 share
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>"]
SPECIAL += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]


def pyannote_pipeline(folder: Path, speaking=(1,), clustering="AgglomerativeClustering") -> Path:
    """A pipeline whose segmentation hears the speakers ``speaking`` (of 1 to 3) in every frame."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorMFCC
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(0)
    small = {"hidden_size": 8, "num_layers": 1}
    segmentation = PyanNet(lstm={**small, "bidirectional": True}, linear=small)
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=2.0,
        classes=["a", "b", "c"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    segmentation.build()
    powerset = [(), (1,), (2,), (3,), (1, 2), (1, 3), (2, 3)]
    torch.nn.init.zeros_(segmentation.classifier.weight)
    with torch.no_grad():
        segmentation.classifier.bias[:] = 10 * torch.eye(7)[powerset.index(tuple(speaking))]
    embedding = XVectorMFCC(dimension=16)
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=2.0, classes=["a", "b"]
    )
    embedding.build()
    for name, model in (("segmentation", segmentation), ("embedding", embedding)):
        save_pyannote(model, folder / name)
    parts = {"segmentation": "$model/segmentation", "embedding": "$model/embedding"}
    if clustering == "VBxClustering":
        parts["plda"] = "$model/plda"
        (folder / "plda").mkdir()
        rng = np.random.default_rng(0)
        np.savez(
            folder / "plda/xvec_transform.npz", mean1=np.zeros(16), mean2=np.zeros(8), lda=rng.standard_normal((16, 8))
        )
        np.savez(folder / "plda/plda.npz", mu=np.zeros(8), tr=np.eye(8), psi=np.linspace(2, 1, 8))
        params = {"clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}}
    else:
        params = {"clustering": {"method": "centroid", "min_cluster_size": 1, "threshold": 0.7}}
    config = {
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {**parts, "clustering": clustering},
        },
        "params": {"segmentation": {"min_duration_off": 0.0}, **params},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    return folder


def save_pyannote(model, folder: Path) -> None:
    """Write ``pytorch_model.bin`` as Lightning's checkpoints are."""
    import lightning
    import torch

    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": lightning.__version__,
        "epoch": 0,
    }
    model.on_save_checkpoint(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, folder / "pytorch_model.bin")


def openai_whisper(path: Path, multilingual: bool = False) -> Path:
    """A checkpoint of openai-whisper: ``dims`` and ``model_state_dict``."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    sizes = {"n_audio_state": 16, "n_audio_head": 2, "n_audio_layer": 1}
    sizes |= {"n_text_state": 16, "n_text_head": 2, "n_text_layer": 2, "n_vocab": 51864 + multilingual}
    dims = ModelDimensions(**WHISPER, **sizes)
    model = Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.5)
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)
    return path


def transformers_whisper(folder: Path) -> Path:
    """A folder of transformers' Whisper with a tokenizer of bytes, English only in effect."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = sorted(ByteLevel.alphabet())
    ids = {token: number for number, token in enumerate([*vocabulary, *SPECIAL])}
    stamps = [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    (folder / "vocab.json").write_text(json.dumps(ids))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.add_tokens(SPECIAL + stamps, special_tokens=True)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    config = WhisperConfig(
        vocab_size=len(ids) + len(stamps),
        d_model=64,  # openai-whisper's class wants heads of 64 and feed-forwards of four times that
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=1,
        decoder_attention_heads=1,
        encoder_ffn_dim=256,
        decoder_ffn_dim=256,
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.decoder.embed_positions.weight, std=0.5)
    model.generation_config = GenerationConfig(
        alignment_heads=[[0, 0], [1, 0]],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
        is_multilingual=True,
        lang_to_id={"<|en|>": ids["<|en|>"]},
        task_to_id={"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        max_length=60,
        return_timestamps=False,
    )
    model.save_pretrained(folder)
    return folder


def wav2vec2_ctc(folder: Path) -> Path:
    """A folder of transformers' Wav2Vec2ForCTC over upper-case letters, as facebook/wav2vec2-base-960h is."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    symbols = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]
    (folder / "vocab.json").write_text(json.dumps({symbol: number for number, symbol in enumerate(symbols)}))
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    config = Wav2Vec2Config(
        vocab_size=len(symbols),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder
