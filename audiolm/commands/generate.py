"""Continue dialogues, transcribe and speak with a trained audio LM (stage 12).

Reads dump/<set>/{audio,text,codes}; writes <lm>/generate/<mode>/ as a data directory with ctm (the words of the text
stream and their times) and meta.jsonl (one line an item: where it comes from and how it was drawn). Modes:

  continue       conversations from their first --prompt seconds, all predicted speakers, --seconds long
  unconditional  conversations from nothing
  asr            every recording transcribed: audio given, text greedy
  tts            utterances of the sets' text spoken; with --user given, whole recordings against their other speaker
  turns          the first turns of the sets' conversations spoken by both speakers (after audiolm text --turns)
"""

import argparse
from pathlib import Path

from audiolm.commands.parts import add_guard_options, check_numbers, repetition_guard
from audiolm.errors import AudiolmError

MODES = ("continue", "unconditional", "asr", "tts", "turns")
LEAST = {  # of options that are numbers
    "num_continue": 0, "num_unconditional": 0, "num_asr": 0, "num_tts": 0, "num_turns": 0, "turns": 2,
    "prompt": 0, "seconds": 0.1, "min_words": 1,
    "temperature": 0, "text_temperature": 0, "tts_temperature": 0, "tts_text_temperature": 0,
    "tts_acoustic_temperature": 0, "guidance": 0, "top_k": 0, "top_p": 0, "pad_share": 0, "max_pause": 0, "batch": 1,
    "repetition_window": 0, "repetition_share": 0, "max_silence": 0,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--dir", type=Path, required=True, help="the recipe's work directory (holds dump/ exp/)")
    parser.add_argument("--sets", nargs="+", required=True, help="names of the sets, such as test")
    parser.add_argument("--lm", type=Path, required=True, help="experiment directory of the audio LM")
    parser.add_argument("--codec", type=Path, required=True, help="experiment directory of the codec")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the text tokenizer")
    parser.add_argument(
        "--modes", nargs="+", choices=MODES, help="what to do (default: all, turns where the text streams hold them)"
    )
    parser.add_argument("--num_continue", type=int, default=8, help="conversations to continue; 0 = all")
    parser.add_argument("--num_unconditional", type=int, default=4, help="conversations from nothing")
    parser.add_argument("--num_asr", type=int, default=0, help="recordings to transcribe; 0 = all")
    parser.add_argument("--num_tts", type=int, default=200, help="utterances (or recordings) to speak; 0 = all")
    parser.add_argument("--num_turns", type=int, default=0, help="conversations to speak in turns; 0 = all")
    parser.add_argument("--turns", type=int, default=6, help="turns of each of them")
    parser.add_argument("--prompt", type=float, default=3.0, help="seconds of a conversation that are given")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of conversations, the prompt included")
    parser.add_argument("--min_words", type=int, default=3, help="speak utterances of at least so many words")
    parser.add_argument(
        "--user", choices=("given", "absent"), default="absent", help="the other speaker's codes in asr and tts"
    )
    parser.add_argument("--temperature", type=float, default=0.8, help="of codes in conversations")
    parser.add_argument("--text_temperature", type=float, default=0.7, help="of text in conversations")
    parser.add_argument("--tts_temperature", type=float, default=0.6, help="of codes in tts")
    parser.add_argument(
        "--tts_text_temperature", type=float, help="of the times of words in tts (default: --tts_temperature)"
    )
    parser.add_argument(
        "--tts_acoustic_temperature", type=float, help="of the acoustic levels in tts (default: --tts_temperature)"
    )
    parser.add_argument(
        "--guidance", type=float, default=1.0, help="tts: of codes by text, for models trained with text_mask; 1 = off"
    )
    parser.add_argument("--top_k", type=int, default=0, help="draw among the k likeliest tokens; 0 = all")
    parser.add_argument(
        "--top_p", type=float, default=1.0, help="of those the likeliest that reach this share; 1 = all"
    )
    parser.add_argument("--pad_bonus", type=float, default=0.0, help="tts: added to PAD's logit while padding is rare")
    parser.add_argument("--pad_share", type=float, default=0.65, help="tts: share of padding below which it is rare")
    parser.add_argument(
        "--tts_levels",
        type=int,
        help="tts and turns: decode this many levels of codes, from the first on; the last ones, where the model "
        "predicts them badly, are noise (default: all)",
    )
    parser.add_argument("--max_pause", type=float, default=2.0, help="tts: longest pause before a word in seconds")
    add_guard_options(parser)
    parser.add_argument(
        "--max_silence", type=float, default=0.0, help="longest time without a word in conversations; 0 = any"
    )
    parser.add_argument(
        "--silence_action", choices=("speak", "stop"), default="speak", help="after it: a word, or the end"
    )
    parser.add_argument("--batch", type=int, default=64, help="sequences at once")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: a GPU if there is one")


def run(args: argparse.Namespace) -> None:
    """Do every mode in turn and print its speed."""
    import time

    import torch

    from audiolm.codec.load import load_codec
    from audiolm.lm.sampling import Sampling
    from audiolm.models.moshi.generate import SilenceGuard
    from audiolm.models.moshi.modes import Drawing
    from audiolm.models.moshi.output import Writer
    from audiolm.models.moshi.requests import Requests
    from audiolm.models.moshi.speak import SpeakConfig
    from audiolm.text.tokenizer import Tokenizer
    from audiolm.train.checkpoint import checksum

    _check(args)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    codec, tokenizer = load_codec(args.codec, device), Tokenizer.load(args.tokenizer)
    dumps = [args.dir / "dump" / name for name in args.sets]
    requests = Requests(dumps, args.lm, checksum(args.codec), tokenizer, device)
    rate = requests.frame_rate
    silence = SilenceGuard(max(1, round(args.max_silence * rate)), args.silence_action) if args.max_silence else None
    talk = Drawing(
        Sampling(args.temperature, args.top_k, args.top_p),
        Sampling(args.text_temperature, args.top_k, args.top_p),
        args.seed,
        args.batch,
        repetition=repetition_guard(args),
        silence=silence,
    )
    voice = Sampling(args.tts_temperature, args.top_k, args.top_p)
    acoustic = (
        voice
        if args.tts_acoustic_temperature is None
        else Sampling(args.tts_acoustic_temperature, args.top_k, args.top_p)
    )
    pauses = voice if args.tts_text_temperature is None else Sampling(args.tts_text_temperature, args.top_k, args.top_p)
    say = Drawing(voice, pauses, args.seed, args.batch, args.guidance, acoustic, repetition_guard(args))
    pacing = SpeakConfig(round(args.max_pause * rate), args.pad_bonus, args.pad_share)
    user = args.user == "given"
    heard = args.tts_levels
    if heard is not None and not 1 <= heard <= requests.layout.levels:
        raise AudiolmError(f"--tts_levels {heard}: expected 1 to {requests.layout.levels}, the levels of {args.lm}")
    modes = {
        "continue": lambda: requests.converse(args.num_continue, args.prompt, args.seconds, talk),
        "unconditional": lambda: requests.imagine(args.num_unconditional, args.seconds, talk),
        "asr": lambda: requests.transcribe(args.num_asr, user, args.batch),
        "tts": lambda: (
            requests.reply(args.num_tts, say, pacing)
            if user
            else requests.say(args.num_tts, args.min_words, say, pacing)
        ),
        "turns": lambda: requests.say_turns(args.num_turns, args.turns, say, pacing),
    }
    for mode in args.modes or [mode for mode in MODES if mode != "turns" or requests.two_voices]:
        start = time.perf_counter()
        items = modes[mode]()
        directory = args.lm / "generate" / mode
        levels = heard if mode in ("tts", "turns") else None
        Writer(directory, requests.layout, codec, tokenizer, requests.word_initial, levels).write(items)
        seconds = sum(item.grid.shape[1] for item in items) / rate
        print(
            f"{mode}: {len(items)} items, {seconds:.0f} s of audio, in {time.perf_counter() - start:.1f} s: {directory}"
        )


def _check(args: argparse.Namespace) -> None:
    check_numbers(args, LEAST)
    if "continue" in (args.modes or MODES) and args.prompt >= args.seconds:
        raise AudiolmError(
            f"--prompt {args.prompt:g}: expected less than --seconds {args.seconds:g}, which it is part of"
        )
