"""What it costs that a run measures itself: python -m benchmarks.observers.

The share of the training time that each callback takes with the default intervals, by a clock
around its hooks within one run.
"""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch.callbacks import Callback

from benchmarks.record import Row, write
from darkroom import cli, config
from darkroom.verbs import train as training

IMAGES = 20_000  # one interval
RUNS = {
    "GAN, digits 16x16": ["model=gan", "data=digits"],
    "VAE, digits 16x16": ["model=vae", "data=digits"],
    "GAN, Fashion-MNIST 28x28": ["model=gan", "data=fashion_mnist"],
}
HOOKS = (
    "on_train_start",
    "on_train_batch_start",
    "on_before_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_end",
)
KEEPING = {"Progress", "SampleGrid", "ReconstructionGrid", "Checkpoints"}  # these measure nothing


def main() -> None:
    tables = {name: shares(overrides) for name, overrides in RUNS.items()}
    print(write("observers", tables, REMARKS).read_text())


REMARKS = (
    f"Seconds of one run of {IMAGES:,} images with the defaults, start excluded: of the processor, "
    "or of the clock where there is a GPU. The ratio is the share of the whole. torch uses "
    f"{torch.get_num_threads()} thread(s)."
)


def shares(overrides: list[str]) -> list[Row]:
    """One run; the first row is the whole of it, the second all that measures and diagnoses."""
    with tempfile.TemporaryDirectory() as folder, stopwatches() as seconds:
        run = Path(folder) / "run"
        with initialize_config_dir(str(cli.CONF), version_base="1.3"):
            typed = [*overrides, f"trainer.max_images={IMAGES}", f"run_dir={run}"]
            composed = compose("train", overrides=typed)
        config.check(composed)
        training.train(composed, run, typed)
    whole = seconds.pop("whole")  # a little more than without the clocks
    measuring = sum(taken for name, taken in seconds.items() if name not in KEEPING)
    rows = {"all that measures and diagnoses": measuring}
    rows |= dict(sorted(seconds.items(), key=lambda item: -item[1]))
    return [
        Row("training, everything included", "s", whole, whole, whole),
        *(Row(name, "s", taken, taken, taken, taken / whole) for name, taken in rows.items()),
    ]


@contextmanager
def stopwatches() -> Iterator[dict[str, float]]:
    """Clocks around the hooks of darkroom's callbacks, for as long as it lasts."""
    seconds: dict[str, float] = defaultdict(float)
    build, look = training._build_all, cost_of_a_look()

    def timed(name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            began = now()
            try:
                return hook(*arguments)
            finally:
                seconds[name] += now() - began - look

        return measured

    def built(nodes: Any) -> list[Any]:
        objects = build(nodes)
        callbacks = [each for each in objects if isinstance(each, Callback)]
        for callback in callbacks:
            kind = type(callback)
            for hook in HOOKS:
                if getattr(kind, hook) is not getattr(Callback, hook):
                    setattr(callback, hook, timed(kind.__name__, getattr(callback, hook)))
        return [*objects, _Whole(seconds)] if callbacks else objects

    training._build_all = built
    try:
        yield seconds
    finally:
        training._build_all = build


class _Whole(Callback):
    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds

    def setup(self, trainer: Any, system: Any, stage: str) -> None:
        self.began = now()

    def on_train_end(self, trainer: Any, system: Any) -> None:
        self.seconds["whole"] = now() - self.began


def cost_of_a_look(looks: int = 10_000) -> float:
    """Seconds of the clock itself, which a system call makes many times that of a quick hook."""
    began = now()
    for _ in range(looks):
        now()
    return (now() - began) / looks


def now() -> float:
    """Seconds that other programs on the machine do not stretch, as far as that can be had."""
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    sys.argv = sys.argv[:1]  # Lightning would hand them to further devices
    main()
