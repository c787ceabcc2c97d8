"""How many of its codes a discrete latent model uses."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch

from darkroom.callbacks.measurement import Measurement, on_device
from darkroom.systems import VAE, System
from darkroom.trainer import Trainer


@runtime_checkable
class Quantised(Protocol):
    """A latent model whose latents lie on a grid.

    Attributes:
        levels: Levels of each number of a code; the latents of an image are its codes in a row.
    """

    levels: Sequence[int]


class Codes(Measurement):
    """Logs how held-out images use the codes; nothing for a system without any.

    `vitals/codes_used` is the share of all codes that occur, and `vitals/code_perplexity` how many
    equally frequent ones would say as much: exp of their entropy. n images have only so many
    positions, so of many codes some are always missing.

    Args:
        every: Interval in images.
        n: How many images, at most.
    """

    @torch.no_grad()
    def measure(self, trainer: Trainer, system: System) -> Mapping[str, float]:
        if not isinstance(system, VAE) or not isinstance(system.developer, Quantised):
            return {}
        levels = system.developer.levels
        shown = on_device(trainer.datamodule.held_out.specimens(self.n), system)
        latents = system.developer.encode(shown.images, shown.labels).cpu()
        _, counts = latents.reshape(-1, len(levels)).unique(dim=0, return_counts=True)
        shares = counts.double() / counts.sum()
        return {
            "vitals/codes_used": len(counts) / math.prod(levels),
            "vitals/code_perplexity": float((-(shares * shares.log()).sum()).exp()),
        }
