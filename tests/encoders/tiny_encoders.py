"""Random speech encoders of a few thousand weights, written in transformers' format."""

from pathlib import Path


def speech_encoder(folder: Path, kind: str = "hubert", large: bool = False, layers: int = 3) -> Path:
    """A folder of a WavLM, HuBERT or wav2vec 2.0 of 16 dimensions; ``large``: normalised as the large ones are."""
    import torch
    import transformers

    torch.manual_seed(0)
    names = {"hubert": "Hubert", "wavlm": "WavLM", "wav2vec2": "Wav2Vec2"}
    config = getattr(transformers, f"{names[kind]}Config")(
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        do_stable_layer_norm=large,
        feat_extract_norm="layer" if large else "group",
    )
    folder.mkdir(parents=True, exist_ok=True)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=large).save_pretrained(folder)
    getattr(transformers, f"{names[kind]}Model")(config).save_pretrained(folder)
    return folder


def w2v_bert(folder: Path, layers: int = 2) -> Path:
    """A folder of a w2v-BERT 2.0 of 16 dimensions."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.Wav2Vec2BertConfig(
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        conv_depthwise_kernel_size=5,
    )
    transformers.SeamlessM4TFeatureExtractor().save_pretrained(folder)
    transformers.Wav2Vec2BertModel(config).save_pretrained(folder)
    return folder


def whisper(folder: Path, layers: int = 2) -> Path:
    """A folder of a Whisper of 16 dimensions; its positions are for 30 s."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=layers,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        decoder_start_token_id=2,
    )
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    transformers.WhisperModel(config).save_pretrained(folder)
    return folder
