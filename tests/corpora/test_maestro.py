"""MAESTRO 3 by its CSV or its JSON."""

import pytest
from miniatures import noise, prepare, write_files

COLUMNS = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"
ROWS = [
    ["Alban Berg", "Sonata Op. 1", "train", 2018, "2018/a--1.midi", "2018/a--1.wav", 1.0],
    ["Franz Liszt", 'Etude "La campanella", S.141', "validation", 2008, "2008/b 2.midi", "2008/b 2.wav", 1.0],
    ["Frédéric Chopin", "Ballade", "test", 2004, "2004/c.midi", "2004/c.wav", 1.0],
]


def as_csv():
    quoted = [",".join('"{}"'.format(str(cell).replace('"', '""')) for cell in row) for row in ROWS]
    return {"maestro-v3.0.0/maestro-v3.0.0.csv": "\n".join([COLUMNS, *quoted])}


def as_json():
    cells = {name: {str(n): row[i] for n, row in enumerate(ROWS)} for i, name in enumerate(COLUMNS.split(","))}
    return {"maestro-v3.0.0/maestro-v3.0.0.json": cells}


@pytest.mark.parametrize("table", [as_csv, as_json])
def test_performances_with_their_midi(tmp_path, table):
    music = {f"maestro-v3.0.0/{row[5]}": (noise(1, 44100, 2), 44100) for row in ROWS}
    midi = {f"maestro-v3.0.0/{row[4]}": "MThd" for row in ROWS}
    stray = {"maestro-v3.0.0/2004/stray.wav": (noise(1, 44100, 2), 44100)}
    write_files(tmp_path, {**table(), **music, **midi, **stray})
    sets = prepare("maestro", tmp_path, tmp_path / "work", "--max_rejected", "100%")
    assert {name: data.text for name, (data, _) in sets.items()} == {
        "train": {"a--1": "Alban Berg: Sonata Op. 1"},
        "dev": {"b%202": 'Franz Liszt: Etude "La campanella", S.141'},
        "test": {"c": "Frédéric Chopin: Ballade"},
    }
    assert sets["dev"][0].others["midi.scp"] == {"b%202": str(tmp_path / "maestro-v3.0.0/2008/b 2.midi")}
    assert list(sets["train"][1]) == ["2004%2Fstray.wav"] and sets["test"][1] == {}


def test_a_missing_recording_and_a_missing_corpus(tmp_path, capsys):
    prepare("maestro", tmp_path, tmp_path / "work", status=1)
    said = "no maestro-v3.0.0.csv or maestro-v3.0.0.json in"
    assert said in (error := capsys.readouterr().err) and "https://magenta.tensorflow.org/datasets/maestro" in error
    write_files(tmp_path, as_csv())
    prepare("maestro", tmp_path, tmp_path / "work", status=1)  # as the archive of MIDI alone has it
    said = f"none of the recordings that maestro-v3.0.0 names is in {tmp_path}/maestro-v3.0.0; get MAESTRO 3.0.0"
    assert said in capsys.readouterr().err
    write_files(tmp_path / "maestro-v3.0.0", {"2004/c.wav": (noise(1, 44100, 2), 44100)})
    prepare("maestro", tmp_path, tmp_path / "work", "--max_rejected", "100%", status=1)
    assert "2018/a--1.wav: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("column", [[], {"1": "train"}])
def test_a_json_that_is_no_table(tmp_path, capsys, column):
    table = {**as_json()["maestro-v3.0.0/maestro-v3.0.0.json"], "canonical_title": column}
    write_files(tmp_path, {"maestro-v3.0.0.json": table})
    prepare("maestro", tmp_path, tmp_path / "work", status=1)
    assert "maestro-v3.0.0.json is no table of the columns canonical_composer" in capsys.readouterr().err
