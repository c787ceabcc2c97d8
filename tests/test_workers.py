"""A process that reads images is lost: the run stops with advice, and can be continued."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from darkroom import checkpoint
from darkroom.data import ImageData
from darkroom.data.datasets import ArraySet
from tests.commands import resume, train

FAULTS = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hanging": lambda: time.sleep(600),
}


@pytest.mark.promise(
    "A process that reads images is killed, or hangs",
    "The run stops within data's patience and says what to type; the last checkpoint stays.",
)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_lost_worker_is_named_with_what_to_type(fault, tmp_path: Path, monkeypatch) -> None:
    read, served = ArraySet.__getitem__, []

    def faulty(self, key):
        if torch.utils.data.get_worker_info() is not None:
            served.append(key)
            if len(served) > 5:
                FAULTS[fault]()
        return read(self, key)

    monkeypatch.setattr(ArraySet, "__getitem__", faulty)
    monkeypatch.setattr(ImageData, "patience", 3)
    run = tmp_path / "run"
    with pytest.raises(OSError, match=r"one of data.num_workers=1 processes that read") as error:
        train(run, "data.num_workers=1", "data.resident=false", "callbacks.checkpoints.every=8")
    assert f"resume={run} data.num_workers=0" in str(error.value)
    saved = checkpoint.read(run / "checkpoints" / "last.ckpt")["images_seen"]
    assert 0 < saved < 64
    monkeypatch.undo()
    resume(run, "data.num_workers=0")
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["images_seen"] == 64
