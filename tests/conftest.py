"""Fixtures that tests of every part share."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Machines that tests run on are shared: an example that takes long is no failure.
settings.register_profile("audiolm", deadline=None)
settings.load_profile("audiolm")

# The scripts that tests start find the "audiolm" and "python3" of this environment, activated or not.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

SHARED = Path(os.environ.get("AUDIOLM_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real recordings that tests use where it is present (AUDIOLM_TEST_DATA names another)."""
    if not SHARED.is_dir():
        pytest.skip(f"no real recordings at {SHARED}: set AUDIOLM_TEST_DATA to a folder that holds them")
    return SHARED
