"""Options of what a dialogue model can be asked for: ``audiolm generate`` by mode, ``say``, ``transcribe`` …"""

from dataclasses import dataclass
from typing import Literal

from audiolm.config.checks import at_least
from audiolm.errors import AudiolmError
from audiolm.lm.sampling import RepetitionGuard, Sampling


@dataclass
class Guarded:
    """What every drawing of codes shares.

    Attributes:
        top_k: draw among the k likeliest tokens; 0 = all.
        top_p: of those the likeliest that reach this share; 1 = all.
        repetition_window: draw a semantic code again, from all, that fills repetition_share of so many frames
            (VALL-E 2: 10); 0 = never.
        repetition_share: see there; a code may fill less, of 1.
    """

    top_k: int = 0
    top_p: float = 1.0
    repetition_window: int = 0
    repetition_share: float = 0.1

    def __post_init__(self):
        at_least(self, 0, "top_k", "top_p", "repetition_window", "repetition_share")

    def sampling(self, temperature: float) -> Sampling:
        return Sampling(temperature, self.top_k, self.top_p)

    @property
    def repetition(self) -> RepetitionGuard | None:
        """The guard against loops, where there is to be one."""
        return RepetitionGuard(self.repetition_window, self.repetition_share) if self.repetition_window else None


@dataclass
class Talk(Guarded):
    """How conversations are drawn.

    Attributes:
        seconds: length of conversations, the prompt included.
        temperature: of codes in conversations.
        text_temperature: of text in conversations.
        max_silence: longest time without a word in conversations; 0 = any.
        silence_action: after it: a word, or the end.
    """

    seconds: float = 15.0
    temperature: float = 0.8
    text_temperature: float = 0.7
    max_silence: float = 0.0
    silence_action: Literal["speak", "stop"] = "speak"

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "temperature", "text_temperature", "max_silence")
        at_least(self, 0.1, "seconds")


@dataclass
class Continue(Talk):
    """Conversations that are continued.

    Attributes:
        num_continue: conversations to continue; 0 = all.
        prompt: seconds of a conversation that are given.
    """

    num_continue: int = 8
    prompt: float = 3.0

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "num_continue", "prompt")
        if self.prompt >= self.seconds:
            raise AudiolmError(
                f"prompt: found {self.prompt:g}, expected less than --seconds {self.seconds:g}, which it is part of"
            )


@dataclass
class Unconditional(Talk):
    """Conversations from nothing.

    Attributes:
        num_unconditional: conversations from nothing.
    """

    num_unconditional: int = 4

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "num_unconditional")


@dataclass
class Asr:
    """Recordings that are transcribed.

    Attributes:
        num_asr: recordings to transcribe; 0 = all.
        user: the other speaker's codes in asr and tts.
    """

    num_asr: int = 0
    user: Literal["given", "absent"] = "absent"

    def __post_init__(self):
        at_least(self, 0, "num_asr")


@dataclass
class Paced(Guarded):
    """How words are spoken.

    Attributes:
        guidance: of codes by text, for models trained with text_mask; 1 = off.
        pad_bonus: added to PAD's logit while padding is rare.
        pad_share: share of padding below which it is rare.
        max_pause: longest pause before a word in seconds.
    """

    guidance: float = 1.0
    pad_bonus: float = 0.0
    pad_share: float = 0.65
    max_pause: float = 2.0

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "guidance", "pad_share", "max_pause")


@dataclass
class Voiced(Paced):
    """How a recipe's texts are spoken.

    Attributes:
        tts_temperature: of codes in tts.
        tts_text_temperature: of the times of words in tts; null: as tts_temperature.
        tts_acoustic_temperature: of the acoustic levels in tts; null: as tts_temperature.
        tts_levels: decode this many levels of codes in tts and turns, from the first on; the last ones, where the model
            predicts them badly, are noise. null: all.
    """

    tts_temperature: float = 0.6
    tts_text_temperature: float | None = None
    tts_acoustic_temperature: float | None = None
    tts_levels: int | None = None

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "tts_temperature", "tts_text_temperature", "tts_acoustic_temperature")
        at_least(self, 1, "tts_levels")


@dataclass
class Tts(Voiced):
    """Utterances, or all words of recordings, that are spoken.

    Attributes:
        num_tts: utterances (or recordings) to speak; 0 = all.
        min_words: speak utterances of at least so many words.
        user: the other speaker's codes in asr and tts.
    """

    num_tts: int = 200
    min_words: int = 3
    user: Literal["given", "absent"] = "absent"

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "num_tts")
        at_least(self, 1, "min_words")


@dataclass
class Turns(Voiced):
    """Conversations of which both speakers' first turns are spoken.

    Attributes:
        num_turns: conversations to speak in turns; 0 = all.
        turns: turns of each of them.
    """

    num_turns: int = 0
    turns: int = 6

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "num_turns")
        at_least(self, 2, "turns")


@dataclass
class Say(Paced):
    """How ``audiolm say`` speaks.

    Attributes:
        voice: file with seconds of speech, to go on in their voice.
        turns: each TEXT or line is the next speaker's turn.
        temperature: of codes.
        text_temperature: of the times of words; null: as temperature.
        acoustic_temperature: of the acoustic levels; null: as temperature.
        levels: decode the first levels of codes only; null: all.
        task: delay pattern of the model that speaks.
        seed: of all draws.
    """

    voice: str | None = None
    turns: bool = False
    temperature: float = 0.6
    text_temperature: float | None = None
    acoustic_temperature: float | None = None
    levels: int | None = None
    task: str = "tts"
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        at_least(self, 0, "temperature", "text_temperature", "acoustic_temperature")
        at_least(self, 1, "levels")


@dataclass
class Listen:
    """How live sound is heard.

    Attributes:
        task: delay pattern of the model that recognises.
    """

    task: str = "asr"


@dataclass
class Transcribe(Listen):
    """How files are transcribed.

    Attributes:
        user: whether files of two channels are dialogues, each heard with the other as the user.
        batch: recordings at once.
    """

    user: Literal["given", "absent"] = "absent"
    batch: int = 16

    def __post_init__(self):
        at_least(self, 1, "batch")


@dataclass
class Export:
    """What goes into another project's layout.

    Attributes:
        task: with --to: the one delay pattern to take of a dialogue LM that has several.
        main_only: with --to: leave out what predicts the user, whom other projects' servers hear.
    """

    task: str | None = None
    main_only: bool = False
