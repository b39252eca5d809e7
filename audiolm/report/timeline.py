"""One dialogue on a time axis: both speakers' sound, turns, words, and the text stream's tokens as cells."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Turn, Word, read_rttm
from audiolm.data.tokens import TokenReader
from audiolm.report.picture import audio_uri, envelope_path
from audiolm.text.tokenizer import Tokenizer

SCALE = 128  # units a second
MOST_SECONDS = 40.0
AXIS, WAVE, WORDS, FOUND, CELLS, GAP = 18, 46, 22, 5, 15, 14  # heights
PAD_COUNT = 3  # spaces between rows of a channel
LEAD = (
    "{what} of the set '{name}'. Under the words, the text stream that the model learns: one cell a frame, EPAD just "
    "before a word, PAD in between. Click to listen from there."
)


@dataclass(frozen=True)
class Channel:
    """What is known of one channel of a dialogue; times in seconds, ``tokens`` [frames] at ``frame_rate``."""

    name: str
    wav: np.ndarray
    fs: int
    words: list[Word]
    turns: list[Turn]
    found: list[Turn]
    tokens: np.ndarray
    frame_rate: float


def read_channels(
    work: Path, name: str, tokenizer: str | None = None, file: str | None = None
) -> tuple[str, list[Channel]]:
    """(File id, its channels) of a set: of the first file with most channels, or of ``file``.

    Words and turns are those of the corpus where it gives them, else of the recipe's own aligner and diarizer;
    ``found`` are the diarizer's turns. ``tokenizer``: checksum of the one that will spell the text.
    """
    folder = work / "dump" / name
    data = DataDir.read(folder / "audio")
    text = TokenReader(folder / "text", "text", tokenizer)
    by_file: dict[str, list[str]] = {}
    for reco in data.recos:
        by_file.setdefault(data.file_and_channel(reco)[0], []).append(reco)
    if file is None:  # the first with as many channels as the set has
        most = max(map(len, by_file.values()))
        file = next(file for file, recos in by_file.items() if len(recos) == most)
    found_path, aligned_path = folder / "diarize" / "rttm", folder / "align" / "ctm"
    found = data.by_reco(read_rttm(found_path)) if found_path.is_file() else {}
    words = data.words()
    if not data.ctm and aligned_path.is_file():
        from audiolm.data.tables import read_ctm

        words = data.by_reco(read_ctm(aligned_path))
    turns = data.turns()
    channels = []
    for reco in by_file[file]:
        seconds = min(data.duration(reco), MOST_SECONDS)
        tokens = text.read(reco)[:, 0][: int(seconds * text.meta.frame_rate)] if reco in text else np.zeros(0, int)
        wav = data.audio(reco, duration=seconds)
        channels.append(
            Channel(
                name=f"{data.file_and_channel(reco)[1]}",
                wav=wav,
                fs=round(len(wav) / seconds),
                words=[word for word in words[reco] if word.start < seconds],
                turns=[turn for turn in turns[reco] or found.get(reco, []) if turn.start < seconds],
                found=[turn for turn in found.get(reco, []) if turn.start < seconds],
                tokens=tokens,
                frame_rate=text.meta.frame_rate,
            )
        )
    return file, channels


def timeline(channels: list[Channel], tokenizer: Tokenizer, label: str) -> str:
    """The channels below each other in one scrolling picture, with a player for all of them."""
    seconds = max(len(channel.wav) / channel.fs for channel in channels)
    rows = WAVE + WORDS + FOUND + CELLS + PAD_COUNT * 3
    height = AXIS + len(channels) * (rows + GAP)
    width = seconds * SCALE
    parts = [
        f'<svg class="timeline" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}" '
        f'role="img" aria-label="timeline of {escape(label)}">',
        *(_second(second, height) for second in range(int(seconds) + 1)),
    ]
    loudest = max(float(np.abs(channel.wav).max()) for channel in channels) or 1.0
    for index, channel in enumerate(channels):
        parts += _channel(channel, index, AXIS + index * (rows + GAP), tokenizer, loudest)
    parts.append(f'<path class="playhead" d="M0 0V{height}"/></svg>')
    length = min(len(channel.wav) for channel in channels)
    stereo = np.stack([channel.wav[:length] for channel in channels], axis=1)
    key = (
        '<div class="legend"><span><i class="cell-word"></i>word piece</span><span><i class="cell-epad"></i>EPAD</span>'
        '<span><i class="cell-pad"></i>PAD</span>'
        + ('<span><i class="found-key"></i>turns as diarized</span>' if any(c.found for c in channels) else "")
        + '<span class="hint">the picture goes on to the right: scroll it</span></div>'
    )
    names = "".join(
        f'<div class="speaker s{index}" style="top:{AXIS + index * (rows + GAP) + 2}px">{escape(channel.name)}</div>'
        for index, channel in enumerate(channels)
    )
    return (
        f'<div class="clip wide" data-seconds="{length / channels[0].fs:.3f}"><div class="frame more">{names}'
        f'<div class="scroll" tabindex="0">{"".join(parts)}</div></div>{key}'
        f'<audio controls preload="metadata" src="{audio_uri(stereo, channels[0].fs)}"></audio></div>'
    )


def _second(second: int, height: int) -> str:
    x = second * SCALE
    return f'<path class="grid" d="M{x} {AXIS}V{height}"/><text class="tick" x="{x + 3}" y="12">{second} s</text>'


def _channel(channel: Channel, index: int, top: float, tokenizer: Tokenizer, loudest: float) -> list[str]:
    seconds = len(channel.wav) / channel.fs
    width = seconds * SCALE
    parts = []
    for turn in channel.turns:
        parts.append(
            f'<rect class="turn s{index}" x="{turn.start * SCALE:.1f}" y="{top}" rx="4" '
            f'width="{turn.duration * SCALE:.1f}" height="{WAVE + WORDS + PAD_COUNT}"/>'
        )
    wave = envelope_path(channel.wav, int(width / 1.6), width, top, WAVE, loudest)
    parts.append(f'<path class="wave s{index}" d="{wave}"/>')
    y = top + WAVE + PAD_COUNT
    for word in channel.words:
        x, length = word.start * SCALE, max(word.duration * SCALE, 4)
        size = min(11.5, 1.75 * length / max(len(word.word), 1))
        parts.append(
            f"<g><title>{escape(word.word)}, {word.start:.2f} to {word.end:.2f} s</title>"
            f'<rect class="word s{index}" x="{x:.1f}" y="{y}" width="{length - 1:.1f}" height="{WORDS - 4}" rx="3"/>'
            f'<text class="word" x="{x + length / 2:.1f}" y="{y + 13}" font-size="{size:.1f}">'
            f"{escape(word.word)}</text></g>"
        )
    y += WORDS
    for turn in channel.found:
        parts.append(
            f'<rect class="found" x="{turn.start * SCALE:.1f}" y="{y}" width="{turn.duration * SCALE:.1f}" '
            f'height="{FOUND - 1}" rx="2"><title>diarized: {escape(turn.speaker)}, {turn.start:.2f} to {turn.end:.2f} s'
            "</title></rect>"
        )
    y += FOUND + PAD_COUNT
    step = SCALE / channel.frame_rate
    for frame, token in enumerate(channel.tokens.tolist()):
        kind = {"PAD": "pad", "EPAD": "epad"}.get(tokenizer.specials.name(token), "word")
        speaker = f" s{index}" if kind == "word" else ""
        name = tokenizer.pieces([token])[0]
        parts.append(
            f'<rect class="cell-{kind}{speaker}" x="{frame * step + 0.5:.1f}" y="{y}" width="{step - 1:.1f}" '
            f'height="{CELLS}" rx="1.5">'
            + (f"<title>frame {frame}: {escape(name)}</title>" if kind != "pad" else "")
            + "</rect>"
        )
    return parts
