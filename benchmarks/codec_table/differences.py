"""Differences between pairs of the codecs that run.sh has scored, with intervals of the difference.

    python benchmarks/codec_table/differences.py --dir work/codec_table mimi,no_distillation mimi,no_split

A column each: first less second, on the same triphones and utterances of dev and test, by bootstrap over pairs of them
(ABX: cells). A star: the interval leaves out zero.
"""

import argparse
from pathlib import Path

import numpy as np

from audiolm.codec.load import load_codec
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.score.abx import abx, frames_of
from audiolm.score.items import Item
from audiolm.score.phone_abx import latents_of
from audiolm.score.phones import items_of
from audiolm.score.record import bootstrap_ci
from audiolm.score.resynthesis import resynthesize
from audiolm.score.signal_quality import measure, utterances

MEASURES = ("mel_distance", "stoi", "pesq", "visqol_speech", "si_sdr")  # by utterance


class Trained:
    """A codec of the table: its quantized latents of all triphones, its resynthesis of all utterances."""

    def __init__(self, work: Path, sets: list[str]):
        self.work, self.sets = work, sets
        self.codec = load_codec(work / "exp/codec")
        self.codes = {}
        for name in sets:
            reader = TokenReader(work / "dump" / name / "codes", "codes")
            self.codes |= {key: reader.read(key).astype(np.int64) for key in reader.keys()}

    def frames(self, items: list[Item], levels: int) -> list[np.ndarray]:
        """Frames [F, D] of every item, perhaps none."""
        latents, found = latents_of(self.codec, self.codes, levels), {}
        for file in {item.file for item in items}:
            found[file] = latents.of(file)
        return [found[item.file][frames_of(item, self.codec.frame_rate, len(found[item.file]))] for item in items]

    def values(self) -> dict[str, list[float | str]]:
        """Utterance -> values of `MEASURES`."""
        values = {}
        for name in self.sets:
            dump, folder = self.work / "dump" / name, self.work / "exp/codec/resynthesis" / name  # audiolm score's
            copy = DataDir.read(folder) if folder.exists() else resynthesize(self.work / "exp/codec", dump, folder)
            for utt, pair in utterances(DataDir.read(dump / "audio"), copy, self.codec.sample_rate):
                values[utt] = measure(pair, MEASURES, self.codec.sample_rate)
        return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="what run.sh wrote")
    parser.add_argument("--sets", nargs="+", default=["dev", "test"], help="of whose speakers none was trained on")
    parser.add_argument("pairs", nargs="+", help="two folders in it with a comma between them")
    args = parser.parse_args()
    pairs = [pair.split(",") for pair in args.pairs]
    trained = {name: Trained(args.dir / name, args.sets) for pair in pairs for name in pair}
    items = [item for name in args.sets for item in items_of(args.dir / pairs[0][0], name)[0]]
    values = {name: one.values() for name, one in trained.items()}
    rows: dict[str, list[str]] = {}
    for first, second in pairs:
        for label, of_all in (("ABX of level 1, %", False), ("ABX of all levels, %", True)):
            rows.setdefault(label, []).append(abx_cell(trained[first], trained[second], items, of_all))
        for number, label in enumerate(MEASURES):
            rows.setdefault(label, []).append(cell(values[first], values[second], number))
    print("| first less second |", " | ".join(f"{a} − {b}" for a, b in pairs).replace("_", " "), "|")
    print("|---" * (len(pairs) + 1) + "|")
    for label, cells in rows.items():
        print("|", label.replace("_", " "), "|", " | ".join(cells), "|")


def abx_cell(first: Trained, second: Trained, items: list[Item], of_all: bool) -> str:
    """Difference of ABX within speakers on the items that have frames of both."""
    frames = [one.frames(items, one.codec.n_q if of_all else 1) for one in (first, second)]
    kept = [number for number in range(len(items)) if all(len(each[number]) for each in frames)]
    a, b = ([each[number] for number in kept] for each in frames)
    found = abx([items[number] for number in kept], a, against=b)
    if found is None or found.ci is None:
        return "–"
    return _cell(100 * found.error, tuple(100 * end for end in found.ci), 1) + f", {found.triples} triples"


def cell(first: dict, second: dict, number: int) -> str:
    """Mean difference of one measure over the utterances that have it of both."""
    both = [(first[utt][number], second[utt][number]) for utt in first if utt in second]
    differences = [a - b for a, b in both if not isinstance(a, str) and not isinstance(b, str)]
    return _cell(float(np.mean(differences)), bootstrap_ci(differences), 3) if len(differences) > 1 else "–"


def _cell(value: float, ci: tuple[float, float], decimals: int) -> str:
    low, high = ci
    star = "*" if low > 0 or high < 0 else ""
    return f"{value:+.{decimals}f}{star} ({low:+.{decimals}f} to {high:+.{decimals}f})"


if __name__ == "__main__":
    main()
