"""What every system shares: a clock in images, noise by counter, averaged weights, one log."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.plugins import Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import Tensor, nn, optim

from darkroom.images import Batch, Images, Labels, Latents
from darkroom.randomness import Noise, key
from darkroom.schedules import Schedule
from darkroom.systems.averaging import AveragedNetwork
from darkroom.systems.optimizers import Adam


class System(LightningModule):
    """A LightningModule whose clock is `images_seen`, over all devices.

    Lightning's `global_step` counts every optimizer's step, so a GAN's is doubled. Here intervals,
    noise, the order of the data and the x-axis of every log are functions of `images_seen`, and so
    a resumed run needs no other state to go on exactly.

    A system is also a `Generator`: calling it gives images from the averaged weights.

    Args:
        seed: The run's seed; noise is a function of it and of the clock.
        num_classes: Classes that it is told of; 0 for none.
        max_gradient_norm: Longer gradients of an optimizer's weights are shortened to this; None
            for as long as they are.

    Raises:
        ValueError: If gradients may not be longer than nothing.

    Attributes:
        latent_dim: Length of the standard normal vectors that images are made of.
        class_shares: How often each class occurs in the training images, [num_classes]; None for
            no classes.
        cycle: Steps after which every part has had its turn.
    """

    latent_dim: int
    averaged: AveragedNetwork
    class_shares: Tensor | None
    cycle: int = 1

    def __init__(
        self, seed: int, num_classes: int = 0, max_gradient_norm: float | None = None
    ) -> None:
        if max_gradient_norm is not None and not max_gradient_norm > 0:
            raise ValueError(
                f"model.max_gradient_norm={max_gradient_norm}: type a positive number, or null for "
                "none."
            )
        super().__init__()
        self.seed = seed
        self.max_gradient_norm = max_gradient_norm
        self.images_seen = 0
        shares = torch.full((num_classes,), 1 / num_classes) if num_classes else None
        self.register_buffer("class_shares", shares)

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        raise TypeError(f"{type(self).__name__} has to say how it makes images.")

    def trained_parts(self) -> Iterable[nn.Module]:
        """The modules that torch.compile may take: called as modules, and free of logging."""
        raise TypeError(f"{type(self).__name__} has to name the modules that it trains.")

    def noise(self, purpose: str, batch: Batch) -> Noise:
        """The noise of this step: that of the images number images_seen, images_seen + 1, ..."""
        rows = len(batch.images)
        first = self.images_seen + self.global_rank * rows
        return Noise(key(self.seed, purpose), torch.arange(first, first + rows, device=self.device))

    def on_fit_start(self) -> None:
        if self.class_shares is not None:
            data = self.trainer.datamodule  # type: ignore[attr-defined]  # set dynamically
            self.class_shares.copy_(data.class_shares())

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        for optimizer in self.trainer.optimizers:
            if isinstance(optimizer, Adam):
                optimizer.advance(self.images_seen)

    def settings(self) -> Mapping[str, float | Schedule]:
        """What may change while the run goes on, by name."""
        settings: dict[str, float | Schedule] = {"half_life": self.averaged.half_life}
        for optimizer in self.trainer.optimizers:
            if isinstance(optimizer, Adam):
                part = self.part_of(optimizer)
                settings |= {f"{part}/{k}": v for k, v in optimizer.settings.items()}
        return settings

    def part_of(self, optimizer: optim.Optimizer) -> str:
        """Name of the part whose weights an optimizer moves."""
        first = optimizer.param_groups[0]["params"][0]
        names = [name for name, weight in self.named_parameters() if weight is first]
        assert names, "an optimizer moves the system's own weights"
        return names[0].partition(".")[0]

    def step_number(self, batch: Batch) -> int:
        """How many steps of such batches the clock has counted."""
        return self.images_seen // (len(batch.images) * self.trainer.world_size)

    def count(self, batch: Batch) -> None:
        """Advances the clock by what all devices together were shown."""
        self.images_seen += len(batch.images) * self.trainer.world_size

    def descend(self, optimizer: LightningOptimizer, loss: Tensor) -> None:
        """One step of one optimizer, in manual optimization."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.configure_gradient_clipping(cast(optim.Optimizer, optimizer))
        optimizer.step()

    def configure_gradient_clipping(
        self,
        optimizer: optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Shortens gradients to what the trainer says, else to `max_gradient_norm`.

        Lightning's own way refuses optimizers that unscale gradients by themselves, in bf16 too,
        where nothing is scaled; `Trainer.fit` refuses what is.
        """
        most = gradient_clip_val or self.max_gradient_norm
        if most is not None:
            way = GradClipAlgorithmType(gradient_clip_algorithm or "norm")
            Precision.clip_gradients(self.trainer.precision_plugin, optimizer, most, way)

    def record(self, terms: Mapping[str, Tensor]) -> None:
        """Logs the means of this step's terms, every `trainer.log_every_n_steps` steps.

        Off the stride this costs nothing: no synchronisation with the device, no copy.
        """
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set dynamically
        if self.trainer.fit_loop.epoch_loop.total_batch_idx % every == 0:
            means = torch.stack([term.detach().float().mean() for term in terms.values()])
            means = self.trainer.strategy.reduce(means, reduce_op="mean")
            self.write(dict(zip(terms, means.tolist(), strict=True)))

    def write(self, values: Mapping[str, float]) -> None:
        """Hands values to every logger at the clock's time, and to Lightning's callbacks."""
        self.trainer.callback_metrics.update({k: torch.tensor(v) for k, v in values.items()})
        for logger in self.loggers:
            logger.log_metrics(dict(values), step=self.images_seen)

    def on_validation_end(self) -> None:
        metrics = self.trainer.callback_metrics.items()
        self.write({k: float(v) for k, v in metrics if k.startswith("validation/")})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["images_seen"] = self.images_seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.images_seen = checkpoint["images_seen"]
