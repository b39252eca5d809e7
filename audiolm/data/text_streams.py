"""Text streams of a set: words and times of data directories become archives of PAD/EPAD tokens, and what was moved."""

import functools
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from audiolm.data.datadir import DataDir
from audiolm.data.files import write_lines
from audiolm.data.tables import Problem, Word, channel_index, iter_ctm, refuse
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.data.tools import write_rejected
from audiolm.errors import AudiolmError
from audiolm.jobs.progress import progress
from audiolm.streams.text import TextStats, build_text, turn_marks
from audiolm.text.specials import Specials
from audiolm.text.tokenizer import Tokenizer

MOST_LOST = 0.1  # share of a recording's pieces that may find no frame, and of its words' time in which they overlap
FAR = 5  # frames that moved words may be off on average
FARTHEST = 25  # frames that the farthest may be off: 2 s at 12.5 a second


@dataclass
class TextStreams:
    """How words are placed.

    Attributes:
        tokenizer: of the words.
        frame_rate: frames a second.
        layout, overlap: see :func:`audiolm.streams.text.build_text`.
        turns: words of all speakers of a file, BOS and EOS at changes of speaker.
    """

    tokenizer: Tokenizer
    frame_rate: float
    layout: str = "paper"
    overlap: str = "shift"
    turns: bool = False

    def __post_init__(self):
        self._spelling = functools.cache(self.tokenizer.encode_word)

    @property
    def meta(self) -> Meta:
        """Of the archive."""
        return Meta(self.frame_rate, (self.tokenizer.vocab_size,), self.tokenizer.checksum, self.tokenizer.specials)

    def write(self, data: DataDir, ctm: Path, directory: Path, job: int) -> TextStats:
        """Write one job's part: archive, ``rejected.<job>.tsv`` and ``stats.<job>.json``."""
        words, disorder = read_words(data, ctm)
        files = data.recos_of_files() if self.turns else {}
        others = {reco: [other for other in recos if other != reco] for recos in files.values() for reco in recos}
        total, rejected, farthest = TextStats(), [], ""
        with TokenWriter(directory, "text", job, self.meta) as writer:
            for reco in progress(data.recos, desc=f"text {directory.parent.name}"):
                try:
                    for one in (reco, *others.get(reco, ())):
                        if one in disorder:
                            raise AudiolmError(disorder[one])
                    said, marks = words[reco], None
                    if self.turns:
                        spoken = [word for other in others[reco] for word in words[other]]
                        said, marks = turns(said, spoken, self.tokenizer.specials)
                    tokens, stats = self.place(said, marks, data.duration(reco))
                except AudiolmError as error:
                    rejected.append((reco, str(error)))
                    continue
                writer.write(reco, tokens[:, None])
                farthest = reco if stats.max_shift > total.max_shift else farthest
                total += stats
        write_rejected(directory / f"rejected.{job}.tsv", rejected)
        write_lines(directory / f"stats.{job}.json", [json.dumps(asdict(total) | {"farthest": farthest})])
        return total

    def place(self, said: list[Word], marks: dict[int, int] | None, duration: float):
        """A recording's stream, int [T], and what was moved.

        Raises:
            AudiolmError: a word lies beyond the end, cannot be spelt, or words overlap so far that many are lost.
        """
        for word in said:
            if word.start >= duration:
                raise AudiolmError(f"'{word.word}' at {word.start} s is beyond the end at {duration} s")
        tokens, stats = build_text(
            [word.start for word in said],
            [self._spelling(word.word) for word in said],
            num_frames(duration, self.frame_rate),
            self.frame_rate,
            self.layout,
            self.overlap,
            [word.start + word.duration for word in said],
            marks,
            self.tokenizer.specials,
        )
        lost, of = stats.lost_pieces, stats.pieces + stats.lost_pieces
        if self.overlap == "shift" and lost > MOST_LOST * of and overlap(said) > MOST_LOST:
            raise AudiolmError(
                f"its words overlap, and {lost} of their {of} pieces find no frame before its end; are"
                " utterances in it twice?"
            )
        return tokens, stats


def read_words(data: DataDir, path: Path) -> tuple[dict[str, list[Word]], dict[str, str]]:
    """Every recording's words in order of time, and what is wrong with those whose lines were not in that order."""
    reasons: dict[int, str] = {}

    def report(problem: Problem) -> None:
        if not problem.repairable:
            refuse(problem)
        reasons[problem.line] = problem.reason

    recos = {}
    for reco in data.recos:
        file, channel = data.file_and_channel(reco)
        recos[file, channel_index(channel)] = reco
    words, disorder = [], {}
    for line, word in iter_ctm(path, report, data.files):
        words.append(word)
        if line in reasons:
            disorder[recos.get((word.file, channel_index(word.channel)))] = reasons[line]
    return data.by_reco(words), disorder


def turns(own: list[Word], others: list[Word], specials: Specials) -> tuple[list[Word], dict[int, int]]:
    """All words in order of time, and where their turns begin (:func:`audiolm.streams.text.turn_marks`)."""
    said = sorted([(word, True) for word in own] + [(word, False) for word in others], key=lambda pair: pair[0].start)
    return [word for word, _ in said], turn_marks([is_own for _, is_own in said], specials)


def overlap(words: list[Word]) -> float:
    """The share of the words' time, 0…1, in which the word before, in order of starts, still goes on."""
    lasting = sum(word.duration for word in words)
    shared = sum(max(0.0, min(a.end, b.end) - b.start) for a, b in zip(words, words[1:], strict=False))
    return shared / lasting if lasting else 0.0


def num_frames(duration: float, frame_rate: float) -> int:
    """Frames of a recording of ``duration`` seconds, the last perhaps not full.

    Durations come from tables with six decimals: what exceeds a whole frame by less than 1e-4 of one is rounding.
    """
    return max(1, math.ceil(duration * frame_rate - 1e-4))


def describe_parts(name: str, directory: Path, num_jobs: int) -> str:
    """One line on what all jobs have written; empty where a job has left no counts."""
    files = [directory / f"stats.{job}.json" for job in range(1, num_jobs + 1)]
    if not all(file.is_file() for file in files):
        return ""
    parts = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    farthest = max(parts, key=lambda part: part["max_shift"])
    where = [part.pop("farthest", "") for part in parts][parts.index(farthest)]
    total = sum((TextStats(**part) for part in parts), TextStats())
    line = describe(name, total)
    if total.shifted_frames > FAR * max(total.shifted_words, 1):
        line += "; so far off that times, or the tokenizer's pieces, look wrong"
    if total.max_shift > FARTHEST and where:
        line += f"; warning: words of '{where}' stand {total.max_shift} frames late, look at them: audiolm text show"
        line += f" {directory} --ids {where} --tokenizer …"
    return line


def describe(name: str, stats: TextStats) -> str:
    """One line on a set's text streams."""
    line = (
        f"{name}: {stats.words} words in {stats.frames} frames: {stats.pads / max(stats.frames, 1):.1%} PAD, "
        f"{stats.epads / max(stats.frames, 1):.1%} EPAD, {stats.pieces} pieces"
    )
    if stats.shifted_words:
        mean = stats.shifted_frames / stats.shifted_words
        line += f"; {stats.shifted_words} words moved right, by {mean:.1f} frames on average, {stats.max_shift} at most"
    return line + (f"; {stats.lost_pieces} pieces lost" if stats.lost_pieces else "")
