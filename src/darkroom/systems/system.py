"""What every system shares: a clock in images, noise by counter, averaged weights, one log."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn

from darkroom.images import Batch, Images, Labels, Latents
from darkroom.randomness import Noise, key


class System(LightningModule):
    """A LightningModule whose clock is `images_seen`, over all devices.

    Lightning's `global_step` counts every optimizer's step, so a GAN's is doubled. Here intervals,
    noise, the order of the data and the x-axis of every log are functions of `images_seen`, and so
    a resumed run needs no other state to go on exactly.

    A system is also a `Generator`: calling it gives images from the averaged weights.

    Args:
        seed: The run's seed; noise is a function of it and of the clock.
    """

    latent_dim: int

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.images_seen = 0

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

    def count(self, batch: Batch) -> None:
        """Advances the clock by what all devices together were shown."""
        self.images_seen += len(batch.images) * self.trainer.world_size

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
