"""train.py: trains a model, from nothing or from another run's weights, or continues a run."""

import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn, cast

import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from darkroom import checkpoint, config, installation, randomness, runs
from darkroom.beginning import begin, load_origin
from darkroom.callbacks import Interrupted
from darkroom.data import ImageData
from darkroom.diagnosis import dotted
from darkroom.provenance import manifest
from darkroom.systems import System
from darkroom.trainer import Trainer
from darkroom.verbs.journal import Journal


def train(composed: DictConfig, run_dir: Path, overrides: list[str]) -> float | None:
    """Trains a new run, or continues one.

    Args:
        composed: A checked train config.
        run_dir: The run's folder, new or with the run to be continued.
        overrides: What was typed.

    Returns:
        The last quality measured (smaller is better), for sweeps; None if none was.

    Raises:
        SystemExit: With the status of the signal that interrupted the run.
    """
    is_first: bool = rank_zero_only.rank == 0  # type: ignore[attr-defined]  # set by Lightning
    with runs.held(run_dir) if is_first else nullcontext():
        return _train(composed, run_dir, overrides)


def _train(composed: DictConfig, run_dir: Path, overrides: list[str]) -> float | None:
    identity = runs.identity(composed)
    is_new = composed.resume in (None, runs.AUTO)
    saved, content = (None, {}) if is_new else checkpoint.recall(run_dir)
    if saved is None:
        _take(run_dir, identity if composed.resume == runs.AUTO else None)
    else:
        composed.resumed_at = content["images_seen"]
        if composed.resumed_at >= composed.trainer.max_images:
            print(
                f"{run_dir} has seen {composed.resumed_at} of {composed.trainer.max_images} "
                "images: nothing to do. Type trainer.max_images=<more> to go on."
            )
            return None
    is_tuned = composed.init_from is not None and saved is None
    origin = load_origin(composed.init_from) if is_tuned else None
    data: ImageData = config.build(composed.data)
    data.prepare_data()
    data.setup()
    composed.data.resolution, composed.data.channels = data.resolution, data.channels
    composed.data.num_classes = data.num_classes
    composed.class_names = list(data.training.class_names) if data.num_classes else []
    with randomness.initialisation(composed.seed):
        system: System = config.build(composed.model)
    if saved is not None:  # Lightning will do it again, but would not say what is wrong
        checkpoint.restore(system, content, saved)
    beginning = begin(system, composed, origin) if origin is not None else None
    entry = manifest.entry(composed.seed, overrides, data.training.fingerprint(), data.licence)
    entry["identity"] = identity
    trainer: Trainer = config.build(
        composed.trainer,
        logger=_build_all(composed.logger),
        callbacks=[
            Journal(run_dir, composed, entry, saved, beginning),
            *_build_all(composed.callbacks),
        ],
        default_root_dir=str(run_dir),
    )
    composed.trainer.precision = trainer.precision  # what auto came to stays, whoever resumes it
    try:
        trainer.fit(system, datamodule=data, ckpt_path=saved)
    except torch.OutOfMemoryError as error:
        raise ValueError("\n".join(getattr(error, "__notes__", [str(error)]))) from error
    except RuntimeError as error:
        if "DataLoader" not in str(error):
            raise
        raise OSError(_without_a_worker(error, system, run_dir, data.num_workers)) from error
    except Interrupted as interrupted:
        _leave(interrupted, trainer, system, run_dir)
    except SystemExit as left:
        if isinstance(left.__context__, KeyboardInterrupt):  # Ctrl-C before the first step
            _leave(Interrupted(signal.SIGINT), trainer, system, run_dir)
        raise
    return _finish(trainer, run_dir, composed)


def _build_all(nodes: DictConfig) -> list[Any]:
    return [config.build(node) for node in nodes.values() if node is not None]


@rank_zero_only
def _take(run_dir: Path, identity: str | None) -> None:
    """Takes a folder for a new run, if there is none in it yet.

    Args:
        run_dir: The folder.
        identity: Of a run that may begin anew in it, if it was killed before it saved anything.
    """
    if not (run_dir / "config.yaml").exists():
        return
    if identity and runs.is_of(run_dir, identity) and not runs.has_checkpoint(run_dir):
        runs.clear(run_dir)
        return
    raise ValueError(
        f"hydra.run.dir={run_dir} holds a run already. Type resume={run_dir} to continue it, "
        "or choose another folder."
    )


def _leave(interrupted: Interrupted, trainer: Trainer, system: System, run_dir: Path) -> NoReturn:
    """Ends the process with the signal's status; of several, the first one speaks for all.

    Lightning kills the first process as soon as one that it has started fails.
    """
    if not trainer.is_global_zero:
        sys.exit(0)
    print(
        f"\n{interrupted} after {system.images_seen:,} images. Type {installation.typed('train')} "
        f"resume={run_dir} to go on.",
        file=sys.stderr,
    )
    sys.exit(interrupted.code)


def _without_a_worker(error: RuntimeError, system: System, run_dir: Path, workers: int) -> str:
    """Torch has no class for a worker process that was killed, or that does not answer."""
    return (
        f"After {system.images_seen:,} images one of data.num_workers={workers} processes that "
        f"read images was lost: {str(error).strip()} Memory may be short, or shared memory (in a "
        f"container, --shm-size). Go on with resume={run_dir} data.num_workers=0."
    )


def _finish(trainer: Trainer, run_dir: Path, composed: DictConfig) -> float | None:
    """Shows the run beside others in TensorBoard's HPARAMS, and says where everything is."""
    measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
    final = {n: v for n, v in measured.items() if n.startswith(("quality/", "validation/"))}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            clock = cast(System, trainer.lightning_module).images_seen
            logger.log_hyperparams(_flat(composed), final, step=clock)
            logger.experiment.flush()  # a thread writes, and would be cut off by the end
    if trainer.is_global_zero:
        print(f"\nsamples      {run_dir / 'samples'}")
        print(f"checkpoints  {run_dir / 'checkpoints'}")
        print(f"TensorBoard  tensorboard --logdir {run_dir}")
        print(f"more images  {installation.typed('sample')} run={run_dir}")
        print(f"how good     {installation.typed('evaluate')} run={run_dir}")
    return next((value for name, value in final.items() if name.startswith("quality/")), None)


def _flat(composed: DictConfig) -> dict[str, Any]:
    """Every option by its dotted name, as TensorBoard shows them."""
    tree = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True))
    return {
        name: value if isinstance(value, int | float | str) else str(value)
        for name, value in dotted(tree).items()
        if name.split(".")[0] in ("seed", "data", "model", "trainer")
    }
