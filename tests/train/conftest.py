"""Other processes that start in milliseconds."""

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
from toy_training import rank, train_toy

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


@pytest.fixture
def train_on_two(other_process):
    """``train_on_two(exp_dir, system, **keys)``: in two processes that need not import anything first."""

    def train(exp_dir, system="Line", by=train_toy, **keys):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        keys = {"trainer.accelerator": "cpu", "trainer.devices": 2, **keys}
        ranks = [other_process.Process(target=rank, args=(n, port, by, exp_dir, system, keys)) for n in (0, 1)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(240)
        assert [process.exitcode for process in ranks] == [0, 0]

    return train
