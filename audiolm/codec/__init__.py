"""Neural codecs: from samples to tokens and back."""

from audiolm.spec import Action, ModelSpec

SPEC = ModelSpec(
    name="codec",
    system="audiolm.codec.system:CodecSystem",
    title="a codec",
    load="audiolm.codec.load:load_codec",
    finds="audiolm.codec.load:is_released",
    actions={"export": Action("audiolm.codec.load:export", "audiolm.codec.load:ExportOptions")},
)
