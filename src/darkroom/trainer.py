"""Lightning's Trainer, with a budget in images and the care that two optimizers need."""

from typing import Any

from lightning import Trainer as LightningTrainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from darkroom.checkpoint import AtomicCheckpointIO
from darkroom.data import ImageData
from darkroom.images import Batch
from darkroom.systems import System


class Trainer(LightningTrainer):
    """Trains a system until it has seen enough images.

    Args:
        max_images: Stop after the step that reaches so many images, over all devices.
        compile: Let torch.compile take the networks (never the whole system).
        max_epochs: Stop earlier, after so many passes over the data; -1 for never.
        validate_every: Images between two validations.
        options: As for lightning.Trainer.

    Raises:
        ValueError: If an option cannot work with images as the clock, or with a GAN.
    """

    datamodule: ImageData

    def __init__(
        self,
        max_images: int,
        compile: bool = False,
        max_epochs: int = -1,
        validate_every: int = 20_000,
        callbacks: list[Callback] | None = None,
        **options: Any,
    ) -> None:
        if options.get("max_steps", -1) != -1:
            raise ValueError(
                f"trainer.max_steps={options['max_steps']}: Lightning counts the steps of every "
                "optimizer, so a GAN would stop half-way. Type trainer.max_images=<images to see>."
            )
        for option in options.keys() & _SETTLED.keys():
            raise ValueError(f"trainer.{option} {_SETTLED[option]}. Remove it.")
        super().__init__(
            max_epochs=max_epochs,
            callbacks=[*(callbacks or []), _StopAtBudget()],
            plugins=[AtomicCheckpointIO()],
            use_distributed_sampler=False,  # the stream shares itself among the devices
            enable_checkpointing=False,  # Lightning's callback follows its doubled step counter
            num_sanity_val_steps=0,
            check_val_every_n_epoch=None,  # not by epochs, but by val_check_interval, set in fit
            **options,
        )
        self.max_images, self.validate_every = max_images, validate_every
        self.compiles = compile

    def fit(
        self,
        model: System,
        train_dataloaders: None = None,
        val_dataloaders: None = None,
        datamodule: ImageData | None = None,
        ckpt_path: Any = None,
        weights_only: bool | None = True,
    ) -> None:
        """As in Lightning, but with weights_only: a checkpoint never runs code."""
        assert datamodule is not None, "darkroom trains on its own data modules"
        self.val_check_interval = max(1, self.validate_every // datamodule.batch_size)
        if not model.automatic_optimization:
            self._prepare_for_two_optimizers()
        if self.compiles:
            for part in model.trained_parts():
                part.compile()
        super().fit(model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=weights_only)

    def _prepare_for_two_optimizers(self) -> None:
        for option, neutral in (("gradient_clip_val", None), ("accumulate_grad_batches", 1)):
            value = getattr(self, option)
            if value not in (neutral, 0):
                raise ValueError(
                    f"trainer.{option}={value} works for one optimizer, and a GAN has two. Remove "
                    f"it{_INSTEAD[option]}."
                )
        if isinstance(self.strategy, DDPStrategy):
            # each backward pass reaches one of the two networks
            self.strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
        elif not isinstance(self.strategy, SingleDeviceStrategy):
            raise ValueError(
                f"trainer.strategy={type(self.strategy).__name__} cannot train a GAN: Lightning's "
                "sharded strategies support no manual optimization (Lightning issue 19685). Type "
                "trainer.strategy=auto."
            )


_SETTLED = {
    "check_val_every_n_epoch": "counts epochs; trainer.validate_every counts images",
    "enable_checkpointing": "is settled: callbacks.checkpoints saves by images seen",
    "num_sanity_val_steps": "is settled: validation begins with training",
    "plugins": "is settled: checkpoints are written atomically",
    "use_distributed_sampler": "is settled: the stream of images shares itself among the devices",
    "val_check_interval": "counts steps; trainer.validate_every counts images",
}
_INSTEAD = {
    "gradient_clip_val": ", or type model.max_gradient_norm=1",
    "accumulate_grad_batches": ", or type a larger data.batch_size",
}


class _StopAtBudget(Callback):
    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if system.images_seen >= trainer.max_images:
            trainer.should_stop = True
