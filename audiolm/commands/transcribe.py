"""Write down what is said in audio files, word by word with times: streaming recognition with a trained audio LM.

  audiolm transcribe talk.wav --model model                    prints: talk good morning
  audiolm transcribe calls/ data/test --model model --out asr    asr/text, and asr/ctm with the words' times
  audiolm transcribe call.wav --model model --user given       two channels: each is heard with the other as the user
  cat talk.flac | audiolm transcribe - --model model --times    a recording from a pipe; prints lines of a ctm
  arecord -t raw -f S16_LE -r 16000 | audiolm transcribe - --live 16000 --model model    words as they are said

A line of ctm is: file, channel, start and duration in seconds, word, confidence. Files with several channels give one
transcript each. Audio of another rate is resampled. What cannot be read is told, and goes to rejected.tsv in --out.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from audiolm.commands.parts import add_model_options, check_numbers, load_model
from audiolm.errors import AudiolmError

STDIN, STDIN_NAME = Path("-"), "stdin"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "inputs", type=Path, nargs="+", metavar="INPUT", help="audio file, folder, data directory, or - for stdin"
    )
    add_model_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for text and ctm (default: print)")
    parser.add_argument("--times", action="store_true", help="print lines of a ctm in place of texts")
    parser.add_argument(
        "--live", type=int, metavar="HZ", help="- is raw sound of this rate without an end, 16 bit, one channel"
    )
    parser.add_argument(
        "--user", choices=("given", "absent"), default="absent", help="whether files of two channels are dialogues"
    )
    parser.add_argument("--channel", type=int, help="of files with several channels, from 1 (default: each, as _ch1 …)")
    parser.add_argument("--task", default="asr", help="delay pattern of the model that recognises")
    parser.add_argument("--batch", type=int, default=16, help="recordings at once")
    parser.add_argument(
        "--allow_pipes", "--allow-pipes", action="store_true", help="run the pipes in data directories' wav.scp"
    )


def run(args: argparse.Namespace) -> None:
    """Transcribe everything and say what was done."""
    import shutil
    import tempfile

    check_numbers(args, {"batch": 1, "channel": 1, "live": 1})
    if args.out is not None and args.times:
        raise AudiolmError("--times is for printing; --out writes texts and times")
    if args.live is not None:
        if args.inputs != [STDIN] or args.out is not None or args.user != "absent":
            raise AudiolmError("--live prints what one speaker says on stdin: give - and neither --out nor --user")
        _listen(args)
        return
    with tempfile.TemporaryDirectory() as folder:
        inputs = list(args.inputs)
        if STDIN in inputs:
            inputs[inputs.index(STDIN)] = Path(folder) / STDIN_NAME
            with open(Path(folder) / STDIN_NAME, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        _transcribe(args, inputs)


def _listen(args: argparse.Namespace) -> None:
    """Print words as they come; a half-heard one when the sound ends."""
    import numpy as np
    import soxr

    from audiolm.models.moshi.listen import Listener

    parts = load_model(args)
    listener = Listener(parts, args.task)
    rate = parts.codec.sample_rate
    resampler = soxr.ResampleStream(args.live, rate, 1, dtype="float32") if args.live != rate else None
    chunk = 2 * max(1, round(args.live / parts.codec.frame_rate))  # bytes of about a frame

    count = 0

    def show(words: list) -> None:
        nonlocal count
        count += len(words)
        for word in words:
            line = replace(word, file=STDIN_NAME).line if args.times else word.word
            print(line, end="\n" if args.times else " ", flush=True)

    while data := sys.stdin.buffer.read(chunk):
        wav = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.float32) / 32768
        show(listener.hear(wav if resampler is None else resampler.resample_chunk(wav)))
    if resampler is not None:
        show(listener.hear(resampler.resample_chunk(np.zeros(0, np.float32), last=True)))
    show(listener.close())
    if not args.times:
        print()
    if not count:
        print("audiolm transcribe: no word was heard", file=sys.stderr)


def _recordings(count: int) -> str:
    return f"{count} recording" + "s" * (count != 1)


def _transcribe(args: argparse.Namespace, inputs: list[Path]) -> None:
    from audiolm.codec.bulk import encode_recordings
    from audiolm.codec.files import find_recordings
    from audiolm.data.files import write_lines
    from audiolm.data.readers import BLANK
    from audiolm.data.tables import WORD_ORDER, write_ctm
    from audiolm.data.tools import write_rejected
    from audiolm.models.moshi.modes import recognise
    from audiolm.models.moshi.output import read_words
    from audiolm.streams.grid import build_grid

    found = find_recordings(inputs, args.channel, args.allow_pipes)
    parts = load_model(args)
    parts.model.config.task_index(args.task)
    codes, unread = encode_recordings(parts.codec, found.data, found.data.recos)
    rejected = sorted(found.rejected + unread)
    if not codes:
        raise AudiolmError(f"every recording was rejected; the first: {': '.join(rejected[0])}")
    levels = parts.layout.levels
    users = found.data.partners(codes) if args.user == "given" and parts.layout.speakers == 2 else {}
    grids = [
        build_grid(parts.layout, None, own[:, :levels], codes[users[reco]][:, :levels] if reco in users else None)
        for reco, own in codes.items()
    ]
    texts, words = {}, []
    for reco, text in zip(codes, recognise(parts.model, grids, args.batch, args.task), strict=True):
        file, channel = found.data.file_and_channel(reco)
        said = read_words(text, parts.word_initial, parts.tokenizer, parts.codec.frame_rate)
        said = [replace(word, file=BLANK.sub("%20", file), channel=channel) for word in said]
        texts[BLANK.sub("%20", reco)] = " ".join(word.word for word in said)
        words += said
    words.sort(key=WORD_ORDER)
    lines = [f"{reco} {text}".rstrip() for reco, text in sorted(texts.items())]
    if args.out is None:
        for line in [word.line for word in words] if args.times else lines:
            print(line)
        if not words:
            print(f"audiolm transcribe: no word was heard in {_recordings(len(codes))}", file=sys.stderr)
        for name, reason in rejected:
            print(f"audiolm transcribe: {name}: {reason}", file=sys.stderr)
    else:
        write_ctm(args.out / "ctm", words)
        write_lines(args.out / "text", lines)
        write_rejected(args.out / "rejected.tsv", rejected)
        seconds = sum(map(len, codes.values())) / parts.codec.frame_rate
        told = f"; {len(rejected)} rejected: {args.out / 'rejected.tsv'}" if rejected else ""
        print(f"transcribed {len(codes)} recordings, {seconds:.1f} s, {len(words)} words: {args.out}{told}")
