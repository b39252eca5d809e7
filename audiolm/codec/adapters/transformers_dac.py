"""Descript's audio codec as transformers' ``DacModel`` has it (descript/dac_16khz, dac_24khz, dac_44khz).

Where a ratio is odd (5 at 24 kHz), their decoder leaves out that stage's last step: its sound ends some samples early
and differs from ours in the last two frames. Codes are the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from audiolm.codec.adapters.transformers_folder import TransformersFolder, named, picked
from audiolm.codec.dac import DacConfig
from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.errors import AudiolmError
from audiolm.interchange.rules import Rule

# Their key -> (field of ours, their default).
QUANTIZER = {
    "n_codebooks": ("n_q", 9),
    "codebook_size": ("codebook_size", 1024),
    "codebook_dim": ("codebook_dim", 8),
    "quantizer_dropout": ("dropout", 0.0),
}
UNITS = 3  # residual units beside a stride
STAGE = UNITS + 2  # modules beside a stride: those, a Snake, a convolution


class TransformersDac(TransformersFolder):
    """``DacModel``: Snakes, factorised codebooks; weights folded."""

    what = "transformers' DacModel"
    model_type = "dac"
    architecture = "DacModel"
    extractor = "DacFeatureExtractor"

    def suits(self, config: CodecConfig) -> bool:
        return config.encoder.dac is not None and config.decoder.dac is not None

    def load_config(self, theirs: Mapping[str, Any]) -> CodecConfig:
        rate = theirs.get("sampling_rate", 16000)
        channels, width = theirs.get("encoder_hidden_size", 64), theirs.get("decoder_hidden_size", 1536)
        ratios = list(theirs.get("downsampling_ratios", [2, 4, 8, 8]))[::-1]
        wider = 2 ** len(ratios)
        if width % wider:
            raise AudiolmError(
                f"{self.what}: decoder_hidden_size {width} is not divisible by {wider}, once for each ratio"
            )
        return CodecConfig(
            encoder=EncoderConfig(dac=DacConfig(channels=channels, ratios=ratios)),
            decoder=DecoderConfig(dac=DacConfig(channels=width // wider, ratios=ratios)),
            sample_rate=rate,
            frame_rate=rate / DacConfig(ratios=ratios).hop,
            dim=channels * wider,
            encoder_transformer=None,
            decoder_transformer=None,
            quantizer=QuantizerConfig(**picked(theirs, QUANTIZER), split=False, kind="factorised", unquantized=0.0),
        )

    def save_config(self, config: CodecConfig) -> dict[str, Any]:
        encoder, decoder = config.encoder.dac, config.decoder.dac
        return {
            **self.header(),
            **named(config.quantizer, QUANTIZER),
            "sampling_rate": config.sample_rate,
            "encoder_hidden_size": encoder.channels,
            "decoder_hidden_size": decoder.channels * 2 ** len(decoder.ratios),
            "downsampling_ratios": encoder.ratios[::-1],
            "upsampling_ratios": encoder.ratios,
            "hidden_size": config.dim,
            "hop_length": encoder.hop,
        }

    def extractor_settings(self, codec: Codec) -> dict[str, Any]:
        return {"hop_length": codec.frame_size}

    def rules(self, config: CodecConfig) -> Sequence[Rule]:
        stages = range(len(config.encoder.dac.ratios))
        last = 1 + STAGE * len(stages)
        # Our numbered modules -> their names.
        encoder, decoder = ({0: "conv1", last: "snake1", last + 1: "conv2"} for _ in range(2))
        for stage in stages:
            first, block = 1 + STAGE * stage, f"block.{stage}."
            encoder |= {first + UNITS: block + "snake1", first + UNITS + 1: block + "conv1"}
            decoder |= {first: block + "snake1", first + 1: block + "conv_t1"}
            for unit in range(UNITS):
                for side, start in ((encoder, first), (decoder, first + 2)):
                    for place, name in enumerate(("snake1", "conv1", "snake2", "conv2")):
                        side[f"{start + unit}.block.{place}"] = f"{block}res_unit{unit + 1}.{name}"
        level = "quantizer.layers.{}."
        return [
            *_module_rules("encoder", encoder),
            *_module_rules("decoder", decoder),
            Rule(level + "input_proj.{}", "quantizer.quantizers.{}.in_proj.{}"),
            Rule(level + "output_proj.{}", "quantizer.quantizers.{}.out_proj.{}"),
            Rule(level + "codebook.embed", "quantizer.quantizers.{}.codebook.weight"),
            *(Rule(f"{level}codebook.{name}", ()) for name in ("initialized", "cluster_usage", "updates", "idle")),
        ]


def _module_rules(side: str, names: Mapping[int | str, str]) -> list[Rule]:
    return [
        Rule(f"{side}.layers.{place}.alpha", f"{side}.{name}.alpha")
        if "snake" in name
        else Rule(f"{side}.layers.{place}.conv.{{}}", f"{side}.{name}.{{}}")
        for place, name in names.items()
    ]
