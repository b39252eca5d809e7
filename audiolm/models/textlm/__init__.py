"""Text LMs in the manner of Helium (Moshi, section 3.2): the backbone alone, on words."""

from audiolm.spec import Action, ModelSpec, Section

SPEC = ModelSpec(
    name="textlm",
    system="audiolm.models.textlm.system:TextLMSystem",
    title="a text LM",
    load="audiolm.models.textlm.load:load_text_lm",
    finds="audiolm.models.textlm.load:is_released",
    actions={"export": Action("audiolm.models.textlm.load:export")},
    sections=(
        Section(
            "textlm",
            "The text LM",
            "What it is made of, and how much text each set has.",
            "audiolm.models.textlm.page:cards",
        ),
        Section(
            "texts",
            "Continuations",
            "The text LM goes on with texts.",
            "audiolm.models.textlm.page:continuations",
        ),
    ),
)
