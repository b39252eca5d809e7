"""Free Spoken Digit Dataset -> Kaldi data directories of digit strings, with speakers held out.

The corpus (Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0) is single digits of six
people, 8 kHz, ``recordings/<digit>_<speaker>_<take>.wav``. A recording here is a string of a few takes of one speaker,
joined with random gaps; or, with two sides, several such strings in turn with another speaker's on the other channel.
Where each take lies is known to the sample: ``ctm``, ``rttm``, ``segments`` and ``text`` are exact.

Takes are cut to the part that rises above the speaker's noise. Speakers differ by 22 dB, so each is brought to -26 dBFS
as a whole; gaps hold white noise at the speaker's own floor, which is what is left of the room between takes.

The corpus's own test part is takes 0 to 4 of the same speakers. Held-out speakers are the harder test, and all takes of
the others are used for training: a model trained here must not be scored on that test part.
"""

import argparse
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.files import remove_others
from audiolm.data.tables import Segment, Turn, Word
from audiolm.errors import AudiolmError, did_you_mean
from audiolm.jobs.progress import progress

URL = "https://github.com/Jakobovski/free-spoken-digit-dataset"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NAME = re.compile(r"([0-9])_([a-z]+)_(\d+)\.wav")
GAP = (0.08, 0.5)  # seconds between two digits of a string
PAUSE = (0.3, 1.0)  # seconds before, between and after strings
STRINGS = {1: 1, 2: 4}  # strings of a file, by sides
TURN_PAUSE = 0.3  # seconds: a shorter pause does not end a turn (NIST Rich Transcription's rule)
LEVEL = 10 ** (-26 / 20)
FADE = 0.005  # seconds of cross-fade between a take and the noise around it
FRAME = 0.005  # seconds of the frames whose level decides where a take begins
RANGE = 10 ** (-35 / 20)  # a take's sound is within this of its loudest frame


@dataclass(frozen=True)
class Take:
    """One recording of a digit."""

    path: Path
    digit: int
    speaker: str
    number: int


@dataclass(frozen=True)
class Voice:
    """A speaker's takes as float32 samples at ``fs``, by digit, and the level of the noise between them."""

    speaker: str
    fs: int
    takes: list[tuple[int, np.ndarray]]
    floor: float


@dataclass(frozen=True)
class Placed:
    """A digit in a recording; seconds."""

    start: float
    end: float
    word: str


def find_takes(corpus_dir: Path) -> list[Take]:
    """The takes of a copy of the corpus: in ``recordings/`` (as distributed), ``wav/``, or the folder itself.

    Raises:
        AudiolmError: there are none, or a speaker lacks a digit.
    """
    folders = [corpus_dir / "recordings", corpus_dir / "wav", corpus_dir]
    for folder in folders:
        names = [(path, NAME.fullmatch(path.name)) for path in sorted(folder.glob("*.wav"))]
        takes = [Take(path, int(match[1]), match[2], int(match[3])) for path, match in names if match]
        if takes:
            break
    else:
        raise AudiolmError(
            f"no takes <digit>_<speaker>_<take>.wav in {' or '.join(map(str, folders))}; get the corpus with"
            f" 'git clone {URL}' and name its folder with --corpus_dir"
        )
    digits = defaultdict(set)
    for take in takes:
        digits[take.speaker].add(take.digit)
    for speaker, there in sorted(digits.items()):
        if len(there) < len(DIGITS):
            missing = ", ".join(f"{digit}_{speaker}_0.wav" for digit in range(10) if digit not in there)
            raise AudiolmError(f"{folder} has no take of {missing}; get the whole corpus from {URL}")
    return takes


def load_voice(takes: list[Take], speed: float = 1.0) -> Voice:
    """One speaker's takes, cut to their sound, at -26 dBFS as a whole, and ``speed`` times as fast (pitch follows)."""
    waves, rates = [], set()
    for take in takes:
        rates.add(audio.info(take.path).fs)
        waves.append(audio.read(take.path))
    if len(rates) > 1:
        raise AudiolmError(f"takes of {takes[0].speaker} have {sorted(rates)} Hz, expected one rate")
    fs = rates.pop()
    levels = [frame_levels(wav, fs) for wav in waves]
    # Few takes have pure noise at their edges, so the floor of the quietest tenth is the floor.
    floor = float(np.quantile([level.min() for level in levels], 0.1))
    waves = [cut(wav, level, floor, fs) for wav, level in zip(waves, levels, strict=True)]
    gain = LEVEL / float(np.median([np.sqrt(np.mean(wav**2)) for wav in waves]))
    waves = [audio.resample(gain * wav, round(fs * speed), fs).astype(np.float32) for wav in waves]
    name = takes[0].speaker if speed == 1.0 else f"sp{speed:g}-{takes[0].speaker}"  # Kaldi's name for it
    return Voice(name, fs, [(take.digit, wav) for take, wav in zip(takes, waves, strict=True)], gain * floor)


