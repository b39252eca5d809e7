"""The guide (docs/guide.md): its commands, run in a copy of the house on corpora of minutes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.documents import Counts
from audiolm.data.tables import read_ctm
from audiolm.data.tokens import TokenReader

ROOT = Path(__file__).parents[2]
CALLS = "egs/two_channel/dialogue1/work/smoke/data"
GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
SMALL = """
hours=0.05
eval_minutes=0.4
sizes=(--trainer.max_steps 4 --trainer.save_every 2 --trainer.batch_size 4)
recognizer_args+=("${sizes[@]}") codec_args+=("${sizes[@]}")
textlm_args+=("${sizes[@]}") lm_args+=("${sizes[@]}")
generate_args+=(--num_continue 1 --num_unconditional 1 --num_tts 3)
"""


def commands(section: str) -> str:
    """All that the section's blocks tell to type, each in the top folder."""
    (text,) = re.findall(rf"^##+ {section}\n(.*?)(?=^## |^### |\Z)", GUIDE, flags=re.M | re.S)
    return "".join(f'cd "$HOUSE"\n{block}' for block in re.findall(r"^```bash\n(.*?)^```$", text, flags=re.M | re.S))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Path:
    """Data directories of a few conversations, spoken by espeak-ng."""
    work = tmp_path_factory.mktemp("spoken")
    for step in (["scripts", "--hours", "0.05", "--eval_minutes", "1"], ["speak"], ["tables"]):
        assert main(["simulate", *step, "--dir", str(work)]) == 0
    return work / "data"


@pytest.fixture(scope="module")
def corpora(spoken, tmp_path_factory) -> Path:
    """calls/: stereo files with STM; meetings/<set>/: the same, mixed; mycorpus/<set>/<speaker>/: utterances, words."""
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "calls").mkdir()
    for name in ("train", "dev", "test"):
        data = DataDir.read(spoken / name)
        for utt, place in data.segments.items():
            file, channel = data.file_and_channel(place.reco)
            speaker, wav = data.utt2spk[utt], data.audio(place.reco, place.start, place.end - place.start)
            meeting = folder / "meetings" / name / f"{file}.wav"
            if not (folder / f"calls/{file}.flac").exists():
                shutil.copy(data.wav_path(place.reco), folder / "calls")
                meeting.parent.mkdir(parents=True, exist_ok=True)
                audio.write(meeting, audio.read(data.wav_path(place.reco), channel="mix", fs=16000), 16000)
            with open(folder / f"calls/{file}.stm", "a", encoding="utf-8") as stm:
                stm.write(f"{file} {channel} {file}{speaker} {place.start} {place.end} {data.text[utt]}\n")
            with open(meeting.with_suffix(".stm"), "a", encoding="utf-8") as stm:
                stm.write(f"{file} 1 {speaker} {place.start} {place.end} {data.text[utt]}\n")
            path = folder / "mycorpus" / name / speaker / f"{utt}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            audio.write(path, wav, 16000)
            path.with_suffix(".txt").write_text(data.text[utt] + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """Recipes and tools, with a smallest budget that is smaller still."""
    house = tmp_path_factory.mktemp("house")
    for name in ("egs", "utils", "tools"):
        shutil.copytree(ROOT / name, house / name, symlinks=True, ignore=shutil.ignore_patterns("work"))
    for budget in (
        *house.glob("egs/*/*/conf/budgets/smoke.sh"),
        house / "egs/TEMPLATE/dialogue1/conf/budgets/smoke.sh",
    ):
        with open(budget, "a", encoding="utf-8") as file:
            file.write(SMALL)
    return house


def run(section: str, house: Path, corpora: Path | None = None, before_last: str = "", **variables) -> str:
    """What the section's commands print, with one more command before the last of them."""
    *first, last = re.sub(r"(?<= )/data/", f"{corpora}/", commands(section)).splitlines()
    script = "\n".join(["set -euo pipefail", *first, before_last, last])
    environment = {**os.environ, "AUDIOLM_VENV": str(Path(sys.executable).parents[1]), "HOUSE": str(house), **variables}
    done = subprocess.run(
        ["bash", "-c", script], cwd=house, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stereo_files(house, corpora):
    said = run("Two speakers, one a channel", house, corpora)
    assert "streaming ASR, word error rate" in said
    calls = {name.partition("-")[0] for name in DataDir.read(house / CALLS / "train").wav}
    assert len(calls) == len(list((corpora / "calls").glob("*.stm"))) - 2  # one call for dev, one for test


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_another_layout(house, corpora):
    said = run("Another layout", house, corpora)
    assert "streaming ASR, word error rate" in said
    train = DataDir.read(house / "egs/mycorpus/dialogue1/work/smoke/data/train")
    assert len(train.utts) == len(list((corpora / "mycorpus/train").rglob("*.txt")))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_text_alone(house, corpora):
    for name in ("train", "dev", "test"):
        path = corpora / "mytext" / name / "a.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("one two three\nfour five six\n\nseven eight\n\n" * 3, encoding="utf-8")
    assert "text LM, perplexity by word" in run("Text alone", house, corpora)
    counts = Counts.read(house / "egs/mytext/textlm1/work/smoke/dump/train/tokens/documents.json")
    assert (counts.documents, counts.words) == (6, 24)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_microphone(house, corpora):
    """All stages after diarize work from the two channels: no recording of the mix is there for them to read."""
    gone = f'rm -r work/smoke/dump/*/mix/flac "{corpora}/meetings"'
    said = run("Two speakers, one microphone", house, corpora, gone)
    assert "streaming ASR, word error rate" in said
    work = house / "egs/meetings/dialogue1/work/smoke"
    for name in ("train", "dev", "test"):
        mix, streams = DataDir.read(work / "dump" / name / "mix"), DataDir.read(work / "dump" / name / "audio")
        assert streams.recos == [f"{reco}-{channel}" for reco in mix.recos for channel in "AB"]
        assert streams.text == mix.text and streams.utt2spk == mix.utt2spk
        for kind in ("codes", "text"):
            assert sorted(TokenReader(work / "dump" / name / kind, kind).keys()) == streams.recos
        heard = streams.by_reco(read_ctm(work / "dump" / name / "align/ctm"))
        assert all(heard.values())
    continued = DataDir.read(work / "exp/lm_speech/generate/continue")
    assert {channel for _, channel in continued.reco2file_and_channel.values()} == {"A", "B"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_your_language(house):
    said = run("Your language", house)
    assert "word starts, mean error" in said and "pocketsphinx" not in said.lower()
    assert {*"äöü"} < {*said.splitlines()[-1]}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_your_cluster(house, slurm, tmp_path):
    try:
        said = run("Your cluster", house, TMPDIR=str(tmp_path))  # a Slurm of its own, as on a newcomer's machine
    finally:
        subprocess.run([ROOT / "tools/slurm/stop.sh", tmp_path / f"audiolm-slurm-{os.getuid()}"], check=False)
    assert "JOBID" in said and (house / "egs/mini/dialogue1/work/slurm/dump/test/codes/codes.scp").is_file()
