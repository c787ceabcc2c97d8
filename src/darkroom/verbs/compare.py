"""compare.py: puts runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from darkroom import checkpoint, comparison
from darkroom.comparison import Entry
from darkroom.reports import Judgement, SideBySide
from darkroom.verbs.judging import bounds_of, judge_of, run_of


def compare(composed: DictConfig) -> None:
    """Puts runs side by side, and first evaluates what has not been evaluated.

    Args:
        composed: A checked compare config.
    """
    folders = [Path(run).expanduser() for run in composed.runs] or _of_sweep(composed)
    judge, bounds, names = judge_of(composed), bounds_of(composed), _names(folders)
    for folder in folders:  # the evaluation of the others may take long
        checkpoint.find(folder, composed.checkpoint)
    entries, shown, curves = [], {}, {}
    for folder, name in zip(folders, names, strict=True):
        run = run_of(composed, folder)
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
    for folder, path in zip(folders, paths, strict=True):
        if paths.count(path) > 1:
            raise ValueError(f"runs: {folder} is given twice. Name each run once.")
    names = [path.name for path in paths]
    return names if len({*names}) == len(names) else [str(folder) for folder in folders]
