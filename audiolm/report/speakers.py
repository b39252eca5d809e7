"""Whether a codec has heard the speakers of a set in its training, as the tables of both sets tell."""

from collections.abc import Collection
from pathlib import Path

from audiolm.data.datadir import DataDir
from audiolm.data.readers import read_utt2spk
from audiolm.errors import AudiolmError
from audiolm.train import saved


def speakers(folder: Path) -> set[str]:
    """The speakers of a data directory; none where no table names any (Kaldi then names each utterance's after it)."""
    if not (folder / "utt2spk").is_file():
        return set()
    pairs = [(utt, speaker) for _, utt, speaker in read_utt2spk(folder / "utt2spk")]
    return set() if all(utt == speaker for utt, speaker in pairs) else {speaker for _, speaker in pairs}


def trained_on(codec_dir: Path, work: Path) -> set[str] | None:
    """The speakers that a codec was trained on; None where its training set is not at hand or tells of none."""
    try:
        folders = saved.load(codec_dir)[1].train_dir
    except AudiolmError:  # a released codec
        return None
    found: set[str] = set()
    for folder in map(Path, [folders] if isinstance(folders, str) else folders):
        # Told from the recipe's folder; the report may be asked for from elsewhere: work/<…>/dump/<set>/audio
        path = next((p for p in (folder, work.joinpath(*folder.parts[-3:])) if (p / "utt2spk").is_file()), None)
        if path is None or not (here := speakers(path)):
            return None
        found |= here
    return found


def told(name: str, data: DataDir, known: Collection[str] | None) -> str:
    """Of whom the recordings of the set ``name`` are: "speakers that the codec was not trained on" and the like.

    Args:
        data: the set.
        known: the speakers of training, of :func:`trained_on`.
    """
    own = set() if all(utt == speaker for utt, speaker in data.utt2spk.items()) else set(data.utt2spk.values())
    what = "Utterances" if own or data.text else "Recordings"
    if not own or known is None:
        return f"{what} of the set '{name}'"
    both = len(own & set(known))
    if not both:
        return f"Utterances of speakers that the codec was not trained on (set '{name}')"
    if both == len(own):
        who = "the speaker" if both == 1 else f"the {both} speakers"
        return f"Utterances of {who} that the codec was trained on, in recordings of the set '{name}'"
    return f"Utterances of the set '{name}'; the codec was trained on {both} of its {len(own)} speakers"
