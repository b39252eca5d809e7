"""Text LMs in the manner of Helium (Moshi, section 3.2): the backbone alone, on words."""

from audiolm.spec import Action, ModelSpec

SPEC = ModelSpec(
    name="textlm",
    system="audiolm.models.textlm.system:TextLMSystem",
    title="a text LM",
    load="audiolm.models.textlm.load:load_text_lm",
    finds="audiolm.models.textlm.load:is_released",
    actions={"export": Action("audiolm.models.textlm.load:export")},
)
