"""The steps of ``audiolm simulate``."""

import argparse
import math
import os
from pathlib import Path

from audiolm.errors import AudiolmError

SPLITS = ("train", "dev", "test")


def scripts(args: argparse.Namespace) -> None:
    from audiolm.data.files import write_lines
    from audiolm.simulate.backends import NATURAL, natural_shares, plugin
    from audiolm.simulate.script import compose_set, write_scripts
    from audiolm.simulate.voices import espeak_voices

    names = ("TOPICS", "opening", "closing", "BACKCHANNELS", "VOCABULARY")
    grammar = plugin(args.grammar, names, f"--grammar {args.grammar}")
    if args.voices not in ("espeak", *NATURAL) or (args.language and args.voices in NATURAL):
        kind = f"--language is of espeak, with --voices {args.voices}" if args.language else f"--voices {args.voices}"
        raise AudiolmError(f"{kind}: expected espeak, or {' or '.join(NATURAL)}, which speak the grammar's English")
    natural = natural_shares(args.voices, args.voices_model) if args.voices in NATURAL else None
    for split in SPLITS:
        seconds = args.hours * 3600 if split == "train" else args.eval_minutes * 60
        if not 0 < seconds < math.inf:
            raise AudiolmError(
                f"--hours {args.hours:g} and --eval_minutes {args.eval_minutes:g}: expected both above 0"
            )
        voices = natural[split] if natural else espeak_voices(split, args.language)
        scripts = compose_set(split, split, seconds, voices, args.seed, grammar)
        write_scripts(_script_file(args.dir, split), scripts)
        hours = sum(script.expected_duration for script in scripts) / 3600
        print(f"{split}: {len(scripts)} dialogues, about {hours:.2f} h, {len(voices)} voices")
    write_lines(args.dir / "data" / "local" / "words.txt", grammar.VOCABULARY)


def speak_share(args: argparse.Namespace) -> None:
    from audiolm.data.datadir import share
    from audiolm.jobs.launch import RUN_VARIABLE
    from audiolm.jobs.progress import progress
    from audiolm.simulate.backends import voice_backend
    from audiolm.simulate.corpus import speak
    from audiolm.simulate.script import read_scripts

    voices, todo = voice_backend(args.voices, args.aligner, args.aligner_model, args.voices_model), []
    run = os.environ.get(RUN_VARIABLE, "")
    forced = run if run.startswith("force-") else ""
    for name in args.sets:
        scripts = {script.id: script for script in read_scripts(_script_file(args.dir, name))}
        todo += [(name, scripts[id]) for id in share(list(scripts), args.job, args.num_jobs)]
    for name, script in progress(todo, desc="dialogues"):
        speak(script, voices, _audio_folder(args.dir, name), args.fs, args.seed, forced)


def tables(args: argparse.Namespace) -> None:
    from audiolm.commands.merge import share_of
    from audiolm.data.parts import CORPUS_OPTION, check_rejected
    from audiolm.data.readers import RECO2ALIGNER
    from audiolm.data.recordings import Count
    from audiolm.data.tools import write_rejected
    from audiolm.simulate.corpus import collect
    from audiolm.simulate.script import read_scripts

    most = share_of(args.max_rejected)
    for name in args.sets:
        scripts = read_scripts(_script_file(args.dir, name))
        data, rejected = collect(scripts, _audio_folder(args.dir, name))
        data.write(args.dir / "data" / name)
        write_rejected(args.dir / "data" / name / "rejected.tsv", sorted(rejected.items()))
        hours = sum(data.reco2dur.values()) / 2 / 3600
        print(f"{name}: {len(scripts)} dialogues, {len(rejected)} rejected, {hours:.2f} h, {len(data.ctm)} words")
        aligned = data.others.get(RECO2ALIGNER, {})
        if aligned:
            names = ", ".join(sorted(set(aligned.values())))
            print(f"{name}: word times of {len(aligned)} of {len(data.wav)} channels are found by {names}")
        count = Count("dialogues", len(scripts), len(rejected))
        check_rejected([count], most, args.dir / "data" / name, CORPUS_OPTION)


def text(args: argparse.Namespace) -> None:
    from audiolm.data.files import write_lines
    from audiolm.simulate.script import as_text, read_scripts

    for name in args.sets:
        scripts = sorted(read_scripts(_script_file(args.dir, name)), key=lambda script: script.id)
        write_lines(args.dir / "data" / name / "text", (f"{script.id} {as_text(script)}" for script in scripts))
        print(f"{name}: {len(scripts)} dialogues")


def _script_file(dir: Path, name: str) -> Path:
    return dir / "data" / "local" / "scripts" / f"{name}.jsonl"


def _audio_folder(dir: Path, name: str) -> Path:
    return dir / "data" / "local" / "audio" / name
