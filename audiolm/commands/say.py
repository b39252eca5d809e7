"""Speak a text with a trained audio LM, and tell when each word is said.

  audiolm say "good morning" --model model --out morning.wav       morning.wav, and the words' times in morning.ctm
  audiolm say --model model --out story.flac < story.txt           the text from a pipe
  audiolm say "how are you" --voice she.wav --model model --out her.wav    in the voice of some seconds of speech
  audiolm say "good morning" "and to you" --turns --model model --out two.wav

With --turns each TEXT (each line of a pipe) is a turn, of one speaker after the other, on two channels; the model must
have been trained with BOS and EOS at turns (a recipe's run.sh --text.turns). A --voice then has the two speakers on its
two channels. Write the text as the model's transcripts were: `a` and `A` may be different words to it.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from audiolm.commands.parts import (
    add_guard_options,
    add_model_options,
    check_numbers,
    load_model,
    repetition_guard,
)
from audiolm.errors import AudiolmError

if TYPE_CHECKING:
    import numpy as np

    from audiolm.models.moshi.parts import Parts
    from audiolm.text.tokenizer import Tokenizer

LEAST = {
    "temperature": 0, "text_temperature": 0, "acoustic_temperature": 0, "top_k": 0, "top_p": 0, "guidance": 0,
    "pad_share": 0, "max_pause": 0, "levels": 1, "repetition_window": 0, "repetition_share": 0,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what to say (default: what stands on stdin)")
    add_model_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".wav or .flac; the times beside, .ctm")
    parser.add_argument("--voice", type=Path, metavar="FILE", help="seconds of speech, to go on in their voice")
    parser.add_argument("--turns", action="store_true", help="each TEXT or line is the next speaker's turn")
    parser.add_argument("--temperature", type=float, default=0.6, help="of codes")
    parser.add_argument("--text_temperature", type=float, help="of the times of words (default: --temperature)")
    parser.add_argument("--acoustic_temperature", type=float, help="of the acoustic levels (default: --temperature)")
    parser.add_argument("--top_k", type=int, default=0, help="draw among the k likeliest tokens; 0 = all")
    parser.add_argument(
        "--top_p", type=float, default=1.0, help="of those the likeliest that reach this share; 1 = all"
    )
    parser.add_argument(
        "--guidance", type=float, default=1.0, help="of codes by text, for models trained with text_mask; 1 = off"
    )
    parser.add_argument("--pad_bonus", type=float, default=0.0, help="added to PAD's logit while padding is rare")
    parser.add_argument("--pad_share", type=float, default=0.65, help="share of padding below which it is rare")
    parser.add_argument("--max_pause", type=float, default=2.0, help="longest pause before a word in seconds")
    add_guard_options(parser)
    parser.add_argument("--levels", type=int, help="decode the first levels of codes only (default: all)")
    parser.add_argument("--task", default="tts", help="delay pattern of the model that speaks")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")


def run(args: argparse.Namespace) -> None:
    """Speak it, write sound and times, and say what was done."""
    import time
    from dataclasses import replace

    import numpy as np

    from audiolm.codec.bulk import decode_each
    from audiolm.data import audio
    from audiolm.data.tables import write_ctm
    from audiolm.lm.sampling import Sampling
    from audiolm.models.moshi.modes import Drawing, speak
    from audiolm.models.moshi.output import read_words
    from audiolm.models.moshi.speak import SpeakConfig

    check_numbers(args, LEAST)
    if args.out.suffix not in audio.FORMATS:
        raise AudiolmError(f"--out {args.out}: expected a name that ends in {' or '.join(audio.FORMATS)}")
    turns = _turns(args)
    parts = load_model(args)
    layout, rate = parts.layout, parts.codec.frame_rate
    if args.levels is not None and args.levels > layout.levels:
        raise AudiolmError(f"--levels {args.levels}: expected 1 to {layout.levels}, the levels of the model")
    if args.turns and parts.turns is False:
        raise AudiolmError(
            "--turns: this model was trained on one speaker's words at a time; train one with a recipe's run.sh "
            "--text.turns --phases 'conf/turns/*.yaml', or leave --turns out"
        )
    parts.model.config.task_index(args.task)
    words = _words(turns, parts.tokenizer, args.turns)
    voices = None if args.voice is None else [_voice(args.voice, parts, args.turns)]
    start = time.perf_counter()

    def sampling(temperature: float | None) -> Sampling:
        return Sampling(args.temperature if temperature is None else temperature, args.top_k, args.top_p)

    drawing = Drawing(
        sampling(None),
        sampling(args.text_temperature),
        args.seed,
        guidance=args.guidance,
        acoustic=sampling(args.acoustic_temperature),
        repetition=repetition_guard(args),
    )
    pacing = SpeakConfig(round(args.max_pause * rate), args.pad_bonus, args.pad_share)
    (grid,) = speak(parts.model, [words], drawing, pacing, task=args.task, voices=voices, both=args.turns)
    codes = {name: grid[streams].T[:, : args.levels] for name, streams in (("A", layout.main), ("B", layout.user))}
    if not args.turns:
        del codes["B"]
    waves = dict(decode_each(parts.codec, dict.fromkeys(codes, grid.shape[1]), lambda name, a, b: codes[name][a:b]))
    audio.write(args.out, np.stack([waves[name] for name in codes], axis=1), parts.codec.sample_rate)
    said = read_words(grid[0], parts.word_initial, parts.tokenizer, rate, args.turns)
    write_ctm(args.out.with_suffix(".ctm"), [replace(word, file=_file(args.out)) for word in said])
    print(
        f"said {len(said)} words in {grid.shape[1] / rate:.1f} s of sound, in {time.perf_counter() - start:.1f} s: "
        f"{args.out}, {args.out.with_suffix('.ctm')}"
    )


def _turns(args: argparse.Namespace) -> list[str]:
    """The texts that are given, or the lines of stdin; blank ones left out."""
    from audiolm.data.files import lines_of

    texts = args.text or lines_of(sys.stdin.read())
    turns = [text for text in texts if text.strip()]
    if not turns:
        raise AudiolmError("nothing to say: give a TEXT, or write one to the verb's standard input")
    return turns


def _words(turns: list[str], tokenizer: "Tokenizer", marked: bool) -> list[list[int]]:
    """Pieces of each word; the first of a turn begins with its speaker's token where turns are ``marked``."""
    from audiolm.streams.text import turn_marks, with_marks
    from audiolm.text.normalize import tidy

    said = [(number % 2 == 0, word) for number, turn in enumerate(turns) for word in tidy(turn).split()]
    marks = turn_marks([is_main for is_main, _ in said], tokenizer.specials) if marked else {}
    return with_marks([tokenizer.encode_word(word) for _, word in said], marks)


def _voice(path: Path, parts: "Parts", both: bool) -> "np.ndarray":
    """The grid of a recording in whose voice to speak: the mean of its channels; two speakers have one each."""
    from audiolm.codec.bulk import encode_batch
    from audiolm.data import audio
    from audiolm.models.moshi.modes import voice

    wav, _ = audio.read_channels(str(path), fs=parts.codec.sample_rate)
    if both and wav.shape[1] != 2:
        raise AudiolmError(
            f"--voice {path} has {wav.shape[1]} channels, two speakers need a recording of 2; give one with the first "
            "speaker's voice on the first, or leave --voice out"
        )
    channels = list(wav.T.copy()) if both else [wav.mean(axis=1)]
    return voice(parts.model, *(codes[:, : parts.layout.levels] for codes in encode_batch(parts.codec, channels)))


def _file(path: Path) -> str:
    """A file's name in a ctm."""
    from audiolm.data.readers import BLANK

    return BLANK.sub("%20", path.stem)
