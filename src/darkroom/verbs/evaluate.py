"""evaluate.py: judges a generator, or a folder of images."""

from pathlib import Path

from omegaconf import DictConfig

from darkroom import config
from darkroom.data import Packed
from darkroom.evaluation import Pictures
from darkroom.reports import Judgement
from darkroom.verbs.judging import bounds_of, judge_of, run_of


def evaluate(composed: DictConfig, moved: list[str]) -> None:
    """Judges a run, and writes a report into its folder.

    Args:
        composed: A checked evaluate config.
        moved: Overrides of the run's data options, such as a folder that lies elsewhere now.
    """
    judge, bounds = judge_of(composed), bounds_of(composed)
    run = run_of(composed, composed.run, moved)
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
    judge = judge_of(composed)
    reference: Packed = config.build(composed.data)
    reference.prepare_data()
    reference.setup()
    shape = {"resolution": reference.resolution, "channels": reference.channels}
    images: Packed = config.build(composed.data, root=composed.images, **shape)
    images.prepare_data()
    subject = Pictures(images.read(), composed.samples)
    evaluation, exhibits = judge(subject, reference, composed.images)
    _report(Judgement(evaluation, exhibits), Path(composed.folder or composed.run_dir))


def _report(judgement: Judgement, folder: Path) -> None:
    judgement.write(folder)
    print(f"\n{judgement.text()}\n")
    print(f"report  {folder / 'report.html'}")
