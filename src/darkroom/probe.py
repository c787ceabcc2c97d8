"""A short timed run of a config on this machine: how long the whole of it would take."""

import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch.utils.flop_counter import FlopCounterMode

from darkroom import config, randomness
from darkroom.data import ImageData
from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer

WARM_UP = 4  # steps that are not counted: memory is taken, kernels are chosen


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Attributes:
        images_per_second: While it trains.
        seconds: The whole run, but for its start.
        memory_bytes: Of the GPU if there is one, else of the process.
    """

    images_per_second: float
    seconds: float
    memory_bytes: int

    def __str__(self) -> str:
        minutes = self.seconds / 60
        span = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
        digits = 0 if self.images_per_second >= 10 else 1
        speed, memory = f"{self.images_per_second:,.{digits}f}", self.memory_bytes / 2**30
        return f"about {span} here, at {speed} images/s; {memory:.1f} GiB of memory"


def probe(composed: DictConfig, data: ImageData, seconds: float = 5.0) -> Estimate:
    """Trains for some seconds, without loggers and observers, and throws the result away.

    Args:
        composed: A checked train config whose data are settled.
        data: Its data, set up.
        seconds: How long to measure.
    """
    with randomness.initialisation(composed.seed):
        system: System = config.build(composed.model)
    stopwatch = _Stopwatch(seconds)
    endless = {"max_images": sys.maxsize}  # the stopwatch ends it
    trainer: Trainer = config.build(
        composed.trainer, logger=False, callbacks=[stopwatch], **endless
    )
    trainer.fit(system, datamodule=data)
    rate = stopwatch.images / stopwatch.elapsed
    device = trainer.strategy.root_device
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    else:
        memory = psutil.Process().memory_info().rss
    return Estimate(rate, composed.trainer.max_images / rate, memory)


def training_flops(composed: DictConfig, data: ImageData) -> float:
    """Floating-point operations of training per image, counted on the CPU in the fewest steps.

    Args:
        composed: A checked train config whose data are settled.
        data: Its data, set up.
    """
    with randomness.initialisation(composed.seed):
        system: System = config.build(composed.model)
    plain = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "32-true"}
    short = {"max_images": 1 + (system.cycle - 1) * data.batch_size, "compile": False}
    quiet = {"logger": False, "callbacks": []}
    trainer: Trainer = config.build(composed.trainer, **plain, **short, **quiet)
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = _Anywhere()  # type: ignore[assignment]  # theirs forbids autograd.grad
    with counter:
        trainer.fit(system, datamodule=data)
    return counter.get_total_flops() / system.images_seen


class _Anywhere(AbstractContextManager[None]):
    """Tells a counter of operations that all of them belong to the whole."""

    parents = frozenset({"Global"})

    def __exit__(self, *_: object) -> None:
        pass


class _Stopwatch(Callback):
    def __init__(self, seconds: float) -> None:
        self.seconds, self.steps, self.images, self.elapsed = seconds, 0, 0, 0.0

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self.steps += 1
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        if self.steps == WARM_UP:
            self.began, self.first = time.perf_counter(), system.images_seen
        if self.steps > WARM_UP:
            self.elapsed = time.perf_counter() - self.began
            self.images = system.images_seen - self.first
            if self.elapsed > self.seconds:
                trainer.should_stop = True
