"""What tests share: one thread each, and a short run of a real system on real digits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from darkroom import config, randomness
from darkroom.data import Digits, ImageData
from darkroom.systems import System
from darkroom.trainer import Trainer

torch.set_num_threads(1)

BATCH_SIZE = 16

ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3, "betas": [0.5, 0.999]}
SHAPE = {"resolution": 16, "channels": 1, "width": 4}
RESIDUAL = {**SHAPE, "width": 8, "wide_levels": 1, "group_size": 4, "num_classes": 10}


def schedule(start: float, end: float) -> dict[str, Any]:
    """A way that short runs see the whole of."""
    cosine = {"_target_": "darkroom.schedules.Cosine", "share": 0.5, "of": 8 * BATCH_SIZE}
    return {**cosine, "start": start, "end": end}


def seen_by_discriminator(**probability: Any) -> dict[str, Any]:
    kinds = ("Geometry", "ColourMatrix", "Cutout")
    return {
        "_target_": "darkroom.augmentation.DiscriminatorAugmentation",
        "transforms": [{"_target_": f"darkroom.augmentation.{kind}"} for kind in kinds],
        "probability": probability,
    }


SYSTEMS = {
    "gan": {
        "_target_": "darkroom.systems.GAN",
        "generator": {"_target_": "darkroom.networks.DCGANGenerator", "latent_dim": 8, **SHAPE},
        "discriminator": {"_target_": "darkroom.networks.DCGANDiscriminator", **SHAPE},
        "objective": {"_target_": "darkroom.objectives.NonSaturating"},
        "generator_optimizer": ADAM,
        "discriminator_optimizer": ADAM,
        "half_life": 100,
    },
    "modern": {  # classes, penalties, schedules, augmentation: all that changes with the clock
        "_target_": "darkroom.systems.GAN",
        "generator": {"_target_": "darkroom.networks.R3GANGenerator", "latent_dim": 8, **RESIDUAL},
        "discriminator": {"_target_": "darkroom.networks.R3GANDiscriminator", **RESIDUAL},
        "objective": {"_target_": "darkroom.objectives.Relativistic"},
        "penalties": {
            "r1": {"_target_": "darkroom.objectives.R1", "weight": schedule(1, 0.1)},
            "r2": {"_target_": "darkroom.objectives.ApproximateR2", "weight": 1.0},
        },
        "augmentation": seen_by_discriminator(**schedule(0.2, 0.8)),
        "generator_optimizer": {
            "_target_": "darkroom.systems.Adam",
            "_partial_": True,
            "lr": schedule(1e-3, 1e-4),
            "betas": [0.0, schedule(0.9, 0.99)],
        },
        "discriminator_optimizer": {"_target_": "darkroom.systems.Adam", "_partial_": True},
        "half_life": schedule(10, 100),
    },
    "adaptive": {  # several steps of D for one of G, and a probability that has a memory
        "_target_": "darkroom.systems.GAN",
        "generator": {"_target_": "darkroom.networks.DCGANGenerator", "latent_dim": 8, **SHAPE},
        "discriminator": {
            "_target_": "darkroom.networks.DCGANDiscriminator",
            "normalisation": "none",
            **SHAPE,
        },
        "objective": {"_target_": "darkroom.objectives.NonSaturating"},
        "penalties": {"slope": {"_target_": "darkroom.objectives.UnitSlope"}},
        "augmentation": seen_by_discriminator(
            _target_="darkroom.augmentation.Adaptive", images=200, every=3, target=0.0
        ),
        "discriminator_steps": 3,
        "generator_optimizer": ADAM,
        "discriminator_optimizer": ADAM,
        "half_life": 100,
    },
    "vae": {
        "_target_": "darkroom.systems.VAE",
        "network": {"_target_": "darkroom.networks.ConvVAE", "latent_dim": 8, **SHAPE},
        "objective": {"_target_": "darkroom.objectives.ELBO"},
        "optimizer": ADAM,
        "half_life": 100,
    },
}
for name, prior in {"mixture": {"components": 4}, "flow_matching": {"width": 16}}.items():
    kind = "".join(map(str.title, name.split("_")))
    SYSTEMS[name] = SYSTEMS["vae"] | {  # a scale and a second stage that learn from all devices
        "objective": {
            "_target_": "darkroom.objectives.ELBO",
            "likelihood": {"_target_": "darkroom.objectives.OptimalGaussian"},
        },
        "prior": {"_target_": f"darkroom.priors.{kind}", "latent_dim": 8, **prior},
    }


def tiny_system(model: str) -> System:
    """A small system with the weights that seed 0 gives."""
    with randomness.initialisation(0):
        return config.build(config.OmegaConf.create(SYSTEMS[model]))


class Run:
    """A short training in a folder of its own; what happened is there to look at."""

    def __init__(
        self,
        folder: Path,
        model: str,
        images: int,
        callbacks: tuple[Callback, ...] = (),
        resume: Path | None = None,
        data: dict[str, Any] | None = None,
        kind: type[ImageData] = Digits,
        **options: Any,
    ) -> None:
        (folder / "config.yaml").write_text("model: {}\n")
        self.system = tiny_system(model)
        self.data = kind(
            **{"resolution": 16, "channels": 1, "batch_size": BATCH_SIZE, "limit": 64}
            | (data or {})
        )
        self.trainer = Trainer(
            max_images=images,
            callbacks=list(callbacks),
            default_root_dir=str(folder),
            accelerator="cpu",
            enable_progress_bar=False,
            enable_model_summary=False,
            **{"logger": False, "validate_every": 10**9} | options,
        )
        self.trainer.fit(self.system, datamodule=self.data, ckpt_path=resume)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Run]:
    """What starts short trainings."""

    def start(model: str, images: int, **options: Any) -> Run:
        return Run(tmp_path, model, images, **options)

    return start
