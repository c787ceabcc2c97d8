"""Every model of conf/, small, and VAEs of other parts: what several devices train."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from omegaconf import OmegaConf

from tests.composed import composed
from tests.conftest import BATCH_SIZE, SYSTEMS

STEPS = 4
NARROW = "model.generator.width=4 model.discriminator.width=4"
RESIDUAL = "model.generator.width=8 model.generator.group_size=4 model.generator.latent_dim=8"
VAE = "model.network.width=4 model.network.latent_dim=8"

TYPED = {
    "gan": f"model=gan {NARROW}",
    "rpgan": f"model=rpgan {NARROW}",
    "wgan_gp": f"model=wgan_gp {NARROW} model.discriminator_steps=2",
    "sngan": f"model=sngan {NARROW} model.discriminator_steps=2",
    "r3gan": f"model=r3gan {RESIDUAL}",
    "r3gan_medium": f"model=r3gan_medium {RESIDUAL}",
    "vae": f"model=vae {VAE}",
    "sigma_vae": f"model=sigma_vae {VAE} model.prior.components=4",
    "hierarchical_vae": "model=hierarchical_vae model.network.width=4",
    "vq_vae": "model=vq_vae model.network.width=4 model.network.levels=[3,3] model.prior.width=8",
    "vae_gan": f"model=vae_gan {VAE} model.discriminator.width=4 init_from=nowhere",
    "vae with classes": f"model=sigma_vae {VAE} data.num_classes=10",
    "vae with samples": f"model=vae {VAE} model/objective=importance_weighted "
    "model/likelihood=learned_gaussian model/prior=flow_matching model.prior.width=8",
    "vae with a mixture of logistics": f"model=vae {VAE} model/likelihood=logistic_mixture",
}
"""What to type for each, by name."""

WIDER = {"r3gan_paper": "r3gan_medium"}  # models of conf/ that are another one, when small

OTHERS = ("modern", "adaptive")  # of SYSTEMS: classes and schedules, augmentation with a memory
BATCH_NORM = {"gan", "rpgan", "wgan_gp", "sngan", "adaptive"}


@contextmanager
def known() -> Iterator[None]:
    """Has them among SYSTEMS, as long as it lasts."""
    with patch.dict(SYSTEMS):
        make_known()
        yield


def make_known() -> None:
    """Puts them among SYSTEMS, by their names."""
    shared = ("recipe=none", f"trainer.max_images={STEPS * BATCH_SIZE}", "data.resolution=16")
    for name, typed in TYPED.items():
        model = composed("train", *shared, *typed.split()).model
        SYSTEMS[name] = OmegaConf.to_container(model, resolve=True)
