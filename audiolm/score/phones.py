"""Triphones of a set for ABX: from a ``.item`` file, or from phones that PocketSphinx aligns with the transcripts."""

from collections import defaultdict
from functools import partial
from pathlib import Path

from audiolm.annotate.sources import widest
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Word, read_ctm, write_ctm
from audiolm.data.tools import write_rejected
from audiolm.errors import AudiolmError
from audiolm.score.items import Item, NoTriples, read_items, triphones, write_items
from audiolm.score.parallel import on_all_cores

MOST_SECONDS = 3600.0  # of recordings that are aligned, whole speakers (alignment is about 15 times faster than that)
SHARE = 4  # recordings that a process takes at once


def items_of(work: Path, name: str, given: Path | None = None) -> tuple[list[Item], str]:
    """The set's triphones, and where they come from.

    Args:
        given: a ``.item`` file, whose files are recordings of ``dump/<name>/audio``; None: PocketSphinx's phones, kept
            in ``dump/<name>/phones`` (ctm, triphones.item, rejected.tsv) and made again where audio or texts are newer.

    Raises:
        AudiolmError: no items, none of the set's recordings among them, no transcripts, or none that fits its audio.
    """
    data = DataDir.read(work / "dump" / name / "audio")
    if given is not None:
        items = read_items(given)
        known = [item for item in items if item.file in data.wav]
        if not known:
            raise AudiolmError(
                f"{given}: no recording of it is in {data.path}, such as '{items[0].file}' (there: '{data.recos[0]}')"
            )
        return known, given.name
    folder = work / "dump" / name / "phones"
    ctm = folder / "ctm"
    made_from = [path for path in (data.path / "wav.scp", data.path / "text") if path.is_file()]
    if not ctm.is_file() or any(path.stat().st_mtime > ctm.stat().st_mtime for path in made_from):
        _align(work, name, data, folder)
    items = triphones(read_ctm(ctm), data)
    if not items:
        raise NoTriples(f"{ctm} has no three phones in a row: ABX needs speech of whole words; leave abx out")
    write_items(folder / "triphones.item", items)
    return items, _aligner().name


def _aligner():
    from audiolm.annotate.pocketsphinx import PocketSphinxPhones

    return PocketSphinxPhones()


def _align(work: Path, name: str, data: DataDir, folder: Path) -> None:
    if not data.text:
        raise AudiolmError(f"{data.path} has no transcripts: name the triphones with --items, or leave abx out")
    recos = whole_speakers(data)
    wide = widest(work, name, _aligner().fs)
    shares = [recos[i : i + SHARE] for i in range(0, len(recos), SHARE)]
    results = on_all_cores(partial(_phones, wide), shares)
    phones = [phone for found, _ in results for phone in found]
    rejected = sorted(line for _, lines in results for line in lines)
    if not phones:
        raise NoTriples(
            f"{data.path}: no utterance's phones were found (the first: '{rejected[0][0]}', {rejected[0][1]}); "
            "name the triphones with --items, or leave abx out"
        )
    write_rejected(folder / "rejected.tsv", rejected)
    write_ctm(folder / "ctm", phones)


def _phones(data: DataDir, recos: list[str]) -> tuple[list[Word], list[tuple[str, str]]]:
    from audiolm.annotate.align import align_recordings

    return align_recordings(data, recos, _aligner())


def whole_speakers(data: DataDir, most: float = MOST_SECONDS) -> list[str]:
    """Recordings of at most ``most`` seconds together, all those of a speaker or none, the first speaker always.

    Speakers are taken as they are spread over the sorted list, so that a set sorted by anything is sampled evenly.
    """
    recos: dict[str, dict[str, None]] = defaultdict(dict)
    for utt in data.utts:
        reco = data.place(utt).reco
        recos[data.utt2spk.get(utt, reco)][reco] = None
    chosen: dict[str, None] = {}
    total, speakers = 0.0, sorted(recos)
    for index in sorted(range(len(speakers)), key=lambda i: (i * 0.6180339887) % 1):
        new = [reco for reco in recos[speakers[index]] if reco not in chosen]
        seconds = sum(data.duration(reco) for reco in new)
        if not chosen or total + seconds <= most:
            chosen.update(dict.fromkeys(new))
            total += seconds
    return sorted(chosen)
