"""Other processes that start in milliseconds."""

import multiprocessing
import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def other_process():
    """A multiprocessing context whose processes fork from a server that has imported torch, Fabric and the toys."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preloaded"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])))
        process = context.Process(target=os.getpid)  # starts the server
        process.start()
        process.join()
    return context
