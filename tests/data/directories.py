"""Sound data directories for property tests, and their comparison."""

from hypothesis import strategies as st

from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Turn, Word

# No ASCII blanks, controls or surrogates; other blanks and any script may be in ids: Kaldi splits at ASCII ones.
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=" ;|\ufeff")
IDS = st.text(CHARACTERS, min_size=1, max_size=6)
WORDS = st.lists(IDS, min_size=1, max_size=4).map(" ".join)


def times(draw, duration):
    """(start, end) in whole milliseconds inside ``duration`` seconds."""
    start = draw(st.integers(0, round(duration * 1000) - 1))
    return start / 1000, draw(st.integers(start + 1, round(duration * 1000))) / 1000


@st.composite
def directories(draw, min_speakers=1, segmented=None):
    """A DataDir whose tables fit each other: one- or two-channel files, with or without segments, turns and words."""
    speakers = draw(st.lists(IDS, min_size=min_speakers, max_size=4, unique=True))
    segmented = draw(st.booleans()) if segmented is None else segmented
    data = DataDir(rttm=[], ctm=[])
    for number, name in enumerate(draw(st.lists(IDS, min_size=len(speakers), max_size=6, unique=True))):
        speaker = speakers[number % len(speakers)]
        channels = draw(st.sampled_from(["", "AB"]))
        file = f"{number}-{name}" if segmented else f"{speaker}/{number}-{name}"
        duration = draw(st.integers(1000, 9000)) / 1000
        for channel in channels or "A":
            reco = f"{file}-{channel}" if channels else file
            data.wav[reco] = f"/corpus/{number}.wav"
            data.reco2dur[reco] = duration
            if channels:
                data.reco2file_and_channel[reco] = (file, channel)
            utts = [reco]
            if segmented:
                utts = []
                for _ in range(draw(st.integers(0 if number >= len(speakers) else 1, 3))):
                    start, end = times(draw, duration)
                    utts.append(f"{speaker}-{reco}-{len(data.segments)}")
                    data.segments[utts[-1]] = Segment(reco, start, end)
            for utt in utts:
                data.utt2spk[utt] = speaker
                if draw(st.booleans()):
                    data.text[utt] = draw(WORDS)
            for _ in range(draw(st.integers(0, 2))):
                start, end = times(draw, duration)
                data.rttm.append(Turn(file, str("AB".index(channel) + 1), start, round(end - start, 6), speaker))
                data.ctm.append(Word(file, channel, start, round(end - start, 6), draw(IDS), 0.5))
    if draw(st.booleans()):
        data.others["spk2gender"] = dict.fromkeys(set(data.utt2spk.values()), "f")
    return data


def contents(data):
    """All of a directory's tables, for comparison."""
    return {
        **{name: getattr(data, name) for name in ("wav", "segments", "text", "utt2spk", "reco2dur", "others")},
        "reco2file_and_channel": data.reco2file_and_channel,
        "rttm": sorted(data.rttm, key=repr),
        "ctm": sorted(data.ctm, key=repr),
    }
