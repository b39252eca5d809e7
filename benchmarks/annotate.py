"""Hours of audio that each annotation backend does in an hour of processor time, as one worker of one thread.

    OMP_NUM_THREADS=1 python benchmarks/annotate.py --data DIR [--recognizer EXP] [--whisper MODEL] [--wav2vec2 MODEL]

DIR is a data directory with text, such as one of LibriSpeech's parts; its recordings are done once each, after one that
is not counted. Backends that need a model are left out where none is named.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from audiolm.annotate.align import align_recordings, make_aligner
from audiolm.annotate.diarize import ChannelDiarizer, make_diarizer
from audiolm.annotate.quality import bandwidth, clipping, signal_to_noise
from audiolm.annotate.transcribe import make_transcriber, transcribe_recordings
from audiolm.annotate.vad import SileroVad
from audiolm.data.datadir import DataDir

FS = 16000


def measure(name: str, data: DataDir, work: Callable[[list[str]], object]) -> None:
    """Print the real-time factor of ``work`` over all recordings but the first, which warms it up."""
    first, *others = data.recos
    work([first])
    began = time.process_time()  # not the clock's: other work may run beside
    work(others)
    spent, seconds = time.process_time() - began, sum(data.duration(reco) for reco in others)
    print(f"{name:<34}{seconds / spent:>9.0f} hours an hour   ({seconds / 60:.1f} min in {spent:.1f} s)", flush=True)


def on_audio(data: DataDir, function: Callable) -> Callable[[list[str]], object]:
    """``function(wav, fs)`` of every recording."""
    return lambda recos: [function(data.audio(reco, fs=FS), FS) for reco in recos]


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    data, vad = DataDir.read(options.data), SileroVad()
    measure("voice activity, silero", data, on_audio(data, vad))
    measure("diarization, channels", data, on_audio(data, ChannelDiarizer(vad)))
    measure("diarization, embedded", data, on_audio(data, make_diarizer("embedded")))

    def quality(wav, fs):
        return clipping(wav), bandwidth(wav, fs), signal_to_noise(wav, fs, vad(wav, fs))

    measure("clipping, bandwidth, noise", data, on_audio(data, quality))
    aligners = {"pocketsphinx": {}}
    if options.recognizer:
        aligners["ctc"] = {"recognizer": options.recognizer}
    if options.wav2vec2:
        aligners["wav2vec2"] = {"model": options.wav2vec2}
    for backend, model in aligners.items():
        aligner = make_aligner(backend, **model)
        measure(f"alignment, {backend}", data, lambda recos, by=aligner: align_recordings(data, recos, by))
    for backend in ("whisper_timestamped", "whisper") if options.whisper else ():
        transcriber = make_transcriber(backend, options.whisper, "en")
        measure(
            f"transcription, {backend}", data, lambda recos, by=transcriber: transcribe_recordings(data, recos, by, vad)
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data directory")
    parser.add_argument("--recognizer", type=Path, help="experiment of a CTC recogniser, for alignment by ctc")
    parser.add_argument("--whisper", help="size, checkpoint, folder or hub id, as audiolm align takes it")
    parser.add_argument("--wav2vec2", help="bundle, folder or hub id, as audiolm align takes it")
    main(parser.parse_args())