def frame_levels(wav: np.ndarray, fs: int) -> np.ndarray:
    """Root mean square of each 5 ms frame: [frames]."""
    frame = round(FRAME * fs)
    count = max(1, len(wav) // frame)
    return np.sqrt(np.mean(np.resize(wav, (count, frame)) ** 2, axis=1))


def cut(wav: np.ndarray, level: np.ndarray, floor: float, fs: int) -> np.ndarray:
    """The samples from the first to the last frame that is louder than the noise and within 35 dB of the loudest."""
    loud = np.flatnonzero(level > min(max(level.max() * RANGE, 2 * floor), 0.5 * level.max()))
    frame = round(FRAME * fs)
    return wav[loud[0] * frame : (loud[-1] + 1) * frame]


def draw_strings(
    voice: Voice, rng: np.random.Generator, lengths: tuple[int, int]
) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Endless strings of ``lengths`` (least, most) takes; every take is used once before any is used again."""
    queue: list[int] = []
    while True:
        length = int(rng.integers(lengths[0], lengths[1] + 1))
        while len(queue) < length:
            queue += rng.permutation(len(voice.takes)).tolist()
        yield [voice.takes[index] for index in queue[:length]]
        del queue[:length]


def join(
    voices: list[Voice], strings: list[list[tuple[int, np.ndarray]]], rng: np.random.Generator
) -> tuple[np.ndarray, list[list[list[Placed]]]]:
    """Strings one after another, string *i* on side *i* mod sides.

    Returns:
        float32 [samples, sides]; and of each side, its strings' digits with their places.
    """
    fs = voices[0].fs
    places: list[tuple[int, int, list[tuple[int, np.ndarray]], list[int]]] = []
    here = 0
    for index, string in enumerate(strings):
        starts = []
        for number, (_, wav) in enumerate(string):
            low, high = GAP if number else PAUSE
            here += round(float(rng.uniform(low, high)) * fs)
            starts.append(here)
            here += len(wav)
        places.append((index % len(voices), string, starts))
    here += round(float(rng.uniform(*PAUSE)) * fs)
    noise = rng.standard_normal((here, len(voices)), dtype=np.float32)
    out = noise * np.array([voice.floor for voice in voices], np.float32)
    words: list[list[list[Placed]]] = [[] for _ in voices]
    for side, string, starts in places:
        words[side].append([])
        for (digit, wav), start in zip(string, starts, strict=True):
            fade = np.minimum(1.0, (np.arange(len(wav), dtype=np.float32) + 1) / (FADE * fs))
            fade = fade * fade[::-1]
            stretch = out[start : start + len(wav), side]
            stretch += fade * (wav - stretch)
            words[side][-1].append(Placed(start / fs, (start + len(wav)) / fs, DIGITS[digit]))
    return out, words


def turns_of(placed: list[Placed]) -> list[tuple[float, float]]:
    """(start, end) of the turns that digits make, where pauses of up to 0.3 s do not end a turn."""
    turns: list[tuple[float, float]] = []
    for word in placed:
        if turns and word.start - turns[-1][1] <= TURN_PAUSE:
            turns[-1] = (turns[-1][0], word.end)
        else:
            turns.append((word.start, word.end))
    return turns


def make_set(
    directory: Path,
    takes: list[Take],
    seconds: float,
    seed: int,
    sides: int = 1,
    speeds: tuple[float, ...] = (1.0,),
    lengths: tuple[int, int] = (3, 8),
) -> DataDir:
    """Write a set of about ``seconds`` of audio from takes of its speakers: ``wav/*.flac`` and the tables.

    Args:
        sides: 1, a file is one string; 2, a file has two channels whose speakers take turns (two speakers of the set
            where it has two).
        speeds: a side is spoken at one of these speeds, drawn at random.
        lengths: least and most digits of a string.
    """
    by_speaker = defaultdict(list)
    for take in takes:
        by_speaker[take.speaker].append(take)
    voices = {(name, speed): load_voice(own, speed) for name, own in sorted(by_speaker.items()) for speed in speeds}
    rng = np.random.default_rng([seed, *directory.name.encode()])
    queues = {key: draw_strings(voice, rng, lengths) for key, voice in voices.items()}
    names, data, written = sorted(by_speaker), DataDir(rttm=[], ctm=[]), 0.0
    for index in progress(itertools.count(), desc=f"strings for {directory.name}"):
        if written >= seconds:
            break
        speakers = [names[(index + side) % len(names)] for side in range(sides)]
        if sides > 1 and len(names) > 1:
            speakers = [names[pick] for pick in rng.permutation(len(names))[:sides]]
        keys = [(name, float(rng.choice(speeds))) for name in speakers]
        strings = [next(queues[keys[number % sides]]) for number in range(STRINGS[sides])]
        wav, words = join([voices[key] for key in keys], strings, rng)
        file, fs = f"{directory.name}-{index:06d}", voices[keys[0]].fs
        path = directory.absolute() / "wav" / f"{file}.flac"
        audio.write(path, wav, fs)
        written += len(wav) / fs
        for side, (key, placed) in enumerate(zip(keys, words, strict=True)):
            _describe(data, file, side if sides > 1 else None, path, voices[key].speaker, placed, len(wav) / fs)
    data.write(directory)
    remove_others(directory / "wav", {Path(entry).name for entry in data.wav.values()})
    return data


def _describe(
    data: DataDir, file: str, side: int | None, path: Path, speaker: str, strings: list[list[Placed]], duration: float
) -> None:
    """Add one side of a file (None: a file of one) to the tables."""
    channel = "AB"[side or 0]
    reco = file if side is None else f"{file}-{channel}"
    data.wav[reco] = str(path)
    data.reco2dur[reco] = duration
    if side is not None:
        data.reco2file_and_channel[reco] = (file, channel)
    for string in strings:
        start, end = string[0].start, string[-1].end
        utt = f"{speaker}-{reco}-{round(start * 100):06d}-{round(end * 100):06d}"
        data.segments[utt] = Segment(reco, start, end)
        data.utt2spk[utt] = speaker
        data.text[utt] = " ".join(word.word for word in string)
        data.ctm += [Word(file, channel, word.start, word.end - word.start, word.word) for word in string]
        number = str((side or 0) + 1)
        data.rttm += [Turn(file, number, start, end - start, speaker) for start, end in turns_of(string)]


def speakers_of_sets(takes: list[Take], dev: list[str], test: list[str]) -> list[list[str]]:
    """Speakers of train, dev and test; train has those that are in neither of the others.

    Raises:
        AudiolmError: a speaker that is not there, or that is in two sets; none left for training.
    """
    names = sorted({take.speaker for take in takes})
    for name in dev + test:
        if name not in names:
            raise AudiolmError(f"no takes of speaker '{name}'{did_you_mean(name, names)}")
    if set(dev) & set(test):
        raise AudiolmError(f"speaker '{min(set(dev) & set(test))}' is in --dev_speakers and in --test_speakers")
    train = [name for name in names if name not in dev + test]
    if not (train and dev and test):
        raise AudiolmError(
            f"speakers {names}: dev {dev} and test {test} leave {train} for train, expected some of each"
        )
    return [train, dev, test]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the corpus's own options."""
    parser.add_argument("--hours", type=float, default=1.0, help="of training audio")
    parser.add_argument("--eval_minutes", type=float, default=5.0, help="of audio in each other set")
    parser.add_argument("--sides", type=int, choices=sorted(STRINGS), default=1, help="channels (speakers) of a file")
    parser.add_argument("--digits", type=int, nargs=2, default=[3, 8], metavar=("LEAST", "MOST"), help="in a string")
    parser.add_argument("--speeds", type=float, nargs="+", default=[0.9, 1.0, 1.1], help="of training speech")
    parser.add_argument("--dev_speakers", nargs="+", default=["yweweler"], help="held out for dev")
    parser.add_argument("--test_speakers", nargs="+", default=["theo"], help="held out for test")
    parser.add_argument("--seed", type=int, default=0, help="of every random draw")


def prepare(args: argparse.Namespace) -> None:
    """Make the three sets."""
    if len(args.sets) != 3:
        raise AudiolmError(f"--sets {' '.join(args.sets)}: expected three names, of train, dev and test")
    if not 1 <= args.digits[0] <= args.digits[1]:
        raise AudiolmError(f"--digits {args.digits[0]} {args.digits[1]}: expected the least and the most, 1 or more")
    takes = find_takes(args.corpus_dir)
    sets = speakers_of_sets(takes, args.dev_speakers, args.test_speakers)
    for number, (name, speakers) in enumerate(zip(args.sets, sets, strict=True)):
        seconds = 60 * args.eval_minutes if number else 3600 * args.hours
        speeds = (1.0,) if number else tuple(args.speeds)
        own = [take for take in takes if take.speaker in speakers]
        data = make_set(args.dir / "data" / name, own, seconds, args.seed, args.sides, speeds, tuple(args.digits))
        print(f"{name}: {len(data.wav)} recordings of {', '.join(speakers)}, {len(data.ctm)} digits")
