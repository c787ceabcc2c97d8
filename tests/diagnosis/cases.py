"""Runs as a diagnosis sees them: made up, point by point, or really trained and really ill."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from darkroom import config, curves, randomness
from darkroom.curves import Curve
from darkroom.diagnosis import Case, dotted
from darkroom.systems import System
from tests.composed import composed

MEASUREMENTS = 12
STEPS = 60
IMAGES = 240_000
OFTEN = ("loss/", "probability/", "rate", "distortion", "vitals/gradient_norm")

Series = Mapping[str, float | Sequence[float]]
"""Values of series by name: a level, or points between which the course is straight."""


def curve(name: str, course: float | Sequence[float]) -> Curve:
    """A series with as many points as a run of 240,000 images logs of it."""
    points = STEPS if name.startswith(OFTEN) else MEASUREMENTS
    corners = np.atleast_1d(np.asarray(course, float))
    places = np.linspace(0, len(corners) - 1, points)
    values = np.interp(places, np.arange(len(corners)), corners)
    return Curve(np.linspace(IMAGES / points, IMAGES, points).astype(np.int64), values)


@cache
def options(*overrides: str) -> dict[str, Any]:
    """The composed config of train.py, by dotted names."""
    tree = composed("train", *overrides)
    assert config.problems(tree) == []
    plain = OmegaConf.to_container(tree, resolve=True)
    assert isinstance(plain, dict)
    return dotted({str(key): value for key, value in plain.items()})


def case(series: Series, *overrides: str) -> Case:
    """A made-up run on digits."""
    made = {name: curve(name, course) for name, course in series.items()}
    return Case(made, options(*overrides), training_images=1438, parameters=500_000)


def shortened(whole: Case, share: float) -> Case:
    """The same run, stopped earlier."""
    kept = {name: each.head(share) for name, each in whole.curves.items()}
    return Case(kept, whole.options, whole.training_images, whole.parameters)


def noisy(whole: Case, seed: int) -> Case:
    """The same run, with the noise that measurements have."""
    draw = np.random.default_rng(seed)
    shaken = {}
    for name, each in whole.curves.items():
        room = name.partition("/")[0]
        scale = 1.0 if room == "vitals" else np.abs(each.values)
        deviation = {"quality": 0.003, "vitals": 0.01 * scale, "validation": 0.002 * scale}
        noise = deviation.get(room, 0.05 * scale) * draw.normal(size=len(each))
        shaken[name] = Curve(each.images, each.values + (0 if "finite" in name else noise))
    return Case(shaken, whole.options, whole.training_images, whole.parameters)


LESS = (  # small enough for seconds, and looked at often
    "trainer.log_every_n_steps=10",
    "trainer.validate_every=2000",
    "logger.tensorboard=null",
    "callbacks.quality.n=360",
    "callbacks.game.n=256",
    *(f"callbacks.{name}.every=2000" for name in ("quality", "game", "posterior", "spread")),
    "callbacks.dead_units.every=2000",
    *(
        f"callbacks.{name}=null"
        for name in (
            "progress",
            "throughput",
            "diagnosis",
            "samples",
            "reconstructions",
            "checkpoints",
        )
    ),
)
GAN = (
    "model=gan",
    "model.generator.width=16",
    "model.discriminator.width=16",
    "model.discriminator_optimizer.lr=1e-3",
    "model.half_life=2000",
    *LESS,
)
VAE = ("model=vae", "model.network.width=8", "model.half_life=2000", *LESS)


def trained(
    folder: Path,
    *overrides: str,
    harm: Callable[[System], object] = lambda system: None,
    end: AbstractContextManager[object] | None = None,
) -> Case:
    """A run that is really trained, by the composed config.

    Args:
        folder: For the run.
        overrides: As one types them.
        harm: What is done to the system before it trains.
        end: What awaits an error that ends the training.
    """
    tree = composed("train", *overrides, f"run_dir={folder}")
    config.check(tree)
    data = config.build(tree.data)
    with randomness.initialisation(tree.seed):
        system = config.build(tree.model)
    harm(system)
    loggers, callbacks = (
        [config.build(node) for node in group.values() if node is not None]
        for group in (tree.logger, tree.callbacks)
    )
    trainer = config.build(
        tree.trainer, logger=loggers, callbacks=callbacks, default_root_dir=str(folder)
    )
    with end or nullcontext():
        trainer.fit(system, datamodule=data)
    parameters = sum(p.numel() for p in system.parameters() if p.requires_grad)
    logged = curves.read(folder / "metrics.csv")
    return Case(logged, options(*overrides), len(data.training), parameters)
