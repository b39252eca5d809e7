"""The whole page, from a small recipe directory: a dialogue of noise, its text stream, generated speech, scores."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from audiolm.codec.load import load_codec
from audiolm.commands.main import main
from audiolm.data import audio
from audiolm.data.datadir import DataDir
from audiolm.data.tables import Segment, Turn, Word, write_rttm
from audiolm.data.tokens import Meta, TokenWriter
from audiolm.report import codebooks
from audiolm.report.card import card
from audiolm.report.environment import Training
from audiolm.report.opening import LEARNS_NOTHING, banner, lead
from audiolm.report.page import Report
from audiolm.report.speakers import told
from audiolm.report.tables import WHO, table
from audiolm.report.timeline import read_channels, timeline
from audiolm.score.record import Score
from audiolm.score.results import Row, place
from audiolm.text.tokenizer import EPAD, PAD, Tokenizer, train_tokenizer
from audiolm.train.checkpoint import checksum
from tests.codec.tiny_codecs import write_experiment

FS, SECONDS, RATE = 8000, 4, 12.5
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Checker(HTMLParser):
    """Notes tags that are not closed in order, and everything that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.fetched += [value for name, value in attrs if name in ("src", "href", "action", "poster", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(0)
    data = DataDir()
    for channel, number, word in (("A", "1", "one"), ("B", "2", "two")):
        path = work / f"d-{channel}.flac"
        audio.write(path, rng.uniform(-0.3, 0.3, FS * SECONDS).astype(np.float32), FS)
        reco = f"d-{channel}"
        data.wav[reco], data.reco2dur[reco], data.reco2file_and_channel[reco] = str(path), SECONDS, ("d", channel)
        data.segments[f"s{channel}-{reco}"] = Segment(reco, 0.5, 1.5)
        data.text[f"s{channel}-{reco}"], data.utt2spk[f"s{channel}-{reco}"] = word, f"s{channel}"
        data.rttm = [*data.rttm, Turn("d", number, 0.5, 1.0, f"s{channel}")]
        data.ctm = [*data.ctm, Word("d", channel, 0.5, 0.4, word)]
    dump = work / "dump" / "test"
    data.write(work / "data" / "test")
    data.write(dump / "audio")
    write_rttm(dump / "diarize" / "rttm", [Turn("d", "1", 0.4, 1.2, "1"), Turn("d", "2", 0.6, 0.9, "2")])
    tokenizer = train_tokenizer(["one two three"], 300)
    tokenizer.save(work / "exp" / "tokenizer")
    text = np.full((int(SECONDS * RATE), 1), PAD)
    with TokenWriter(dump / "text", "text", meta=Meta(RATE, (300,), tokenizer.checksum)) as writer:
        for reco, word in (("d-A", "one"), ("d-B", "two")):
            text[5:7, 0] = EPAD, tokenizer.encode_word(word)[0]
            writer.write(reco, text)
    exp = work / "exp" / "lm_1"
    data.write(exp / "generate" / "asr")
    heard = [{"id": "d-A", "words": [[0.5, "one"]]}, {"id": "d-B", "words": [[0.5, "three"]]}]
    said = [{"id": "d-A", "text": "one <i>", "words": [[0.5, "one"]]}]
    continued = [{"id": "d-A", "source": "d", "prompt": 1.0, "words": [[0.5, "one"], [2.0, "three"]]}]
    for mode, items in (("asr", heard), ("tts", said), ("continue", continued)):
        data.write(exp / "generate" / mode)
        (exp / "generate" / mode / "meta.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    metrics = [{"step": 10, "seconds": 5.0, "loss/main": 3.0}, {"step": 20, "seconds": 9.0, "loss/main": 2.0}]
    (exp / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics))
    (exp / "config.yaml").write_text("system: moshi\n")
    fields = {"unit": "%", "protocol": "counted", "backend": "none", "checksum": "", "data": "test", "count": 2}
    Score("wer_asr", 50.0, baseline=100.0, baseline_name="silence", **fields).write(exp / "scores")
    return work


def test_the_page_is_whole_and_fetches_nothing(work, capsys):
    assert main(["report", "--dir", str(work), "--title", "Noise & words"]) == 0
    page = (work / "report.html").read_text()
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert checker.fetched and all(link.startswith(("data:", "#")) for link in checker.fetched)
    assert not re.search(r"url\(|@import|https?://", page), "a reference to the outside"
    assert "<title>Noise &amp; words</title>" in page and "one &lt;i&gt;" in page
    for shown in ("<del>two</del> <ins>three</ins>", "<s>one</s> three", "50.0", "lm_1", "system: moshi", "20 steps"):
        assert shown in page
    assert "dump/test/codes" in page.partition("<footer>")[2], "what is missing is named"
    assert "open it in a browser" in capsys.readouterr().out


def test_the_timeline_has_a_cell_for_every_frame(work):
    file, channels = read_channels(work, "test")
    assert file == "d" and [channel.name for channel in channels] == ["A", "B"]
    html = timeline(channels, Tokenizer.load(work / "exp" / "tokenizer"), file)
    frames = int(SECONDS * RATE)
    assert html.count('<rect class="cell-word') == html.count('<rect class="cell-epad') == 2
    assert html.count('<rect class="cell-pad') == 2 * frames - 4
    assert html.count('<rect class="found"') == html.count('<rect class="turn') == 2
    assert "frame 6: ▁one" in html


def test_an_empty_recipe_is_an_error(tmp_path):
    (tmp_path / "data").mkdir()
    assert main(["report", "--dir", str(tmp_path)]) == 1


def test_sections_without_files_or_items_are_left_out(work):
    DataDir().write(work / "exp/lm_1/generate/unconditional")  # as recordings shorter than the prompt leave "continue"
    (work / "exp/lm_1/generate/unconditional/meta.jsonl").touch()
    report = Report(work, "test", work / "exp" / "codec", work / "exp" / "tokenizer")
    page = report.page("x")
    assert 'id="codebooks"' not in page and 'id="dialogue"' in page
    assert "exp/*/generate/unconditional" in report.missing


@pytest.fixture(scope="module")
def codec_work(tmp_path_factory):
    """A recipe that made a codec and nothing else."""
    work = tmp_path_factory.mktemp("codec")
    exp, dump, data = work / "exp" / "codec", work / "dump" / "test", DataDir()
    exp.parent.mkdir()
    write_experiment(exp)
    metrics = [{"step": 10, "seconds": 5.0, "mel": 0.5, **{f"usage{k}": 0.5 for k in range(1, 13)}}]
    (exp / "metrics.jsonl").write_text(json.dumps(metrics[0]) + "\n")
    codec, wav = load_codec(exp), np.random.default_rng(0).uniform(-0.3, 0.3, FS * 2).astype(np.float32)
    audio.write(work / "u.flac", wav, FS)
    data.wav["u"], data.reco2dur["u"], data.utt2spk["u"] = str(work / "u.flac"), 2.0, "sue"
    data.write(dump / "audio")
    with TokenWriter(dump / "codes", "codes", meta=Meta(RATE, (16, 16, 16), checksum(exp))) as writer:
        writer.write("u", codec.encode(torch.from_numpy(wav)[None, None])[0].T.numpy())
    fields = {"unit": "%", "protocol": "triphones", "backend": "", "checksum": "", "data": "test", "count": 50}
    Score("abx_within", 12.5, details={"triples": 50, "speakers": 4}, **fields).write(exp / "scores")
    return work


def test_the_page_of_a_codec_misses_no_language_model(codec_work):
    assert main(["report", "--dir", str(codec_work)]) == 0
    page = (codec_work / "report.html").read_text()
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert "Not shown" not in page.partition("<footer>")[2]
    sections = re.findall(r'<section id="([^"]*)"', page)
    assert sections == ["results", "card", "codec", "codebooks", "curves", "setting"]
    for shown in ("phone ABX, level 1", "triples: 50, speakers: 4", "0.15 kbit/s", "37.5 a second", "9 of 12 shown"):
        assert shown in page
    for clip in ("original", "resynthesis", "levels 1 to 2", "level 1"):
        assert f"<b>{clip}</b>" in page
    assert "level 1, semantic" not in page, "nothing was distilled into it"
    assert page.count("inconsistent: ") == 2  # published rows


def test_a_codec_without_scores_says_so(codec_work):
    for path in (codec_work / "exp" / "codec" / "scores").iterdir():
        path.unlink()
    assert (
        Report(codec_work, "test", codec_work / "exp" / "codec", codec_work / "none").page("x").count("exp/**/scores")
    )


def test_a_run_that_learns_nothing_says_so_and_a_longer_one_does_not(work, tmp_path):
    page = Report(work, "test", work / "exp/codec", work / "exp/tokenizer", "smoke").page("x")
    assert "Budget smoke: 1 model trained in 9.0 s. Training steps: lm_1 20." in page
    assert page.index("Nothing has been learned in this run") < page.index('id="results"')
    done = [Training("lm", 20, 9.0, 0), Training("codec", LEARNS_NOTHING + 1, 9.0, 0)]
    assert banner(done[:1]) and not banner(done) and not banner([])
    assert "Budget" not in lead(done, "")


def test_one_item_and_whose_streams_a_loss_is_of():
    fields = {"unit": "nats", "protocol": "", "backend": "lm", "checksum": "", "data": "test"}
    scores = [Score("lm_loss_text", 1.0, count=1, **fields), Score("lm_loss_main1", 2.0, count=2, **fields)]
    rows = [Row(*place(score.metric)[1:], "lm", score) for score in scores]
    page = unescape(table(rows))
    assert "1 item<" in page and "2 items<" in page and "loss, main level 1" in page and WHO in page
    assert WHO not in table(rows[:1])


def test_the_page_says_who_speaks_through_the_codec(codec_work, tmp_path):
    data = DataDir(utt2spk={"a1": "ann", "b1": "bob"})
    assert told("test", data, {"cid"}).startswith("Utterances of speakers that the codec was not trained on")
    assert told("test", data, {"bob", "cid"}).endswith("trained on 1 of its 2 speakers")
    assert told("test", data, {"ann", "bob"}).startswith("Utterances of the 2 speakers that the codec was trained on")
    assert told("test", data, None) == "Utterances of the set 'test'"
    assert told("test", DataDir(utt2spk={"rain": "rain"}), {"ann"}) == "Recordings of the set 'test'"
    # From the tables: the codec's config names its training set, from the recipe's folder.
    config = codec_work / "exp" / "codec" / "config.yaml"
    config.write_text(re.sub(r"train_dir: .*", "train_dir: [elsewhere/dump/train/audio]", config.read_text()))
    lead_now = Report(codec_work, "test", config.parent, tmp_path).codec_lead()
    assert unescape(lead_now).startswith("Utterances of the set 'test', and")
    train = codec_work / "dump" / "train" / "audio"
    train.mkdir(parents=True)
    (train / "utt2spk").write_text("sue-1 sue\ntom-1 tom\n")
    assert Report(codec_work, "test", config.parent, tmp_path).codec_lead().startswith("Utterances of the speaker that")


def test_the_card_is_in_plain_words(codec_work):
    page = card(codec_work / "exp" / "codec")
    assert "3, each with a codebook of 16 entries" in page
    assert "codes the whole sound by itself; levels 2 to 3 code it a second time" in page
    assert "nothing: level 1 learns as the others do" in page
    lead = codebooks.beside_training(codec_work / "exp" / "codec")
    assert "about the last 100 steps" in lead and not codebooks.beside_training(codec_work)


def test_the_timeline_shows_that_it_scrolls(work):
    _, channels = read_channels(work, "test")
    html = timeline(channels, Tokenizer.load(work / "exp" / "tokenizer"), "d")
    assert 'class="frame more"' in html and "scroll it" in html  # the script takes them away where all is seen
