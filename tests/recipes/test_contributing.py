"""CONTRIBUTING.md: the corpus and the metric that it walks through, run as they stand there; versions agree."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import audiolm
from audiolm.commands import corpus
from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tools import rejections
from audiolm.score.record import read_all

ROOT = Path(__file__).parents[2]


def block(name: str) -> str:
    """The code of a walk."""
    (code,) = re.findall(rf"^```python {name}\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.M | re.S)
    return code


def test_the_corpus_of_the_walk(tmp_path, monkeypatch, capsys):
    file = tmp_path / "birds.py"
    file.write_text(block("corpus"))
    spec = importlib.util.spec_from_file_location("audiolm.corpora.birds", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "audiolm.corpora.birds", module)
    monkeypatch.setitem(corpus.CORPORA, "birds", "birds")
    lines = [f"{bird}-{number},turdus {bird}" for bird in ("robin", "wren", "tit") for number in range(2)]
    rng = np.random.default_rng(0)
    for line in [*lines, "owl-0,"]:
        path = tmp_path / "birds/audio" / f"{line.partition(',')[0]}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        audio.write(path, 0.1 * rng.standard_normal(8000).astype(np.float32), 16000)
    (tmp_path / "birds/birds.csv").write_text("\n".join(lines) + "\n")
    options = ["--corpus_dir", tmp_path / "birds", "--dir", tmp_path / "work", "--max_rejected", "50%"]
    assert main(["corpus", "birds", *map(str, options)]) == 0
    sets = {name: DataDir.read(tmp_path / "work/data" / name) for name in ("train", "dev", "test")}
    assert sum(len(data.wav) for data in sets.values()) == 6
    assert not set(sets["train"].utt2spk.values()) & set(sets["test"].utt2spk.values())
    ((name, reason),) = rejections(tmp_path / "work/data/train/rejected.tsv")
    assert name == "owl-0" and "has no line in birds.csv" in reason


def test_the_metric_of_the_walk(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_loudness.py").write_text(block("metric"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AUDIOLM_PLUGINS", "my_loudness")
    audio.write(tmp_path / "a.wav", np.full(8000, 0.1, np.float32), 8000)
    audio.write(tmp_path / "b.wav", np.full(8000, 0.001, np.float32), 8000)
    data = DataDir()
    for name in ("a", "b"):
        data.wav[name], data.reco2dur[name] = str(tmp_path / f"{name}.wav"), 1.0
    data.write(tmp_path / "work/dump/test/audio")
    options = ["--dir", str(tmp_path / "work")]
    words = ["score", *options, "--set", "test", "--metrics", "loudness", "--quietest", "-40"]
    assert main(words) == 0
    (score,) = read_all(tmp_path / "work/exp/sound/scores")
    assert score.value == pytest.approx(-20, abs=0.01) and score.count == 1
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    assert main(["results", *options]) == main(["report", *options]) == 0
    out = capsys.readouterr().out
    assert "loudness       how loud the originals are" in out and "loudness of the originals" in out
    assert "loudness of the originals" in (tmp_path / "work/report.html").read_text()
    sys.modules.pop("my_loudness")


def test_one_version():
    cite = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    command = [sys.executable, "setup.py", "--version"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert audiolm.__version__ == cite == told.stdout.split()[-1]


def test_pages_name_files_that_are_there():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} names {target}"
