"""From which number a whole table counts the channels of a file: from 1 as NIST and Kaldi do, or from 0.

A single line cannot tell: channel 1 is the left one here and the right one there. A 0 anywhere shows that a table
counts from 0; so all its numbers go up by one, or it is refused as a whole where the rest of it contradicts that.
"""

from collections.abc import Iterator
from pathlib import Path

from audiolm.data.tables import FROM_0, Problem, Report
from audiolm.errors import AudiolmError

# Table -> the fields of its lines that hold the file and its channel.
FIELDS = {"rttm": (1, 2), "ctm": (0, 1), "reco2file_and_channel": (1, 2)}


def first_channel(path: Path, table: str, report: Report, known: dict[tuple[str, int], str] | None = None) -> int:
    """0 or 1: the number of the first channel in a table; 0 is reported as a fault that can be repaired.

    Args:
        table: its kind, of FIELDS.
        known: (file, 0-based channel) -> recording; None: the table itself says what there is, and then every file of
            one that counts from 0 has a channel 0.

    Raises:
        AudiolmError: some files are counted from 0 and some from 1.
    """
    places = set(_places(path, FIELDS[table]))
    if not any(number == 0 for _, number in places):
        return 1
    zeros = {file for file, number in places if number == 0}
    if known is None:
        wrong = sorted({file for file, _ in places} - zeros)
    else:
        wrong = sorted({file for file, n in places if (file, n) not in known and (file, n - 1) in known})
    if wrong:
        raise AudiolmError(
            f"{path} counts channels of '{min(zeros)}' from 0 and those of '{wrong[0]}' from 1, so nobody can tell"
            " which channel a 1 is; write one kind, or letters (A, B …)"
        )
    report(Problem(str(path), 0, "", f"{FROM_0}; every number goes up by one", repairable=True))
    return 0


def _places(path: Path, columns: tuple[int, int]) -> Iterator[tuple[str, int]]:
    """(File, number of its channel) of every line that has one; what is wrong with lines is their readers' to say."""
    file, channel = columns
    with open(path, "rb") as lines:
        for line in lines:
            fields = line.split(None, channel + 1)
            if len(fields) > channel and fields[channel].isdigit() and not line.startswith(b";;"):
                yield fields[file].decode(errors="replace"), int(fields[channel])
