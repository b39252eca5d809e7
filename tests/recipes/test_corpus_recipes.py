"""Recipes of real corpora: their first two stages on corpora of seconds, laid out as distributed; configs that hold."""

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audiolm.codec.adapters.moshi_mimi import MoshiMimi
from audiolm.codec.model import Codec, CodecConfig, DecoderConfig, EncoderConfig
from audiolm.codec.quantize import QuantizerConfig
from audiolm.codec.seanet import SeanetConfig
from audiolm.config.yaml_files import read_mapping
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tokens import TokenReader
from audiolm.data.tools import rejections
from audiolm.nn.transformer import TransformerConfig
from audiolm.train.checkpoint import checksum

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/corpora"))
from miniatures import noise, write_files, write_sphere  # noqa: E402


def librispeech(folder):
    files = {"SPEAKERS.TXT": "1 | F | x | 1 | A\n2 | M | x | 1 | B\n3 | F | x | 1 | C\n"}
    for speaker, part in ((1, "train-clean-100"), (2, "dev-clean"), (3, "test-clean")):
        chapter = f"{part}/{speaker}/10"
        files[f"{chapter}/{speaker}-10.trans.txt"] = f"{speaker}-10-0000 ONE\n{speaker}-10-0001 TWO\n"
        for number in (0, 1):
            files[f"{chapter}/{speaker}-10-{number:04d}.flac"] = (noise(1, 16000), 16000)
    write_files(folder, files)
    return ["--corpus_dir", folder]


def fsdd(folder):
    """Three speakers, of whom dev and test take one each; takes of noise."""
    files = {}
    for speaker, digit in itertools.product(("george", "yweweler", "theo"), range(10)):
        files[f"recordings/{digit}_{speaker}_0.wav"] = (noise(0.4, 8000), 8000)
    write_files(folder, files)
    return ["--corpus_dir", folder]


def fisher(folder):
    sides = [f"{side}PIN,{side}SX.DL,{side}PHNUM,{side}PHSET,{side}PHTYP" for side in "AB"]
    head = ",".join(["CALL_ID,DATE_TIME,TOPICID,SIG_GRADE,CNV_GRADE", *sides])
    calls = [f"{call:05d},x,ENG01,4,4,{10 + call},f.a,x,1,3,{20 + call},m.o,y,4,1" for call in (1, 2, 3)]
    files = {"fe_03_p1_tran/doc/fe_03_p1_calldata.tbl": "\n".join([head, *calls])}
    for call in (1, 2, 3):
        text = f"# fe_03_{call:05d}.sph\n# Transcribed at the LDC\n\n0.10 0.90 A: hello\n\n1.00 1.50 B: hi there\n"
        files[f"fe_03_p1_tran/data/trans/000/fe_03_{call:05d}.txt"] = text
        write_sphere(folder / f"fe_03_p1_sph1/audio/000/fe_03_{call:05d}.sph", noise(2, 8000, 2))
    write_files(folder, files)
    return ["--corpus_dir", folder, "--releases", "1", "--held_out", "1"]


def two_channel(folder):
    files = {}
    for number in range(3):
        files[f"{number}/talk.wav"] = (noise(2, 16000, 2), 16000)
        files[f"{number}/talk.stm"] = f"talk A ann{number} 0.1 0.9 hello\ntalk B bob{number} 1.0 1.5 hi\n"
    write_files(folder, files)
    return ["--corpus_dir", folder]


def synthetic(folder):
    for name in ("train", "dev", "test"):
        speakers = {"A": {"voice": "us_adam"}, "B": {"voice": "us_f1"}}
        lines = [{"channel": "A", "text": "hello", "gap": 0.2}, {"channel": "B", "text": "hello you", "gap": 0.2}]
        script = {"id": f"{name}1", "speakers": speakers, "lines": lines}
        write_files(folder, {f"{name}.jsonl": script})
    return ["--scripts", folder, "--voices", "beeps:voice"]


