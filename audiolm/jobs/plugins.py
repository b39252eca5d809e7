"""Modules of the user's own that options name, ``module:function``: the files that such a word stands for."""

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

WORD = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")
OURS = "audiolm"


def sources(word: str) -> list[Path]:
    """The Python files that ``module:function`` is made of, sorted; none of any other word, and none of audiolm's own.

    These are the whole package of the module; of a module by itself its file, and the modules beside it that it
    imports. Nothing is run.
    """
    match = WORD.fullmatch(word)
    top = match[1].partition(".")[0] if match else OURS
    if top == OURS:
        return []
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return sorted(file for place in spec.submodule_search_locations for file in Path(place).rglob("*.py"))
    found: set[Path] = set()
    if spec.origin is not None and spec.origin.endswith(".py"):
        _follow(Path(spec.origin), found)
    return sorted(found)


def digest(files: list[Path]) -> str:
    """16 hexadecimal digits of the files' names and contents."""
    total = hashlib.blake2b(digest_size=8)
    for file in files:
        content = file.read_bytes()
        total.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def _follow(file: Path, found: set[Path]) -> None:
    """Add a module's file, and what it imports from its own folder."""
    if file in found:
        return
    found.add(file)
    if file.parent.name in ("site-packages", "dist-packages"):  # beside it lies everything that is installed
        return
    for name in _imported(file):
        if (file.parent / f"{name}.py").is_file():
            _follow(file.parent / f"{name}.py", found)
        elif (file.parent / name / "__init__.py").is_file():
            found |= set((file.parent / name).rglob("*.py"))


def _imported(file: Path) -> Iterator[str]:
    """First names of the modules that a file imports, anywhere in it; none of a file that is no Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
