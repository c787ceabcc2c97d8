"""What is measured of a system while it trains."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from darkroom.callbacks.every import EveryImages
from darkroom.images import Batch, to_float
from darkroom.systems import System
from darkroom.trainer import Trainer


class Measurement(EveryImages):
    """Logs what it measures, with several devices the same on all of them.

    Args:
        every: Interval in images.
        n: How many images of a kind, at most.

    Attributes:
        on_all_devices: Whether all devices measure, because a network in training mode may have
            layers that wait for the other devices; else the first does, and tells the others.

    Raises:
        ValueError: If the interval or the number of images is too small.
    """

    on_all_devices = False

    def __init__(self, every: int, n: int = 256) -> None:
        super().__init__(every)
        if n < 2:
            raise ValueError(f"{type(self).__name__}.n={n}: type at least 2 images.")
        self.n = n

    def measure(self, trainer: Trainer, system: System) -> Mapping[str, float]:
        """Numbers by the names of their series; none of a system that it is not about."""
        return {}

    def act(self, trainer: Trainer, system: System) -> None:
        measured: dict[str, float] = {}
        if trainer.is_global_zero or self.on_all_devices:
            measured = dict(self.measure(trainer, system))
        measured = trainer.strategy.broadcast(measured)
        if measured:
            system.write(measured)


def on_device(batch: Batch, system: System) -> Batch:
    """Images as the system is shown them."""
    images, labels = batch.images.to(system.device), batch.labels.to(system.device)
    return batch._replace(images=to_float(images).to(system.dtype), labels=labels)


@torch.no_grad()
def undisturbed(network: nn.Module, *inputs: Tensor) -> Tensor:
    """What a network says in the mode that it is in, with copies of its buffers.

    In training mode, a forward pass moves the running statistics of batch norms. Here it moves
    those of the copies.
    """
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with torch.compiler.set_stance("force_eager"):  # a compiled network would be compiled again
        return functional_call(network, buffers, inputs)