def wavcaps(folder):
    files = {"json_files/blacklist/blacklist_exclude_ub8k_esc50_vggsound.json": {}}
    files["json_files/blacklist/blacklist_exclude_all_ac.json"] = {"FreeSound": [], "AudioSet": []}
    clips = [{"id": str(number), "caption": f"Noise, take {number}", "duration": 2.0} for number in range(6)]
    files["json_files/SoundBible/sb_final.json"] = {"data": clips}
    for clip in clips:
        files[f"Zip_files/SoundBible_flac/{clip['id']}.flac"] = (noise(2, 32000), 32000)
    write_files(folder, files)
    return ["--corpus_dir", folder, "--held_out", "2"]


BEEPS = """
from contextlib import nullcontext
import numpy as np
from audiolm.errors import AudiolmError
from audiolm.simulate.voices import Speech, SpokenWord

class Beeps:
    def say(self, text):
        words = text.split()
        if "nothing" in words:
            raise AudiolmError("it says nothing")
        wav = np.tile(0.1 * np.sin(np.arange(4000) / 5), len(words)).astype(np.float32)
        return Speech(wav, 8000, [SpokenWord(word, n / 2, n / 2 + 0.4) for n, word in enumerate(words)])

def voice(speaker):
    return nullcontext(Beeps())
"""


