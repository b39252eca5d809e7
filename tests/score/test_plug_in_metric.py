"""A metric of one's own: in the help, in the records, in the table and on the page, with nothing edited."""

import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.score import metric as metrics
from audiolm.score.record import read_all

LOUDNESS = '''
from dataclasses import dataclass
from audiolm.score.metric import Headline, Metric, Row
from audiolm.score.record import Score

METRIC = Metric(
    name="loudness", help="how loud the originals are", measure="{module}:measure",
    rows=(Row("loudness_*", "loudness, {{}}", "How loud"),), headlines=(Headline("loudness_peak", "peak", 5),),
    options="{module}:Options", named_only=True,
)

@dataclass
class Options:
    """What counts.

    Attributes:
        least_peak: recordings below this peak are left out.
    """

    least_peak: float = 0.0

def measure(recipe, options):
    score = Score("loudness_peak", 7.0 + options.least_peak, "dB", "the loudest sample", "", "", recipe.name,
                  len(recipe.original.recos), better="higher", baseline=1.0, baseline_name="silence")
    return {{recipe.work / "exp" / "sound": [score]}}
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with the metric, on the Python path."""
    (tmp_path / "my_loudness.py").write_text(LOUDNESS.format(module="my_loudness"))
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_loudness"
    sys.modules.pop("my_loudness", None)


@pytest.fixture
def work(tmp_path):
    audio.write(tmp_path / "one.wav", np.zeros(800, np.float32), 8000)
    data = DataDir()
    data.wav["one"], data.reco2dur["one"] = str(tmp_path / "one.wav"), 0.1
    data.write(tmp_path / "work/dump/test/audio")
    return tmp_path / "work"


def run(*words) -> int:
    return main(list(map(str, words)))


def test_a_module_on_the_path_is_measured_and_shown(module, work, capsys):
    options = ("--dir", work, "--set", "test")
    assert run("score", *options, "--metrics", "my_own.loudness") == 1
    assert "no module 'my_own' on the Python path" in capsys.readouterr().err
    (work.parent / "mine").mkdir()
    (work.parent / "my_loudness.py").rename(work.parent / "mine/loudness.py")
    text = (work.parent / "mine/loudness.py").read_text().replace("my_loudness", "mine.loudness")
    (work.parent / "mine/loudness.py").write_text(text)
    assert run("score", *options, "--metrics", "mine.loudness") == 0
    (score,) = read_all(work / "exp/sound/scores")
    assert (score.value, score.section, score.label) == (7.0, "How loud", "loudness, peak")
    assert run("results", "--dir", work) == 0
    out = capsys.readouterr().out
    assert "How loud" in out and "loudness, peak" in out and "7.0 dB" in out
    assert run("report", "--dir", work) == 0
    assert "loudness, peak" in (work / "report.html").read_text()


def test_a_package_adds_a_metric_with_its_options_and_headline(module, work, monkeypatch, capsys):
    entry = EntryPoint("loudness", f"{module}:METRIC", metrics.GROUP)
    monkeypatch.setattr(metrics, "entry_points", lambda group: [entry] if group == metrics.GROUP else [])
    with pytest.raises(SystemExit):
        run("score", "--help")
    told = " ".join(capsys.readouterr().out.split())
    assert "loudness how loud the originals are (only where it is named)" in told
    assert "--least_peak X recordings below this peak are left out (default: 0.0)" in told
    options = ("--dir", work, "--set", "test", "--metrics", "loudness")
    assert run("score", *options, "--least_peak", "loud") == 1
    assert "--least_peak: found 'loud' in the command line, expected float" in capsys.readouterr().err
    assert run("score", *options, "--least_peak", 2) == 0
    (score,) = read_all(work / "exp/sound/scores")
    assert (score.value, score.label) == (9.0, "")
    assert run("report", "--dir", work) == 0
    page = (work / "report.html").read_text()
    assert '<div class="name">peak</div>' in page and "loudness, peak" in page


def test_two_metrics_of_one_name_and_names_of_none_are_refused(module, work, monkeypatch, capsys):
    options = ("--dir", work, "--set", "test", "--metrics")
    assert run("score", *options, "codex") == 1
    assert "--metrics codex: no metric of that name; did you mean 'codec'?" in capsys.readouterr().err
    assert run("score", *options, "os.path") == 1
    assert "--metrics os.path: the module has no METRIC" in capsys.readouterr().err
    path = work.parent / "my_loudness.py"
    path.write_text(path.read_text().replace('name="loudness"', 'name="codec"'))
    entry = EntryPoint("loudness", f"{module}:METRIC", metrics.GROUP)
    monkeypatch.setattr(metrics, "entry_points", lambda group: [entry])
    assert run("results", "--dir", work) == 1
    assert run("score", *options, "codec") == 1
    assert (
        "two metrics are called 'codec': audiolm.score.metrics.codec and my_loudness:METRIC" in capsys.readouterr().err
    )
