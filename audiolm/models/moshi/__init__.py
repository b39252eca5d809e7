"""Full-duplex dialogue models in the manner of Moshi (Défossez et al., 2024)."""

from audiolm.spec import Action, Mode, ModelSpec

_HERE = "audiolm.models.moshi"


def _mode(run: str, options: str, **told) -> Mode:
    return Mode(f"{_HERE}.session:{run}", f"{_HERE}.options:{options}", **told)


SPEC = ModelSpec(
    name="moshi",
    system=f"{_HERE}.system:MoshiSystem",
    title="a dialogue LM",
    load=f"{_HERE}.load:load_lm",
    finds=f"{_HERE}.load:is_released",
    open=f"{_HERE}.parts:open_parts",
    parts=("codec", "tokenizer"),
    session=f"{_HERE}.session:Session",
    modes={
        "continue": _mode(
            "continued",
            "Continue",
            help="conversations from their first --prompt seconds, all predicted speakers, --seconds long",
            shown_as="conversations",
            title="Continuations",
            lead="Conversations that the model goes on with, both speakers; what it was given is shaded.",
        ),
        "unconditional": _mode(
            "unconditional",
            "Unconditional",
            help="conversations from nothing",
            shown_as="conversations",
            title="Conversations from nothing",
            lead="No prompt at all.",
        ),
        "asr": _mode(
            "asr",
            "Asr",
            help="every recording transcribed: audio given, text greedy",
            shown_as="transcripts",
            title="Speech to text",
            lead="What the model wrote while it listened. <del>Struck</del>: said but not heard so; "
            "<ins>underlined</ins>: heard instead.",
        ),
        "tts": _mode(
            "tts",
            "Tts",
            help="utterances of the sets' text spoken; with --user given, whole recordings against their other speaker",
            shown_as="speech",
            title="Speech from text",
            lead="The model given words speaks them, in a voice of its own.",
        ),
        "turns": _mode(
            "turns",
            "Turns",
            help="the first turns of the sets' conversations spoken by both speakers (after audiolm text --turns)",
            shown_as="conversations",
            title="Two speakers' turns",
            lead="The model given both speakers' words speaks them, each in a voice and on a channel of its own.",
            special=True,  # it takes text streams of both speakers
        ),
    },
    actions={
        "speak": Action(f"{_HERE}.speech:say", f"{_HERE}.options:Say"),
        "transcribe": Action(f"{_HERE}.speech:transcribe", f"{_HERE}.options:Transcribe"),
        "listen": Action(f"{_HERE}.speech:listen", f"{_HERE}.options:Listen"),
        "likelihood": Action(f"{_HERE}.likelihood:stream_likelihoods"),
        "export": Action(f"{_HERE}.export:export", f"{_HERE}.options:Export"),
    },
)