def run(recipe, tmp_path, *options, status=0):
    (tmp_path / "beeps.py").write_text(BEEPS)
    environment = {
        **os.environ,
        "AUDIOLM_VENV": str(Path(sys.executable).parents[1]),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    command = [ROOT / "egs" / recipe / "run.sh", "--dir", tmp_path / "work", "--nj", "2", *options]
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("corpus", [librispeech, fisher, two_channel, synthetic])
def test_the_first_two_stages(corpus, tmp_path):
    run(f"{corpus.__name__}/dialogue1", tmp_path, "--stop_stage", "audio", *corpus(tmp_path / "corpus"))
    for name in ("train", "dev", "test"):
        source, made = (DataDir.read(tmp_path / "work" / place) for place in (f"data/{name}", f"dump/{name}/audio"))
        assert made.text == source.text != {} and made.segments.keys() == source.segments.keys()
        assert made.utt2spk == source.utt2spk and made.reco2file_and_channel == source.reco2file_and_channel
        assert rejections(tmp_path / "work/dump" / name / "audio/rejected.tsv") == []
        for reco in made.recos:
            assert audio.info(made.wav_path(reco)).fs == 8000
            assert np.isfinite(made.audio(reco)).all() and abs(made.reco2dur[reco] - source.duration(reco)) < 0.01


@pytest.mark.slow
def test_what_a_stage_has_refused_is_mended_and_the_same_command_goes_on(tmp_path):
    corpus = two_channel(tmp_path / "corpus")
    run("two_channel/dialogue1", tmp_path, "--stop_stage", "corpus", *corpus)
    away = (tmp_path / "corpus/1/talk.wav").rename(tmp_path / "talk.wav")
    again = ["two_channel/dialogue1", tmp_path, "--stop_stage", "audio", *corpus]
    assert "stage audio failed" in run(*again, status=1)
    away.rename(tmp_path / "corpus/1/talk.wav")
    run(*again)
    assert len(list((tmp_path / "work/dump").glob("*/audio/flac/*.flac"))) == 6


@pytest.mark.slow
def test_a_mended_script_is_spoken_by_the_same_command(tmp_path):
    corpus = synthetic(tmp_path / "corpus")
    script = tmp_path / "corpus/train.jsonl"
    right = script.read_text()
    script.write_text(right.replace('"hello"', '"nothing"'))
    again = ["synthetic/dialogue1", tmp_path, "--stop_stage", "corpus", *corpus]
    assert "1 of 1 dialogues were rejected" in (said := run(*again, status=1))
    assert "raise --max_rejected (of a recipe: --corpus_rejected)" in said
    script.write_text(right)
    run(*again)
    assert len(DataDir.read(tmp_path / "work/data/train").utts) == 2


@pytest.mark.slow
def test_a_single_set_is_diarized_without_transcripts(tmp_path):
    write_files(tmp_path / "corpus", {"talk.wav": (noise(2, 16000, 2), 16000)})
    options = ["--corpus_dir", tmp_path / "corpus", "--held_out", "0", "--sets", "train", "--max_rejected", "100%"]
    run("two_channel/dialogue1", tmp_path, *options, "--budget", "smoke", "--stop_stage", "diarize")
    assert (tmp_path / "work/dump/train/diarize/rttm").is_file()


@pytest.mark.slow
def test_a_codec_of_sounds_from_the_corpus_to_the_page(tmp_path):
    """Captions are no transcripts: no recogniser is trained, no words are scored."""
    said = run("wavcaps/codec1", tmp_path, "--budget", "smoke", *wavcaps(tmp_path / "corpus"))
    assert "not needed, --teacher is none" in said
    scores = {path.stem for path in (tmp_path / "work/exp/codec/scores").glob("*.json")}
    levels = {f"codebook_perplexity_{level}" for level in range(1, 9)}
    quality = {"codec_mel_distance", "codec_si_sdr", "codec_visqol", "codec_idempotence", "codec_idempotence_1"}
    assert scores == {"bitrate", "token_rate", "codebook_use", *quality, *levels}
    assert "Noise, take" in (tmp_path / "work/report.html").read_text()


@pytest.mark.slow
def test_a_codec_of_speech_from_the_corpus_to_the_page(tmp_path):
    said = run("mini/codec1", tmp_path, "--budget", "smoke")
    for line in ("recogniser, word error rate, ctc greedy", "PESQ", "resynthesis, word error rate, pocketsphinx"):
        assert f"\n  {line} " in said
    assert '"distillation"' in (tmp_path / "work/exp/codec/metrics.jsonl").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("corpus", [librispeech, fsdd])
def test_a_codec_of_real_speech_from_the_corpus_to_the_page(corpus, tmp_path):
    """Two configs, the second over the first."""
    (tmp_path / "more.yaml").write_text("quantizer: {n_q: 3}\nsamples: 1\n")
    options = ["--budget", "smoke", "--codec_config", f"conf/codec.yaml {tmp_path}/more.yaml"]
    run(f"{corpus.__name__}/codec1", tmp_path, *options, *corpus(tmp_path / "corpus"), "--score.asr")
    config = read_mapping(tmp_path / "work/exp/codec/config.yaml")
    assert (config["quantizer"]["n_q"], config["quantizer"]["codebook_size"]) == (3, 256)
    scores = {path.stem for path in (tmp_path / "work/exp/codec/scores").glob("*.json")}
    assert {f"codebook_perplexity_{level}" for level in (1, 2, 3)} < scores and "codebook_perplexity_4" not in scores
    assert (tmp_path / "work/exp/codec/samples/step_20/1.flac").is_file()
    assert (tmp_path / "work/report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["mini", "librispeech"])
def test_a_text_lm_from_the_corpus_to_the_page(corpus, tmp_path):
    """Its export is a Llama, from which another goes on; a second run does nothing."""
    options = ["--budget", "smoke"]
    if corpus == "librispeech":
        folder, words = tmp_path / "corpus", "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE TEN"
        for part in ("train-clean-100", "dev-clean", "test-clean"):
            for chapter in ("1-10", "2-20"):
                lines = "".join(f"{chapter}-{n:04d} {words}\n" for n in range(3))
                write_files(folder, {f"{part}/{chapter.replace('-', '/')}/{chapter}.trans.txt": lines})
        write_files(folder, {"lm.txt": "THREE TWO ONE\nSEVEN\n"})
        options += ["--corpus_dir", folder, "--lm_corpus", folder / "lm.txt"]
    run(f"{corpus}/textlm1", tmp_path, *options)
    exp = tmp_path / "work/exp/textlm"
    assert len(list((exp / "scores").glob("textlm_*.json"))) == 3
    assert "Continuations" in (tmp_path / "work/report.html").read_text()
    assert run(f"{corpus}/textlm1", tmp_path, *options).count("stage") == 0
    if corpus == "librispeech":
        assert (tmp_path / "work/data/test/text").read_text().splitlines()[0] == f"1-10 {' '.join([words] * 3)}"
        counts = json.loads((tmp_path / "work/dump/train/tokens/documents.json").read_text())
        assert (counts["documents"], counts["words"]) == (4, 64)
    (tmp_path / "again").mkdir()
    said = run(f"{corpus}/textlm1", tmp_path / "again", *options, "--textlm", exp / "export", "--stop_stage", "score")
    assert "\n  text LM, perplexity by word " not in said  # a stopped run prints no table
    score, again = ((path / "scores/textlm_perplexity_word.json") for path in (exp, tmp_path / "again/work/exp/textlm"))
    assert abs(json.loads(score.read_text())["value"] / json.loads(again.read_text())["value"] - 1) < 1e-3


@pytest.mark.slow
def test_a_released_codec_instead_of_a_trained_one(tmp_path):
    """Of moshi's layout, four of its levels."""
    transformer = TransformerConfig(dim=32, layers=1, heads=2, ffn_dim=64, ffn="gelu", norm="layer", context=8)
    seanet = SeanetConfig(channels=4, ratios=[8, 8, 5])
    mimi = CodecConfig(
        encoder=EncoderConfig(seanet=seanet),
        decoder=DecoderConfig(seanet=seanet),
        sample_rate=8000,
        dim=32,
        encoder_transformer=replace(transformer, layer_scale=0.01),
        decoder_transformer=replace(transformer, layer_scale=0.01),
        quantizer=QuantizerConfig(n_q=6, codebook_size=16, codebook_dim=8),
    )
    MoshiMimi().save(Codec(mimi).eval(), tmp_path / "released")
    options = ["--codec", tmp_path / "released", "--codec_levels", "4", "--teacher", "none", "--stop_stage", "codes"]
    run("fsdd/codec1", tmp_path, "--budget", "smoke", *options, *fsdd(tmp_path / "corpus"))
    archive = TokenReader(tmp_path / "work/dump/test/codes", "codes", checksum(tmp_path / "work/exp/codec"))
    assert archive.read(next(iter(archive.keys()))).shape[1] == 4


@pytest.mark.parametrize(
    "corpus", ["librispeech", "librispeech/textlm1", "fisher", "two_channel", "synthetic", "wavcaps"]
)
def test_data_sh_without_its_corpus(corpus, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "AUDIOLM_VENV": str(Path(sys.executable).parents[1])}
    corpus, _, task = corpus.partition("/")
    recipe = ROOT / "egs" / corpus / (task or ("codec1" if corpus == "wavcaps" else "dialogue1"))
    folder = "--scripts" if corpus == "synthetic" else "--corpus_dir"
    command = ["bash", "local/data.sh", "--dir", str(tmp_path / "work"), folder, str(tmp_path / "nowhere")]
    done = subprocess.run(command, cwd=recipe, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"{tmp_path}/nowhere" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("recipe", "name"),
    [("wavcaps/codec1", "codec"), *(("fisher/dialogue1", name) for name in ("recognizer", "codec", "textlm", "lm"))],
)
def test_paper_configs_are_read(recipe, name):
    from audiolm.train.options import read_config

    paper = ROOT / "egs" / recipe / "conf/paper"
    files = [paper / f"{name}.yaml"]
    overrides = {"codec": [("train_dir", "a"), ("valid_dir", "b")]}.get(name, [])
    heads = (paper / f"{name}.yaml").read_text().split("system:")[0]
    for phase in sorted((paper / "phases").glob("*.yaml")) if name == "lm" else [None]:
        run = read_config([*files, phase] if phase else files, overrides)
        assert "GPU" in heads and "FLOP" in heads + (phase.read_text() if phase else "") and json.dumps(run.complete)
