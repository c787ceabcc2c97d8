"""What the commands do, once their config is known to be good."""

import logging
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from darkroom import checkpoint, comparison, config, inspection, provenance, randomness
from darkroom.advice import advise
from darkroom.comparison import Entry
from darkroom.data import ImageData, Packed
from darkroom.data.division import divide
from darkroom.evaluation import Bounds, Judge, Pictures, Run
from darkroom.findings import findings
from darkroom.images import Pixels, save_png, tile, visible_scale
from darkroom.metrics.features import Automatic, Classifier
from darkroom.probe import Estimate, probe
from darkroom.reports import Judgement, Preparation, SideBySide, write_table
from darkroom.sampling import Sheet
from darkroom.systems import System
from darkroom.trainer import Trainer

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
for known in (
    "You passed in a `val_dataloader` but have no",  # a GAN has no validation loss
    "in eval mode at the start of training",  # the averaged weights, and rightly so
    "does not have many workers",
    "`isinstance(treespec, LeafSpec)` is deprecated",
    "smaller than the logging interval",
    "your dataloader is not resumable",  # it is: its state is the clock
):
    warnings.filterwarnings("ignore", message=f".*{re.escape(known)}")


def train(composed: DictConfig, run_dir: Path, overrides: list[str]) -> float | None:
    """Trains a new run, or continues one.

    Args:
        composed: A checked train config.
        run_dir: The run's folder, new or with the run to be continued.
        overrides: What was typed.

    Returns:
        The last quality measured (smaller is better), for sweeps; None if none was.
    """
    saved = checkpoint.find(run_dir) if composed.resume else None
    content = checkpoint.read(saved) if saved else {}
    if saved is None:
        _refuse_taken(run_dir)
    else:
        composed.resumed_at = content["images_seen"]
        if composed.resumed_at >= composed.trainer.max_images:
            print(
                f"{run_dir} has seen {composed.resumed_at} of {composed.trainer.max_images} "
                "images: nothing to do. Type trainer.max_images=<more> to go on."
            )
            return None
    data: ImageData = config.build(composed.data)
    data.prepare_data()
    data.setup()
    composed.data.resolution, composed.data.channels = data.resolution, data.channels
    with randomness.initialisation(composed.seed):
        system: System = config.build(composed.model)
    if saved is not None:  # Lightning will do it again, but would not say what is wrong
        checkpoint.restore(system, content, saved)
    # nothing is written before training starts, so that a refused option leaves a run as it was
    begin = LambdaCallback(on_train_start=lambda *_: _begin(run_dir, composed, overrides, data))
    trainer: Trainer = config.build(
        composed.trainer,
        logger=_build_all(composed.logger),
        callbacks=[begin, *_build_all(composed.callbacks)],
        default_root_dir=str(run_dir),
    )
    trainer.fit(system, datamodule=data, ckpt_path=saved)
    return _finish(trainer, run_dir, composed)


def _build_all(nodes: DictConfig) -> list[Any]:
    return [config.build(node) for node in nodes.values() if node is not None]


@rank_zero_only
def _refuse_taken(run_dir: Path) -> None:
    if (run_dir / "config.yaml").exists():
        raise ValueError(
            f"hydra.run.dir={run_dir} holds a run already. Type resume={run_dir} to continue it, "
            "or choose another folder."
        )


@rank_zero_only
def _begin(run_dir: Path, composed: DictConfig, overrides: list[str], data: ImageData) -> None:
    """Writes the config and the manifest."""
    written, manifest = run_dir / "config.yaml", run_dir / "run.json"
    run_dir.mkdir(parents=True, exist_ok=True)
    # the folder can be moved, so its config does not say where it lay
    portable = OmegaConf.merge(composed, {"run_dir": ".", "resume": None, "resumed_at": 0})
    written.write_text(OmegaConf.to_yaml(portable))
    fingerprint = data.training.fingerprint()
    provenance.append(manifest, provenance.manifest(composed.seed, overrides, fingerprint))


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
        print(f"more images  python sample.py run={run_dir}")
    return next((value for name, value in final.items() if name.startswith("quality/")), None)


