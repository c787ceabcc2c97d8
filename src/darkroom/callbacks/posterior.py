"""How a VAE uses its latents, and whether it remembers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from darkroom.callbacks.measurement import Measurement, on_device
from darkroom.images import Batch, PerImage
from darkroom.randomness import Noise, key
from darkroom.systems import VAE, System
from darkroom.trainer import Trainer

ACTIVE = 0.01  # the variance of its mean above which a latent carries something (the source's)
BATCH_SIZE = 64


class Posterior(Measurement):
    """Logs two numbers about a VAE with its averaged weights; nothing for another system.

    `vitals/active_units` is the share of the latents whose posterior mean differs from image to
    image: Var_x(E[z|x]) > 0.01 over held-out images. The others carry nothing.

    `vitals/overfitting` is by how much the bound of held-out images is worse than that of training
    images, as a share of the latter: 0 if it is as good.

    Args:
        every: Interval in images.
        n: How many images of a kind, at most.

    Source: Burda, Grosse and Salakhutdinov 2015, arXiv 1509.00519, section 5.2 (active units).
    """

    @torch.no_grad()
    def measure(self, trainer: Trainer, system: System) -> Mapping[str, float]:
        if not isinstance(system, VAE):
            return {}
        data = trainer.datamodule
        known, unknown = data.training.specimens(self.n), data.held_out.specimens(self.n)
        means = [
            system.developer.encode(shown.images, shown.labels).flatten(1)
            for shown in (on_device(part, system) for part in _parts(unknown))
        ]
        active = torch.cat(means).cpu().double().var(0) > ACTIVE
        train, held_out = (_negative_elbo(system, batch).mean() for batch in (known, unknown))
        return {
            "vitals/active_units": float(active.double().mean()),
            "vitals/overfitting": float((held_out - train) / train.abs()),
        }


def _parts(batch: Batch) -> list[Batch]:
    columns: list[tuple[Tensor, ...]] = [part.split(BATCH_SIZE) for part in batch]
    return [Batch(*row) for row in zip(*columns, strict=True)]


def _negative_elbo(system: VAE, batch: Batch) -> PerImage:
    """Nats per image, with the same noise for an image every time."""
    terms = []
    for part in _parts(batch):
        noise = Noise(key(system.seed, "vitals"), part.indices.to(system.device))
        shown = on_device(part, system)
        bound = system.bound(system.developer, shown.images, noise, shown.labels)
        terms.append(bound.negative_elbo)
    return torch.cat(terms).cpu().double()
