"""What one can hear and read: originals beside their resynthesis, continuations, speech, transcripts."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from html import escape
from pathlib import Path

import numpy as np

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.json_lines import read_json_lines
from audiolm.data.tokens import TokenReader
from audiolm.report.picture import audio_uri, envelope_path, mel_uri

WAVE_WIDTH, WAVE_HEIGHT = 600, 64
# How many of each are shown.
CLIPS = {"resynthesis": 3, "continue": 6, "unconditional": 3, "turns": 6, "tts": 9, "asr": 12}
MOST_SECONDS = 30.0


def clip(wav: np.ndarray, fs: int, caption: str, shaded: float = 0.0, mel: bool = False) -> str:
    """A figure with waveform, mel spectrogram where asked, and player.

    Args:
        wav: [samples] or [samples, channels].
        caption: HTML.
        shaded: seconds at the start that are given, not generated.
    """
    channels = wav[:, None] if wav.ndim == 1 else wav
    seconds = len(channels) / fs
    height = WAVE_HEIGHT * channels.shape[1]
    scale = float(np.abs(channels).max()) or 1.0
    waves = "".join(
        f'<path class="wave s{i}" d="{envelope_path(channel, 300, WAVE_WIDTH, i * WAVE_HEIGHT, WAVE_HEIGHT, scale)}"/>'
        for i, channel in enumerate(channels.T)
    )
    given = ""
    if shaded:
        x = min(shaded / seconds, 1) * WAVE_WIDTH
        given = f'<rect class="given" x="0" y="0" width="{x:.1f}" height="{height}"/>'
    picture = f'<img src="{mel_uri(channels[:, 0], fs)}" alt="mel spectrogram">' if mel else ""
    return (
        f'<figure class="clip" data-seconds="{seconds:.3f}"><div class="frame">{picture}'
        f'<svg viewBox="0 0 {WAVE_WIDTH} {height}" preserveAspectRatio="none" role="img" aria-label="waveform">'
        f'{given}{waves}</svg><div class="needle"></div></div>'
        f'<audio controls preload="metadata" src="{audio_uri(wav, fs)}"></audio>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def resynthesis(work: Path, name: str, codec_dir: Path, by_level: bool = False) -> str:
    """Utterances of a set through the codec: original and decoded codes side by side, with mel spectrograms.

    ``by_level`` adds what the first half of the levels and the first alone carry.
    """
    from audiolm.codec.bulk import decode_batch
    from audiolm.codec.load import load_codec
    from audiolm.train.checkpoint import checksum

    data = DataDir.read(work / "dump" / name / "audio")
    codes = TokenReader(work / "dump" / name / "codes", "codes", source=checksum(codec_dir))
    codec = load_codec(codec_dir)
    all_levels = codec.n_q
    levels = sorted({1, (all_levels + 1) // 2, all_levels}, reverse=True) if by_level else [all_levels]
    pairs = []
    for utt in _varied(data):
        place, fs = data.place(utt), codec.sample_rate
        window = slice(round(place.start * fs), round(place.end * fs))
        original = data.audio(place.reco, fs=fs)[window]
        said = f"“{escape(data.text[utt])}”" if utt in data.text else escape(utt)
        speaker = escape(data.utt2spk.get(utt, place.reco))
        clips = [clip(original, fs, f"<b>original</b> {said}", mel=True)]
        for count in levels:
            decoded = decode_batch(codec, [codes.read(place.reco)[:, :count]])[0][window]
            which = "resynthesis" if count == all_levels else "level 1" if count == 1 else f"levels 1 to {count}"
            clips.append(clip(decoded, fs, f"<b>{which}</b> {speaker}", mel=True))
        pairs.append(f'<div class="pair">{"".join(clips)}</div>')
    return "".join(pairs)


def _varied(data: DataDir) -> list[str]:
    """Longish utterances of different speakers and texts."""
    chosen: dict[str, str] = {}
    texts: set[str] = set()
    for utt in sorted(data.utts, key=lambda utt: (-min(data.place(utt).end - data.place(utt).start, 2.0), utt)):
        speaker, text = data.utt2spk.get(utt, utt), data.text.get(utt, utt)
        if speaker not in chosen and text not in texts:
            chosen[speaker] = utt
            texts.add(text)
    return sorted(chosen.values())[: CLIPS["resynthesis"]]


def read_items(folder: Path) -> tuple[DataDir, list[dict]]:
    """A ``generate/<mode>`` folder: its data directory, and the lines of ``meta.jsonl``."""
    return DataDir.read(folder), [item for _, item in read_json_lines(folder / "meta.jsonl")]


def conversations(folder: Path) -> str:
    """Continued, free or spoken conversations, one channel a speaker, with the words of the text stream."""
    data, items = read_items(folder)
    figures = []
    for item in _spread(items, CLIPS[folder.name]):
        wav, fs = audio.read_channels(data.wav_path(item["id"]), duration=_at_most(data, item["id"]))
        prompt = item.get("prompt", 0.0)
        words = " ".join(f"<s>{escape(w)}</s>" if start < prompt else escape(w) for start, w in item["words"])
        source = f"after {prompt:g} s of {escape(item['source'])}: " if prompt else ""
        figures.append(clip(wav, fs, f"<small>{source}</small>{words or '<small>(no words)</small>'}", shaded=prompt))
    return f'<div class="clips">{"".join(figures)}</div>'


def speech(folder: Path) -> str:
    """Spoken sentences, with the text that was asked for."""
    data, items = read_items(folder)
    figures = []
    for item in _spread(items, CLIPS["tts"]):
        wav, fs = audio.read_channels(data.wav_path(item["id"]), duration=_at_most(data, item["id"]))
        asked = item.get("text") or " ".join(word for _, word in item["words"])
        figures.append(clip(wav[:, 0], fs, f"“{escape(asked)}”"))
    return f'<div class="clips three">{"".join(figures)}</div>'


def transcripts(folder: Path, references: dict[str, str]) -> str:
    """What the model heard beside what was said, differences marked."""
    _, items = read_items(folder)
    rows = []
    for item in _spread([item for item in items if item["id"] in references], CLIPS["asr"]):
        said, heard = references[item["id"]].split(), [word for _, word in item["words"]]
        rows.append(f"<tr><td>{escape(item['id'])}</td><td>{compared(said, heard)}</td></tr>")
    return f'<div class="wide"><table class="transcripts">{"".join(rows)}</table></div>'


def compared(said: list[str], heard: list[str]) -> str:
    """One line of words: what was missed struck through, what was heard instead or besides underlined.

    >>> compared("one two three".split(), "one too three".split())
    'one <del>two</del> <ins>too</ins> three'
    """
    words = []
    for kind, i, j, k, m in SequenceMatcher(None, said, heard, autojunk=False).get_opcodes():
        if kind == "equal":
            words += map(escape, said[i:j])
        else:
            words += [f"<del>{escape(' '.join(said[i:j]))}</del>"] if j > i else []
            words += [f"<ins>{escape(' '.join(heard[k:m]))}</ins>"] if m > k else []
    return " ".join(words)


def references_of(data: DataDir) -> dict[str, str]:
    """Recording -> its transcript, the utterances in order of time."""
    texts: dict[str, list[tuple[float, str]]] = {}
    for utt, text in data.text.items():
        place = data.place(utt)
        texts.setdefault(place.reco, []).append((place.start, text))
    return {reco: " ".join(text for _, text in sorted(parts)) for reco, parts in texts.items()}


def _at_most(data: DataDir, reco: str) -> float:
    return min(data.duration(reco), MOST_SECONDS)


def _spread(items: list, count: int) -> Iterable:
    """``count`` of the items, evenly spread; all where there are fewer."""
    return [items[i * len(items) // count] for i in range(count)] if len(items) > count else items