def _flat(composed: DictConfig) -> dict[str, Any]:
    """Every option by its dotted name, as TensorBoard shows them."""

    def walk(prefix: str, node: Any) -> dict[str, Any]:
        if isinstance(node, dict):
            return {
                k: v
                for key, below in node.items()
                for k, v in walk(f"{prefix}.{key}", below).items()
            }
        return {prefix[1:]: node if isinstance(node, int | float | str) else str(node)}

    tree = OmegaConf.to_container(composed, resolve=True)
    return {
        k: v
        for k, v in walk("", tree).items()
        if k.split(".")[0] in ("seed", "data", "model", "trainer")
    }


def sample(composed: DictConfig) -> None:
    """Draws images of a run, as a grid and one by one.

    Args:
        composed: A checked sample config.
    """
    saved = checkpoint.load(composed.run, composed.checkpoint)
    saved.system.to(_device(composed.device))

    def held_out(n: int) -> Pixels:
        data: ImageData = config.build(saved.config.data)
        data.setup()
        return data.held_out.some(n)

    draw = config.build(composed.draw)
    sheet: Sheet = draw(saved.system, held_out, composed.batch_size)
    name = type(draw).__name__.lower()
    folder = Path(
        composed.folder or saved.path.parents[1] / "drawn" / f"{name}-{saved.images_seen:010d}"
    )
    for pixels, image_name in zip(sheet.pixels, sheet.names, strict=True):
        save_png(pixels, folder / f"{image_name}.png")
    grid = tile(sheet.pixels, sheet.columns, visible_scale(sheet.pixels.shape[2]))
    save_png(grid, folder / "grid.png")
    print(
        f"{len(sheet.pixels)} images of {saved.path} in {folder}, together in {folder / 'grid.png'}"
    )


def evaluate(composed: DictConfig, moved: list[str]) -> None:
    """Judges a run, and writes a report into its folder.

    Args:
        composed: A checked evaluate config.
        moved: Overrides of the run's data options, such as a folder that lies elsewhere now.
    """
    judge, bounds = _judge(composed), _bounds(composed)
    run = _run(composed, composed.run, moved)
    evaluation, exhibits = run.judged(judge, bounds)
    _report(
        Judgement(evaluation, exhibits, run.curves, run.command),
        Path(composed.folder or run.report_folder(evaluation)),
    )
    run.log(evaluation)


def evaluate_folder(composed: DictConfig) -> None:
    """Judges a folder of images against another.

    Args:
        composed: A checked evaluate config, with the data of the reference.
    """
    judge = _judge(composed)
    reference: Packed = config.build(composed.data)
    reference.prepare_data()
    reference.setup()
    shape = {"resolution": reference.resolution, "channels": reference.channels}
    images: Packed = config.build(composed.data, root=composed.images, **shape)
    images.prepare_data()
    subject = Pictures(images.read(), composed.samples)
    evaluation, exhibits = judge(subject, reference, composed.images)
    _report(Judgement(evaluation, exhibits), Path(composed.folder or composed.run_dir))


def compare(composed: DictConfig) -> None:
    """Puts runs side by side, and first evaluates what has not been evaluated.

    Args:
        composed: A checked compare config.
    """
    folders = [Path(run).expanduser() for run in composed.runs] or _of_sweep(composed)
    judge, bounds, names = _judge(composed), _bounds(composed), _names(folders)
    for folder in folders:  # the evaluation of the others may take long
        checkpoint.find(folder, composed.checkpoint)
    entries, shown, curves = [], {}, {}
    for folder, name in zip(folders, names, strict=True):
        run = _run(composed, folder)
        found = run.found(judge, bounds)
        if found is None:
            found = run.judged(judge, bounds)
            judgement = Judgement(*found, run.curves, run.command)
            judgement.write(run.report_folder(found[0]))
            run.log(found[0])
        evaluation, shown[name] = found
        curves[name] = run.curves
        entries.append(Entry(name, evaluation, run.overrides))
    side_by_side = SideBySide(comparison.compare(entries), shown, curves)
    folder = Path(composed.folder or composed.run_dir)
    side_by_side.write(folder)
    print(f"\n{side_by_side.text()}\n")
    print(f"comparison  {folder / 'comparison.html'}")


