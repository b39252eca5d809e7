"""The recognisers of ``audiolm align`` that find words by themselves, on real recordings.

    OMP_NUM_THREADS=1 python benchmarks/recognisers.py hear --data ../shared/data --out heard.jsonl \
        --backend faster_whisper --model FOLDER
    python benchmarks/recognisers.py table --out heard.jsonl

``hear`` measures one recogniser in a process of its own, so that the memory is its own, and adds a line to ``--out``:

- word errors on librispeech_test_other, every utterance a recording, by Whisper's normaliser of English; seconds of
  audio by second of one core, without loading;
- word starts on mfa_aligned (10 ms resolution; one speaker, 54 s);
- words made up an hour where nobody speaks (noise_rir and esc10 but for people's sounds), with voice activity detection
  in front as in ``audiolm align``, and without;
- what is heard on telephone_2ch, which has no reference: ``table`` compares the recognisers with each other.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch
from annotation_quality import channel, channels_of, noises

from audiolm.annotate.transcribe import BACKENDS, make_transcriber, transcribe_recordings
from audiolm.annotate.whisper import shown
from audiolm.data.datadir import DataDir
from audiolm.data.tables import read_ctm
from audiolm.score.hallucination import made_up, silences
from audiolm.score.normalisers import make_normaliser
from audiolm.score.wer import word_error_rate
from audiolm.score.word_times import start_errors
from audiolm.score.words import WordRules

ENGLISH = WordRules(normaliser=make_normaliser("english").apply)


def everything(wav: np.ndarray, fs: int) -> list[tuple[float, float]]:
    """Voice activity detection that takes all for speech."""
    return [(0.0, len(wav) / fs)]


def hear(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    transcriber = make_transcriber(options.backend, options.model, "en", options.device)
    line = {"backend": options.backend, "model": shown(options.model) if options.model else ""}
    line |= errors_and_speed(options.data / "librispeech_test_other", transcriber, options.every)
    line |= word_starts(options.data / "mfa_aligned", transcriber)
    line |= in_silence(noises(options.data), transcriber)
    telephone = channels_of(DataDir.read(options.data / "telephone_2ch"), 2)
    found, _ = transcribe_recordings(telephone, telephone.recos, transcriber)
    line["telephone"] = texts_of(telephone, found)
    line["memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with open(options.out, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print({key: value for key, value in line.items() if key != "telephone"})


def errors_and_speed(folder: Path, transcriber, every: int) -> dict:
    data = DataDir.read(folder)
    recos = list(data.recos)[::every]
    transcribe_recordings(data, recos[:1], transcriber, everything)  # what is loaded late
    begin = time.process_time()
    found, _ = transcribe_recordings(data, recos, transcriber, everything)
    seconds = time.process_time() - begin
    heard = texts_of(data, found)
    rate = word_error_rate({reco: data.text[reco] for reco in recos}, {reco: heard[reco] for reco in recos}, ENGLISH)
    speed = sum(data.duration(reco) for reco in recos) / seconds
    return {"wer": rate.percent, "wer_ci": rate.ci, "utterances": rate.utterances, "speed": speed}


def word_starts(folder: Path, transcriber) -> dict:
    data = DataDir.read(folder)
    reference = read_ctm(folder / "ctm.words")
    found, _ = transcribe_recordings(data, data.recos, transcriber)
    errors = np.abs(np.concatenate([1000 * e for e in start_errors(reference, found).values()]))
    return {
        "start_mean_ms": float(errors.mean()),
        "start_p95_ms": float(np.percentile(errors, 95)),
        "starts": len(errors),
    }


def in_silence(data: DataDir, transcriber) -> dict:
    lengths = {(data.file_and_channel(reco)[0], channel(data, reco)): data.duration(reco) for reco in data.recos}
    quiet = silences([], lengths)
    hours = sum(lengths.values()) / 3600
    rates = {}
    for name, vad in (("made_up", None), ("made_up_without_vad", everything)):
        found, _ = transcribe_recordings(data, data.recos, transcriber, vad)
        rates[name] = sum(made_up(found, quiet).values()) / hours
    return {**rates, "silence_minutes": 60 * hours}


def texts_of(data: DataDir, found: list) -> dict[str, str]:
    """Recording -> its words in order of time."""
    texts = {}
    for reco in data.recos:
        file, number = data.file_and_channel(reco)
        words = [word for word in found if (word.file, word.channel) == (file, number)]
        texts[reco] = " ".join(word.word for word in sorted(words, key=lambda word: word.start))
    return texts


def table(options: argparse.Namespace) -> None:
    lines = [json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()]
    print("| recogniser | WER | word starts, mean (95 %) | made up an hour (without VAD) | hours an hour | memory |")
    print("|---|--:|--:|--:|--:|--:|")
    for line in lines:
        low, high = line["wer_ci"]
        print(
            f"| {name(line)} | {line['wer']:.1f} % ({low:.1f} to {high:.1f}) | {line['start_mean_ms']:.0f} "
            f"({line['start_p95_ms']:.0f}) ms | {line['made_up']:.0f} ({line['made_up_without_vad']:.0f}) | "
            f"{line['speed']:.1f} | {line['memory_gb']:.1f} GB |"
        )
    print("\n| words that differ on telephone_2ch, % | " + " | ".join(map(name, lines)) + " |")
    print("|---|" + "--:|" * len(lines))
    for one in lines:
        cells = [f"{word_error_rate(other['telephone'], one['telephone'], ENGLISH).percent:.0f}" for other in lines]
        print(f"| {name(one)} | " + " | ".join(cells) + " |")


def name(line: dict) -> str:
    return f"{line['backend']} {line['model']}".strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("hear", "table"))
    parser.add_argument("--out", type=Path, required=True, help="a line for every recogniser that was measured")
    parser.add_argument("--data", type=Path, help="folder of data directories with real recordings")
    parser.add_argument("--backend", choices=BACKENDS)
    parser.add_argument("--model", help="as audiolm align takes it")
    parser.add_argument("--device", default="cpu", help="of the model")
    parser.add_argument("--every", type=int, default=1, help="every so manieth utterance of librispeech_test_other")
    given = parser.parse_args()
    {"hear": hear, "table": table}[given.what](given)
