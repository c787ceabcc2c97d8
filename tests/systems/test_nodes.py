"""Two nodes, as far as one machine can show them: processes that somebody else starts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from darkroom import checkpoint
from tests.commands import content, train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
OPTIONS = ("experiment=smoke", "model=vae", "trainer.accelerator=cpu", "trainer.precision=64-true")
NODES = ("trainer.num_nodes=2", "trainer.devices=1", "hydra.run.dir=run")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def torchrun(node: int, port: int) -> tuple[list[str], dict[str, str]]:
    """What is typed on a node."""
    agent = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    return [*agent, f"--node-rank={node}", "--master-addr=127.0.0.1", f"--master-port={port}"], {}


def srun(node: int, port: int) -> tuple[list[str], dict[str, str]]:
    """What srun sets in the environment of a process, one a node."""
    job = {"JOB_ID": 1, "JOB_NAME": "train", "NTASKS": 2, "NTASKS_PER_NODE": 1, "NNODES": 2}
    place = {"NODELIST": "127.0.0.1", "PROCID": node, "NODEID": node, "LOCALID": 0}
    environment = {f"SLURM_{name}": str(value) for name, value in (job | place).items()}
    return [], environment | {"MASTER_PORT": str(port)}


def call_nodes(launch, cwd: Path) -> list[tuple[int, str]]:
    """Runs train.py on two nodes; their exit codes, and what they said."""
    port, running = free_port(), []
    for node in range(2):
        before, environment = launch(node, port)
        running.append(
            subprocess.Popen(
                [sys.executable, *before, str(ROOT / "train.py"), *OPTIONS, *NODES],
                cwd=cwd,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        said = [process.communicate(timeout=200)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


def names(run: Path) -> set[str]:
    """What lies in a run's folder; TensorBoard's files are named after process and time."""
    paths = {str(path.relative_to(run)) for path in content(run)}
    return {path.partition(".tfevents.")[0] for path in paths}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    run = tmp_path_factory.mktemp("one") / "run"
    train(run, *OPTIONS)
    return run


@pytest.mark.parametrize("launch", [torchrun, srun])
def test_two_nodes_give_one_processs_run(launch, one, tmp_path):
    for code, said in call_nodes(launch, tmp_path):
        assert code == 0, said
    expected, got = (checkpoint.load(run) for run in (one, tmp_path / "run"))
    assert got.images_seen == expected.images_seen
    weights = got.system.state_dict()
    for name, weight in expected.system.state_dict().items():
        if torch.is_tensor(weight):
            torch.testing.assert_close(weights[name], weight, rtol=1e-6, atol=1e-8, msg=name)
    written, alone = (names(run) for run in (tmp_path / "run", one))
    assert written == alone
