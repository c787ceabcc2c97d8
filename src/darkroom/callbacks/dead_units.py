"""How much of the networks does nothing any more."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from darkroom.callbacks.measurement import Measurement, on_device, undisturbed
from darkroom.sampling import Reconstructs, labels_of, latents_of
from darkroom.systems import Duel, System
from darkroom.trainer import Trainer

ACTIVATIONS = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardswish,
    nn.LeakyReLU,
    nn.Mish,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.SELU,
    nn.SiLU,
    nn.Softplus,
)  # and no tanh or sigmoid: at the end of a network they draw the image
ROUNDING = 1e-5  # of a layer's largest output: what varies by less does not vary


class DeadUnits(Measurement):
    """Logs `vitals/dead_units`: the share of channels that say the same whatever they are shown.

    Looked at are the outputs of all activation modules while the averaged weights draw samples
    and, where there is an encoder, reconstruct held-out images, and while a discriminator judges
    those. A channel is dead if at each place it gives the same for all images of the batch. There
    is no number for networks without activation modules.

    Args:
        every: Interval in images.
        n: How many samples and, at most, how many held-out images.
    """

    on_all_devices = True

    def __init__(self, every: int, n: int = 64) -> None:
        super().__init__(every, n)

    @torch.no_grad()
    def measure(self, trainer: Trainer, system: System) -> Mapping[str, float]:
        shown = on_device(trainer.datamodule.held_out.specimens(self.n), system)
        with _watched(system) as alive:
            seeds = range(self.n)
            system(latents_of(seeds, system.latent_dim), labels_of(seeds, system))
            if isinstance(system, Reconstructs):
                system.reconstruct(shown.images)
            if isinstance(system, Duel):
                undisturbed(system.discriminator, shown.images, shown.labels)
        if not alive:
            return {}
        return {
            "vitals/dead_units": 1 - float(torch.cat(list(alive.values())).cpu().double().mean())
        }


@contextmanager
def _watched(system: System) -> Iterator[dict[nn.Module, Tensor]]:
    """Notes which channels of each activation module vary, as long as it lasts."""
    alive: dict[nn.Module, Tensor] = {}

    def look(module: nn.Module, inputs: Any, output: Tensor) -> None:
        varies = _varies(output)
        alive[module] = alive[module] | varies if module in alive else varies

    hooks = [
        module.register_forward_hook(look)
        for module in system.modules()
        if isinstance(module, ACTIVATIONS)
    ]
    try:
        yield alive
    finally:
        for hook in hooks:
            hook.remove()


def _varies(output: Tensor) -> Tensor:
    """Whether each channel differs between the images, [channels]."""
    span = output.amax(0) - output.amin(0)
    return span.reshape(len(span), -1).amax(1) > ROUNDING * output.abs().amax()
