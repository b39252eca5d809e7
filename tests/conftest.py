"""Fixtures that tests of every part share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Machines that tests run on are shared: an example that takes long is no failure.
settings.register_profile("audiolm", deadline=None)
settings.load_profile("audiolm")

# The scripts that tests start find the "audiolm" and "python3" of this environment, activated or not.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# Recipes that tests run do not measure the machine first.
os.environ.setdefault("AUDIOLM_PROBE", "false")

SHARED = Path(os.environ.get("AUDIOLM_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests run side by side (pytest -n), keep those together that share fixtures or the machine.

    The tests of a file go to one worker, and all that need a Slurm go to another one. What may take longest, by its
    timeout, begins first.
    """
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            group = "slurm" if "slurm" in item.fixturenames else item.path.relative_to(config.rootpath).as_posix()
            item.add_marker(pytest.mark.xdist_group(group))
    if os.environ.get("PYTEST_XDIST_WORKER"):
        limits = [mark.args[0] if (mark := item.get_closest_marker("timeout")) else 0 for item in items]
        items[:] = [item for _, item in sorted(zip(limits, items, strict=True), key=lambda pair: -pair[0])]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real recordings that tests use where it is present (AUDIOLM_TEST_DATA names another)."""
    if not SHARED.is_dir():
        pytest.skip(f"no real recordings at {SHARED}: set AUDIOLM_TEST_DATA to a folder that holds them")
    return SHARED


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Iterator[Path]:
    """The folder of a running Slurm of two nodes, both this machine; commands find it (SLURM_CONF)."""
    if os.geteuid() != 0 and shutil.which("munged") is None:
        pytest.skip("no Slurm is installed, and only root can install it: tools/slurm/start.sh")
    tools, folder = Path(__file__).parents[1] / "tools/slurm", tmp_path_factory.mktemp("slurm")
    started = subprocess.run([tools / "start.sh", folder], capture_output=True, text=True, timeout=240, check=False)
    if started.returncode:
        pytest.skip(f"no Slurm can be started here: {started.stderr.strip().splitlines()[-1]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        yield folder
    subprocess.run([tools / "stop.sh", folder], check=True, timeout=120)
