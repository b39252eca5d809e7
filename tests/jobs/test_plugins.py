"""The files of modules that words of a command line name."""

from audiolm.jobs.plugins import digest, sources
from audiolm.jobs.stages import Stage, State


def test_the_files_of_a_module(tmp_path, monkeypatch):
    files = {
        "tts_a.py": "import tts_b, json, numpy\n",
        "tts_b.py": "def f():\n    from tts_c.deep import x\n    import tts_a\n",
        "tts_c/__init__.py": "",
        "tts_c/deep/__init__.py": "",
        "unused.py": "",
        "broken.py": "import tts_b\nthis is no python",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    def found(word):
        return [str(file.relative_to(tmp_path)) for file in sources(word)]

    package = ["tts_c/__init__.py", "tts_c/deep/__init__.py"]
    assert found("tts_a:voice") == ["tts_a.py", "tts_b.py", *package]
    assert found("tts_c.deep:voice") == package
    assert found("broken:voice") == ["broken.py"]
    for other in (
        "tts_a",
        "tts_a.py:",
        "no_such:voice",
        "audiolm.simulate.espeak:espeak_voice",
        "1:2",
        "a b:c",
        "sys:x",
    ):
        assert sources(other) == []
    before = digest(sources("tts_a:voice"))
    (tmp_path / "unused.py").write_text("x = 1\n")
    assert digest(sources("tts_a:voice")) == before
    (tmp_path / "tts_c/deep/__init__.py").write_text("x = 1\n")
    assert digest(sources("tts_a:voice")) != before


def test_a_stage_is_redone_when_a_plugin_changes(tmp_path, monkeypatch):
    plugin = tmp_path / "tts_f.py"
    plugin.write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    stage = Stage(1, "corpus", "Speak", ("local/data.sh", "--voices", "tts_f:voice"))
    state = State(str(tmp_path / "work"), [stage])
    state.begin(stage, force=False)
    state.finish(stage, None)
    assert state.why(stage) is None
    plugin.write_text("x = 2\n")
    assert state.why(stage) == f"{plugin} changed"


def test_of_an_installed_module_its_own_file_alone(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "tts_d.py").write_text("import tts_e\n")
    (folder / "tts_e.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    assert sources("tts_d:voice") == [folder / "tts_d.py"]
