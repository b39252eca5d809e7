"""Diarization error rate: NIST's own cases, cases counted by hand, and that nothing is reported over the network."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from audiolm.data.tables import Turn, read_rttm, write_rttm
from audiolm.errors import AudiolmError
from audiolm.score import der
from audiolm.score.der import by_file, diarization_errors, read_uem


@pytest.mark.parametrize("case", ["sd_test1", "sd_test2", "sd_test4"])
def test_md_eval_gives_the_same_times(shared_data, case):
    """On the stretches that md-eval scored (it leaves out breaths and laughter, which we do not read)."""
    folder = shared_data / "scoring_sctk/der"
    expected = (folder / f"{case}.output.saved").read_text()
    stretches = re.findall(r"^beg/dur/end = +([\d.]+)/ *[\d.]+/ *([\d.]+);", expected, re.M)
    reference, hypothesis = (by_file(read_rttm(folder / f"{case}.{side}.rttm")) for side in ("ref", "sys"))
    (file,) = reference
    uem = {file: [(float(start), float(end)) for start, end in stretches]}
    found = diarization_errors(reference, hypothesis, uem=uem)[file]
    names = ("SCORED SPEAKER TIME", "MISSED SPEAKER TIME", "FALARM SPEAKER TIME", "SPEAKER ERROR TIME")
    seconds = [float(re.search(rf"{name} = +([\d.]+) secs", expected)[1]) for name in names]
    assert [found.total, found.missed, found.false_alarm, found.confusion] == pytest.approx(seconds, abs=0.006)
    rate = float(re.search(r"OVERALL SPEAKER DIARIZATION ERROR = ([\d.]+)", expected)[1])
    assert 100 * found.errors / found.total == pytest.approx(rate, abs=0.01)


def turn(start, end, speaker, file="f", channel="1"):
    return Turn(file, channel, start, end - start, speaker)


def test_counted_by_hand():
    reference = {"f": [turn(0, 4, "ann"), turn(3, 6, "bob"), turn(8, 9, "ann")]}
    hypothesis = {"f": [turn(0, 5, "1"), turn(5, 6, "2"), turn(6, 7, "2")]}
    found = diarization_errors(reference, hypothesis)["f"]
    # 3-4 is missed bob, 4-5 is bob called ann, 6-7 is nobody, 8-9 is missed
    assert (found.total, found.missed, found.confusion, found.false_alarm) == (8, 2, 1, 1)
    # a collar of 0.5 s a side leaves 0.5-2.5, 4.5-5.5, 6.5-7.5 and 9.5 on; the reference's 8-9 is gone whole
    found = diarization_errors(reference, hypothesis, collar=0.5)["f"]
    assert (found.total, found.missed, found.confusion, found.false_alarm) == (3, 0, 0.5, 0.5)


def test_a_speakers_own_overlapping_turns_count_once():
    reference = {"f": [turn(0, 2, "ann"), turn(1, 3, "ann"), turn(0, 3, "bob")]}
    assert diarization_errors(reference, {})["f"].total == 6


def test_scores_of_a_set(tmp_path):
    write_rttm(tmp_path / "ref", [turn(0, 4, "a"), turn(4, 8, "b", channel="2"), turn(0, 2, "c", file="g")])
    write_rttm(tmp_path / "hyp", [turn(0, 4, "1"), turn(4, 6, "2")])  # a mix: both speakers on channel 1
    plain, collar = der.score(tmp_path / "ref", tmp_path / "hyp", data="test", backend="oracle")
    assert (plain.metric, collar.metric, plain.count, plain.better) == ("der", "der_collar", 2, "lower")
    assert plain.value == pytest.approx(40) and plain.details["missed"] == pytest.approx(40)
    assert plain.baseline == pytest.approx(60)  # all to one speaker: 2 s more are wrong
    assert plain.ci[0] <= plain.value <= plain.ci[1]
    assert collar.value == pytest.approx(100 * (1.75 + 1.5) / (3.5 + 3.5 + 1.5))
    (tmp_path / "uem").write_text(";; stretches\n\nf 1 0.0 6.0\ng 1 1.0 2.0\n")
    within, _ = der.score(tmp_path / "ref", tmp_path / "hyp", data="test", backend="oracle", uem=tmp_path / "uem")
    assert within.value == pytest.approx(100 / 7)


def test_sets_that_do_not_belong_together(tmp_path):
    write_rttm(tmp_path / "ref", [turn(0, 4, "a")])
    write_rttm(tmp_path / "hyp", [turn(0, 4, "a", file="other")])
    with pytest.raises(AudiolmError, match="has turns of file 'other', which .*ref lacks"):
        der.score(tmp_path / "ref", tmp_path / "hyp", data="test", backend="oracle")
    write_rttm(tmp_path / "none", [])
    with pytest.raises(AudiolmError, match="holds no scored speech"):
        der.score(tmp_path / "none", tmp_path / "none", data="test", backend="oracle")
    (tmp_path / "uem").write_text("f 1 3.0 2.0\n")
    with pytest.raises(AudiolmError, match="uem:1: found f 1 3.0 2.0"):
        read_uem(tmp_path / "uem")


@pytest.mark.slow
def test_pyannote_reports_nothing_over_the_network():
    """After our scoring has run, pyannote.audio (if it is installed) starts with its telemetry off."""
    if find_spec("pyannote.audio") is None:
        pytest.skip("pyannote.audio is not installed")
    environment = {key: value for key, value in os.environ.items() if key != "PYANNOTE_METRICS_ENABLED"}
    code = (
        "import importlib.util, sys\n"
        "from audiolm.score import der\n"
        "der.diarization_errors({'f': []}, {})\n"
        # Its telemetry alone: the package as a whole takes many seconds to import.
        "package = importlib.util.module_from_spec(importlib.util.find_spec('pyannote.audio'))\n"
        "package.__version__ = ''\n"
        "sys.modules['pyannote.audio'] = package\n"
        "from pyannote.audio.telemetry.metrics import is_metrics_enabled\n"
        "assert not is_metrics_enabled()\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_telemetry_is_off_before_pyannote_is_imported():
    environment = {key: value for key, value in os.environ.items() if key != "PYANNOTE_METRICS_ENABLED"}
    code = (
        "import os, sys, audiolm.score.der\n"
        "assert not any(name.startswith('pyannote') for name in sys.modules)\n"
        "assert os.environ['PYANNOTE_METRICS_ENABLED'] == 'false'\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
