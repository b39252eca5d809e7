"""Before a stage trains into an experiment directory: is what lies there the same training, to be gone on with?

``python -m audiolm.jobs.claim --dir DIR EXP OPTION…`` leaves in EXP/.run what the training is made of: its options, the
content of the files they name, the models they start from, and the runs of the stages that the stage comes after
(AUDIOLM_AFTER). A directory of another training is moved to DIR/old, so that nothing trained is lost or mixed.
Where the stage is forced to run again (AUDIOLM_RUN begins with "force-"), its earlier training is another one too.

``python -m audiolm.jobs.claim --dir DIR --part OPTION…`` prints a name of the work that is made of the same, to run
arrays under (AUDIOLM_RUN): what one part of a stage has done is not done again because another part is another one.
"""

import argparse
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from audiolm.jobs.stages import content, is_input, relative, write_json


def main(argv: list[str] | None = None) -> int:
    """Claim the directory that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--dir", required=True, help="the recipe's working directory")
    parser.add_argument("--part", action="store_true", help="print a name of the work; there is no EXP")
    args, words = parser.parse_known_args(argv)  # argparse.REMAINDER cannot begin with an option
    exp, options = (None, words) if args.part else (Path(words[0]), words[1:])
    words = [relative(word, args.dir) for word in options]
    files = {word: content(word) for word in options if is_input(word)}
    ingredients = [words, files, os.environ.get("AUDIOLM_AFTER", "")]
    run = os.environ.get("AUDIOLM_RUN", "")
    if args.part:
        print(part(ingredients, run))
        return 0
    moved = claim(exp, ingredients, run, Path(args.dir, "old"))
    if moved:
        print(f"{exp} was trained otherwise; it is {moved} now", file=sys.stderr)
    return 0


def part(ingredients: Sequence, run: str) -> str:
    """The name of a part of a stage with these ingredients; another one each time that the stage is forced."""
    digest = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:16]
    return f"{run}-{digest}" if run.startswith("force-") else f"part-{digest}"


def claim(exp: Path, ingredients: Sequence, run: str, attic: Path) -> Path | None:
    """Make ``exp`` the directory of a training with these ingredients; return where in ``attic`` another one was moved.

    One without ``.run`` was not trained by a recipe: ``audiolm train`` goes on with it or refuses it.
    """
    digest = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()
    mark = exp / ".run"
    moved = None
    begun = (exp / "model.safetensors").exists() or any(exp.glob("checkpoints/*"))
    if mark.is_file() and begun:
        old = json.loads(mark.read_text())
        if old["digest"] == digest and (not run.startswith("force-") or old["run"] == run):
            return None
        attic.mkdir(parents=True, exist_ok=True)
        moved = next(path for number in itertools.count(1) if not (path := attic / f"{exp.name}.{number}").exists())
        os.rename(exp, moved)
    write_json(mark, {"digest": digest, "run": run})
    return moved


if __name__ == "__main__":
    sys.exit(main())
