"""The causal transformer over frames and its text stream: a text LM by itself, the temporal part of audio LMs."""

from torch import Tensor, nn

from audiolm.lm.embedding import StreamEmbedding
from audiolm.lm.stamp import Stamp
from audiolm.nn.norms import make_norm
from audiolm.nn.transformer import Transformer, TransformerCache, TransformerConfig, init_linear


class Backbone(nn.Module):
    """Text embedding, transformer, final norm and text head (Helium's shape: Moshi, section 3.2.1).

    An audio LM adds other streams' embeddings to ``embed_text`` and predicts their tokens from ``forward``'s output;
    with none added this is a text LM, whose weights can start the audio LM's.
    """

    def __init__(self, text_vocab: int, config: TransformerConfig):
        super().__init__()
        self.text_embedding = StreamEmbedding([text_vocab], config.dim)
        self.transformer = Transformer(config)
        self.norm = make_norm(config.norm, config.dim, config.norm_eps)
        self.text_head = nn.Linear(config.dim, text_vocab, bias=False)
        init_linear(self.text_head)
        self.tokenizer = Stamp()

    def embed_text(self, tokens: Tensor) -> Tensor:
        """int64 [..., T] -> [..., T, dim]; -1 = no text, the vocabulary size = start."""
        return self.text_embedding(tokens[..., None])

    def forward(
        self,
        x: Tensor,
        cache: TransformerCache | None = None,
        segments: Tensor | None = None,
        prefix: Tensor | None = None,
    ) -> Tensor:
        """Summed embeddings [B, T, dim] -> normalised states [B, T, dim] from which frame t's tokens are predicted.

        Args:
            segments, prefix: see :meth:`audiolm.nn.transformer.Transformer.forward`.
        """
        return self.norm(self.transformer(x, cache, segments, prefix))

    def text_logits(self, tokens: Tensor, cache: TransformerCache | None = None) -> Tensor:
        """As a text LM: int64 [B, T] -> logits of each next token, [B, T, vocabulary]."""
        return self.text_head(self(self.embed_text(tokens), cache))
