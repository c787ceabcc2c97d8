"""Lightning's Trainer, with a budget in images, and the care that several devices need."""

from datetime import timedelta
from typing import Any

import torch
from lightning import Trainer as LightningTrainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins import TorchSyncBatchNorm
from lightning.pytorch.plugins.environments import TorchElasticEnvironment
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
)

from darkroom.checkpoint import CheckpointIO
from darkroom.data import ImageData
from darkroom.images import Batch
from darkroom.processes import OneRun, together
from darkroom.systems import System


class Trainer(LightningTrainer):
    """Trains a system until it has seen enough images.

    On several GPUs batch norms see the whole batch, as on one, unless `sync_batchnorm` says not to.
    Of a long run at most 10,000 steps are logged, evenly spread, so that its logs stay bounded.

    Args:
        max_images: Stop after the step that reaches so many images, over all devices.
        compile: Let torch.compile take the networks (never the whole system).
        max_epochs: Stop earlier, after so many passes over the data; -1 for never.
        validate_every: Images between two validations.
        precision: As for lightning.Trainer, or auto: half precision (bf16-mixed) on a device that
            computes in it, which took 0.6 to 0.9 of the time on a CPU, else 32-true.
        timeout: Seconds that devices wait for one another while they train; then one is taken to
            hang. The first one measures and draws for all, so it has to be longer than that takes.
        options: As for lightning.Trainer.

    Raises:
        ValueError: If an option cannot work with images as the clock, with these systems or on
            these devices.
    """

    datamodule: ImageData
    log_every_n_steps: int

    def __init__(
        self,
        max_images: int,
        compile: bool = False,
        max_epochs: int = -1,
        validate_every: int = 20_000,
        precision: Any = "32-true",
        timeout: float = 300.0,
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
        if max_images < 1:
            raise ValueError(f"trainer.max_images={max_images}: type a number of images above 0.")
        if not timeout > 0:
            raise ValueError(f"trainer.timeout={timeout}: type a number of seconds, such as 300.")
        _refuse_sharded(options.get("strategy", "auto"))
        if precision == "auto":
            precision = quickest_precision(options.get("accelerator", "auto"))
        super().__init__(
            max_epochs=max_epochs,
            precision=precision,
            callbacks=[OneRun(timeout), *(callbacks or []), _StopAtBudget()],
            plugins=[CheckpointIO()],
            use_distributed_sampler=False,  # the stream shares itself among the devices
            enable_checkpointing=False,  # Lightning's callback follows its doubled step counter
            num_sanity_val_steps=0,
            check_val_every_n_epoch=None,  # not by epochs, but by val_check_interval, set in fit
            **options,
        )
        self.max_images, self.validate_every = max_images, validate_every
        self.compiles = compile
        if isinstance(self.strategy, DDPStrategy):
            self.strategy._timeout = timedelta(seconds=max(timeout, _START))
            self._settle_batch_norm(self.strategy, options.get("sync_batchnorm"))

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
        self._refuse_superfluous()
        self._refuse_scaled_clipping(model)
        self.val_check_interval = max(1, self.validate_every // datamodule.batch_size)
        steps = self.max_images // datamodule.batch_size
        self.log_every_n_steps = max(self.log_every_n_steps, steps // LOGGED)
        if not model.automatic_optimization:
            self._prepare_for_two_optimizers()
        # Lightning does so after it has loaded a checkpoint, whose doubles would be rounded
        self.precision_plugin.convert_module(model)
        if self.compiles:
            for part in model.trained_parts():
                part.compile()
        with together(self, model):
            super().fit(
                model, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=weights_only
            )

    def _settle_batch_norm(self, strategy: DDPStrategy, wanted: bool | None) -> None:
        on_gpus = strategy.root_device.type == "cuda"
        if wanted and not on_gpus:
            raise ValueError(
                f"trainer.sync_batchnorm={wanted}: torch has it for GPUs only. Leave it out: batch "
                "norms then see what their own device does, data.batch_size / devices images. "
                "Models without batch norm are exact on any number of devices: "
                f"model={', '.join(_WITHOUT_BATCH_NORM)}."
            )
        if wanted is None and on_gpus:  # else the number of devices would change the result
            strategy._layer_sync = TorchSyncBatchNorm()

    def _refuse_superfluous(self) -> None:
        """Refuses processes that were started beside the one that one device needs.

        In a job of SLURM without srun there is only one, though the job's variables name more.
        """
        environment = self._accelerator_connector.cluster_environment
        is_torchrun = isinstance(environment, TorchElasticEnvironment)
        others = environment.world_size() > 1 if is_torchrun else environment.global_rank() > 0
        if self.world_size == 1 and others:
            raise ValueError(
                f"trainer.devices={self.num_devices}: {environment.world_size()} processes were "
                "started for that, each of which would train the same run. Type "
                "trainer.devices=<processes of a node> trainer.num_nodes=<nodes>."
            )

    def _refuse_scaled_clipping(self, model: System) -> None:
        """Fused optimizers see gradients as 16-mixed scales them, so no length means anything."""
        name, value = "trainer.gradient_clip_val", self.gradient_clip_val
        if not value:
            name, value = "model.max_gradient_norm", model.max_gradient_norm
        if value and getattr(self.precision_plugin, "scaler", None) is not None:
            raise ValueError(
                f"{name}={value} is no length of gradients that trainer.precision=16-mixed has "
                "scaled. Type trainer.precision=bf16-mixed, or leave the one or the other out."
            )

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
            self.strategy._ddp_kwargs["find_unused_parameters"] = True


def quickest_precision(accelerator: Any) -> str:
    """bf16-mixed where an accelerator computes in it, else 32-true.

    On processors these are AVX-512 BF16 (AMD from Zen 4, Intel from Cooper Lake) and AMX (Intel
    from Sapphire Rapids); others would emulate it, slower than 32 bits. On GPUs, Ampere and later.
    """
    if str(accelerator) in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        has_it = torch.cuda.get_device_capability() >= (8, 0)
    elif str(accelerator) in ("auto", "cpu") and not torch.backends.mps.is_available():
        has_it = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        has_it = False
    return "bf16-mixed" if has_it else "32-true"


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
LOGGED = 10_000  # steps of a run at most
_START = 300.0  # seconds for a process to import what it needs and to read its data
_SHARDED = ("deepspeed", "fsdp", "model_parallel", "xla_fsdp")
_WITHOUT_BATCH_NORM = (
    "vae",
    "sigma_vae",
    "hierarchical_vae",
    "vq_vae",
    "vae_gan",
    "r3gan",
    "r3gan_medium",
    "r3gan_paper",
)


def _refuse_sharded(strategy: Any) -> None:
    kinds = (DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy)
    if isinstance(strategy, kinds) or str(strategy).lower().startswith(_SHARDED):
        raise ValueError(
            f"trainer.strategy={strategy}: a sharded network is whole on no device, and averaged "
            "weights, checkpoints and samples need whole ones; a GAN's two optimizers are not "
            "supported at all (Lightning issue 19685). The networks here fit on one device. Type "
            "trainer.strategy=ddp."
        )


class _StopAtBudget(Callback):
    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if system.images_seen >= trainer.max_images:
            trainer.should_stop = True