def _judge(composed: DictConfig) -> Judge:
    yardstick = config.build(composed.features)
    if isinstance(yardstick, Automatic | Classifier) and "cache" not in composed.features:
        yardstick.cache = composed.cache
    return Judge(
        yardstick,
        composed.samples,
        composed.real,
        composed.searched,
        composed.split,
        composed.first_seed,
        composed.cache,
    )


def _bounds(composed: DictConfig) -> Bounds:
    return Bounds(tuple(composed.importance), composed.bounded)


def _run(composed: DictConfig, folder: str | Path, moved: Sequence[str] = ()) -> Run:
    device = _device(composed.device)
    return Run(folder, composed.checkpoint, moved, device, composed.batch_size)


def _report(judgement: Judgement, folder: Path) -> None:
    judgement.write(folder)
    print(f"\n{judgement.text()}\n")
    print(f"report  {folder / 'report.html'}")


def _of_sweep(composed: DictConfig) -> list[Path]:
    """The runs of a sweep; one that has failed before its first checkpoint is left out."""
    sweep = Path(composed.sweep).expanduser()
    runs = []
    for run in sorted(path.parent for path in sweep.glob("*/config.yaml")):
        try:
            checkpoint.find(run, composed.checkpoint)
            runs.append(run)
        except ValueError as error:
            print(f"left out: {error}")
    if not runs:
        raise ValueError(
            f"sweep={composed.sweep}: no runs are in it. `ls outputs/*` lists the sweeps."
        )
    return runs


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' last parts, or whole paths where these do not tell them apart."""
    paths = [folder.resolve() for folder in folders]
    twice = [str(folder) for folder, path in zip(folders, paths, strict=True)
             if paths.count(path) > 1]  # fmt: skip
    if twice:
        raise ValueError(f"runs: {twice[0]} is given twice. Name each run once.")
    names = [path.name for path in paths]
    return names if len({*names}) == len(names) else [str(folder) for folder in folders]


def prepare(
    composed: DictConfig,
    typed: list[str],
    model: str,
    train_config: Callable[[list[str]], DictConfig],
) -> None:
    """Packs images, says what they are, and recommends a command.

    Args:
        composed: A checked prepare config.
        typed: What was typed.
        model: Name of the model's config.
        train_config: Composes the config of train.py for overrides.
    """
    data, to = config.build(composed.data), config.build(composed.to)
    if not isinstance(data, Packed):
        raise ValueError(
            f"{type(data).__name__} comes prepared. Type data=folder data.root=<path>."
        )
    to.check(data)
    data.prepare_data()
    images = data.read()
    division = divide(len(images), data.validation, data.split_seed, images.splits, images.groups)
    found = inspection.inspect(images, division, data.left_out, data.listing.ignored)
    report = Path(composed.run_dir)
    report.mkdir(parents=True, exist_ok=True)
    table = report / "images.csv"
    write_table(table, images, found, data.known, data.pack.errors)
    prepared = to.take(data, images, found, typed, table)
    accelerated = torch.accelerator.is_available()
    advice = advise(found, prepared.overrides, model, accelerated, prepared.table)
    notable = list(findings(found, images.pack.reading, prepared.remedy))
    estimate = _estimate(train_config(advice.overrides), composed.probe)
    preparation = Preparation(data.origin, images, found, notable, advice, estimate)
    preparation.write(report)
    print(f"\n{preparation.text()}\n")
    print(f"report  {report / 'report.html'}")
    print(f"table   {table}{' (data.table=... takes it back, edited)' if data.takes_table else ''}")


def _estimate(recommended: DictConfig, seconds: float) -> Estimate | str:
    """What the recommended command would take; or why it would not run."""
    try:
        data: ImageData = config.build(recommended.data)
        data.setup()
        return probe(recommended, data, seconds) if seconds else "not timed"
    except (ValueError, torch.OutOfMemoryError) as error:
        return f"It would not run: {error}"


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={name} is not to be had here: {error} Type device=cpu."
        ) from error
