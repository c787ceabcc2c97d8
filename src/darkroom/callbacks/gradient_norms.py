"""How hard the losses pull."""

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, optim
from torch.nn.utils import get_total_norm

from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer


class GradientNorms(Callback):
    """Logs `vitals/gradient_norm/<part>`: the norm of all gradients of an optimizer's weights.

    It is taken before clipping, with the stride of `trainer.log_every_n_steps`, and named after
    the part of the system that the weights belong to: generator, discriminator, network.
    """

    def __init__(self) -> None:
        self.norms: dict[str, Tensor] = {}

    def on_before_optimizer_step(
        self, trainer: Trainer, system: System, optimizer: optim.Optimizer
    ) -> None:
        stride = trainer.log_every_n_steps
        newest = trainer.fit_loop.epoch_loop.total_batch_idx
        before = newest - trainer.accumulate_grad_batches
        if newest // stride == before // stride:  # no multiple of the stride since the last step
            return
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        self.norms[system.part_of(optimizer)] = get_total_norm(gradients)

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if self.norms:  # not before: a step counts its images at its end
            norms = torch.stack([norm.float() for norm in self.norms.values()]).tolist()
            names = [f"vitals/gradient_norm/{part}" for part in self.norms]
            system.write(dict(zip(names, norms, strict=True)))
            self.norms = {}
