"""The modes of ``audiolm generate``: a recipe's model, codec and tokenizer, what is asked of them, what is written."""

from dataclasses import replace
from pathlib import Path

from audiolm.codec.load import load_codec
from audiolm.errors import AudiolmError
from audiolm.models.actions import Made, Request
from audiolm.models.moshi.generate import SilenceGuard
from audiolm.models.moshi.modes import Drawing
from audiolm.models.moshi.options import Asr, Continue, Talk, Tts, Turns, Unconditional, Voiced
from audiolm.models.moshi.output import Item, Writer
from audiolm.models.moshi.requests import Requests
from audiolm.models.moshi.speak import SpeakConfig
from audiolm.text.tokenizer import Tokenizer
from audiolm.train.checkpoint import checksum


class Session:
    """What all modes generate with."""

    def __init__(self, request: Request):
        self.request = request
        codec, tokenizer = request.parts["codec"], request.parts["tokenizer"]
        self.codec, self.tokenizer = load_codec(codec, request.device), Tokenizer.load(tokenizer)
        self.asked = Requests(request.dumps, request.lm, checksum(codec), self.tokenizer, request.device)
        self.usual = ["continue", "unconditional", "asr", "tts"] + ["turns"] * self.asked.two_voices

    def talking(self, options: Talk) -> Drawing:
        """How conversations are drawn."""
        silence = None
        if options.max_silence:
            silence = SilenceGuard(max(1, round(options.max_silence * self.asked.frame_rate)), options.silence_action)
        codes, text = options.sampling(options.temperature), options.sampling(options.text_temperature)
        seed, batch = self.request.seed, self.request.batch
        return Drawing(codes, text, seed, batch, repetition=options.repetition, silence=silence)

    def speaking(self, options: Voiced) -> tuple[Drawing, SpeakConfig]:
        """How words are drawn and paced."""
        levels = self.asked.layout.levels
        if options.tts_levels is not None and options.tts_levels > levels:
            raise AudiolmError(
                f"--tts_levels {options.tts_levels}: expected 1 to {levels}, the levels of {self.request.lm}"
            )
        drawing = drawing_of(
            options,
            options.tts_temperature,
            options.tts_text_temperature,
            options.tts_acoustic_temperature,
            self.request.seed,
        )
        return replace(drawing, batch=self.request.batch), pacing_of(options, self.asked.frame_rate)

    def write(self, directory: Path, items: list[Item], levels: int | None = None) -> Made:
        """Write a mode's items."""
        asked = self.asked
        Writer(directory, asked.layout, self.codec, self.tokenizer, asked.word_initial, levels).write(items)
        return Made(len(items), sum(item.grid.shape[1] for item in items) / asked.frame_rate)


def drawing_of(options, temperature: float, text: float | None, acoustic: float | None, seed: int) -> Drawing:
    """How speech is drawn: codes, the times of words, the acoustic levels."""
    return Drawing(
        options.sampling(temperature),
        options.sampling(temperature if text is None else text),
        seed,
        guidance=options.guidance,
        acoustic=options.sampling(temperature if acoustic is None else acoustic),
        repetition=options.repetition,
    )


def pacing_of(options, frame_rate: float) -> SpeakConfig:
    """How words are paced, in frames."""
    return SpeakConfig(round(options.max_pause * frame_rate), options.pad_bonus, options.pad_share)


def continued(session: Session, options: Continue, directory: Path) -> Made:
    """Conversations from their first ``options.prompt`` seconds, all predicted speakers."""
    drawing = session.talking(options)
    items = session.asked.converse(options.num_continue, options.prompt, options.seconds, drawing)
    return session.write(directory, items)


def unconditional(session: Session, options: Unconditional, directory: Path) -> Made:
    """Conversations from nothing."""
    items = session.asked.imagine(options.num_unconditional, options.seconds, session.talking(options))
    return session.write(directory, items)


def asr(session: Session, options: Asr, directory: Path) -> Made:
    """Every recording transcribed: audio given, text greedy."""
    items = session.asked.transcribe(options.num_asr, options.user == "given", session.request.batch)
    return session.write(directory, items)


def tts(session: Session, options: Tts, directory: Path) -> Made:
    """Utterances spoken; with ``options.user`` given, whole recordings against their other speaker."""
    drawing, pacing = session.speaking(options)
    if options.user == "given":
        items = session.asked.reply(options.num_tts, drawing, pacing)
    else:
        items = session.asked.say(options.num_tts, options.min_words, drawing, pacing)
    return session.write(directory, items, options.tts_levels)


def turns(session: Session, options: Turns, directory: Path) -> Made:
    """The first turns of conversations spoken by both speakers."""
    drawing, pacing = session.speaking(options)
    items = session.asked.say_turns(options.num_turns, options.turns, drawing, pacing)
    return session.write(directory, items, options.tts_levels)
