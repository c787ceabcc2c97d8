"""Lightning's Trainer, with a budget in images, and the care that several devices need."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

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
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch import distributed
from torch.distributed import distributed_c10d

from darkroom.checkpoint import CheckpointIO
from darkroom.data import ImageData
from darkroom.images import Batch
from darkroom.systems import System


class Trainer(LightningTrainer):
    """Trains a system until it has seen enough images.

    On several GPUs batch norms see the whole batch, as on one, unless `sync_batchnorm` says not to.

    Args:
        max_images: Stop after the step that reaches so many images, over all devices.
        compile: Let torch.compile take the networks (never the whole system).
        max_epochs: Stop earlier, after so many passes over the data; -1 for never.
        validate_every: Images between two validations.
        timeout: Seconds that devices wait for one another while they train; then one is taken to
            hang. The first one measures and draws for all, so it has to be longer than that takes.
        options: As for lightning.Trainer.

    Raises:
        ValueError: If an option cannot work with images as the clock, with these systems or on
            these devices.
    """

    datamodule: ImageData

    def __init__(
        self,
        max_images: int,
        compile: bool = False,
        max_epochs: int = -1,
        validate_every: int = 20_000,
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
        if not timeout > 0:
            raise ValueError(f"trainer.timeout={timeout}: type a number of seconds, such as 300.")
        _refuse_sharded(options.get("strategy", "auto"))
        super().__init__(
            max_epochs=max_epochs,
            callbacks=[_OneRun(timeout), *(callbacks or []), _StopAtBudget()],
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
        self.val_check_interval = max(1, self.validate_every // datamodule.batch_size)
        if not model.automatic_optimization:
            self._prepare_for_two_optimizers()
        # Lightning does so after it has loaded a checkpoint, whose doubles would be rounded
        self.precision_plugin.convert_module(model)
        if self.compiles:
            for part in model.trained_parts():
                part.compile()
        with _together(self, model):
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
_START = 300.0  # seconds for a process to import what it needs and to read its data
_GRACE = 10.0  # seconds for a process to say why it ends
# where torch has the public name it warns of the other one
_set_timeout = getattr(distributed, "set_timeout", None) or distributed_c10d._set_pg_timeout
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


@contextmanager
def _together(trainer: Trainer, system: System) -> Iterator[None]:
    """Processes of a run end together, and the one that failed is heard.

    Without this, those that only lost it would each show a traceback of their own, and one that
    hangs would stay behind. The first process of a machine ends those that Lightning started there;
    torchrun and SLURM do so by themselves.

    Args:
        trainer: Of the run.
        system: What it trains.

    Raises:
        ConnectionError: If another process has ended.
        TimeoutError: If another process does not answer.
    """
    try:
        yield
    except Exception as error:
        is_alone = isinstance(error, RuntimeError) and _lost_another(error)
        codes = _end(_started(trainer), _GRACE if is_alone else 0.0)
        if is_alone:
            raise _left_alone(trainer, system, str(error), codes) from error
        raise
    except BaseException:  # all were asked to end, and do
        _end(_started(trainer), _GRACE)
        raise


def _started(trainer: Trainer) -> list[Popen[bytes]]:
    """The processes that Lightning started from this one."""
    launcher = trainer.strategy.launcher
    return launcher.procs if isinstance(launcher, _SubprocessScriptLauncher) else []


def _lost_another(error: RuntimeError) -> bool:
    """Gloo's errors have no class of their own."""
    return isinstance(error, distributed.DistError) or "gloo/transport" in str(error)


def _left_alone(trainer: Trainer, system: System, said: str, codes: list[int]) -> OSError:
    place = f"After {system.images_seen:,} images process {trainer.global_rank}"
    folder = Path(trainer.default_root_dir)
    is_saved = any((folder / "checkpoints").glob("*.ckpt"))
    way = f"Go on with resume={folder}" if is_saved else "Begin anew: no checkpoint was written"
    if re.search(r"timed? ?out", said, re.IGNORECASE):
        return TimeoutError(
            f"{place} had no answer from another one within trainer.timeout. {way}; if that one "
            "was only busy, with trainer.timeout=<more seconds>."
        )
    signals = [signal.Signals(-code).name for code in codes if code < 0]
    why = f"which {signals[0]} ended" if signals else "which says itself why"
    why += ", as it does where memory runs out" if "SIGKILL" in signals else ""
    return ConnectionError(f"{place} lost another one, {why}. {way}.")


def _end(processes: list[Popen[bytes]], patience: float) -> list[int]:
    """Waits for processes to end, and kills those that do not.

    Lightning's observer, who would kill this process beside them, is left with nothing to observe.

    Returns:
        The exit codes of those that ended by themselves.
    """
    remaining, codes = processes.copy(), []
    processes.clear()
    for process in remaining:
        try:
            codes.append(process.wait(patience))
        except TimeoutExpired:
            process.kill()
            process.wait()
    return codes


class _OneRun(Callback):
    """Devices that train together have one folder, and wait for one another only so long."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def setup(self, trainer: Trainer, system: System, stage: str) -> None:
        mine = trainer.default_root_dir
        firsts = trainer.strategy.broadcast(mine)
        if not trainer.strategy.reduce_boolean_decision(mine == firsts):
            raise ValueError(
                f"Process {trainer.global_rank} of {trainer.world_size} has {mine} as the run's "
                f"folder, and the first one has {firsts}: torchrun and SLURM start each by itself. "
                "Type hydra.run.dir=<folder>, the same for all."
            )

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        if distributed.is_initialized():
            _set_timeout(timedelta(seconds=self.timeout))


class _StopAtBudget(Callback):
    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        if system.images_seen >= trainer.max_images:
            trainer.should_stop = True
