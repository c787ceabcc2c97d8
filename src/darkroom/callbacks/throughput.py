"""How fast the training is, how long it took, and how much memory it needs."""

import sys
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from darkroom.callbacks.every import EveryImages
from darkroom.systems import System
from darkroom.trainer import Trainer


class Throughput(EveryImages):
    """Logs images per second, everything included that happens between two steps.

    Beside it, the seconds of training so far, those before a resumption included, and the most
    memory that it took: the device's if it is a GPU, else the process's.

    Args:
        every: Interval in images.
    """

    def __init__(self, every: int) -> None:
        super().__init__(every)
        self.seconds_before = 0.0
        self.began = self.looked_at = time.perf_counter()

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        super().on_train_start(trainer, system)
        self.began = self.looked_at = time.perf_counter()

    def act(self, trainer: Trainer, system: System) -> None:
        now = time.perf_counter()
        images = system.images_seen - self.acted_at
        system.write(
            {
                "throughput/images_per_second": images / (now - self.looked_at),
                "throughput/seconds": self.seconds_before + now - self.began,
                "throughput/peak_memory_mib": peak_bytes(trainer.strategy.root_device) / 2**20,
            }
        )
        self.looked_at = now

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds_before + time.perf_counter() - self.began}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds_before = state_dict["seconds"]


def peak_bytes(device: torch.device) -> int:
    """The most memory taken so far: of a GPU by torch, else by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":  # whose getrusage begins with what the starting process had
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
