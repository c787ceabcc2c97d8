"""What is wrong with a run, said while it runs."""

from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.loggers import TensorBoardLogger
from tqdm import tqdm

from darkroom import curves
from darkroom.callbacks.every import EveryImages
from darkroom.diagnosis import Case, Finding, diagnose, dotted
from darkroom.systems import System
from darkroom.trainer import Trainer

COSTLY = 2  # the severity from which on one wants to know before the run is over


class Diagnosis(EveryImages):
    """Says once of each illness that it has found it, and what to try.

    What is only worth knowing, such as that the run could go on, is said at its end. It reads what
    the run has logged into `metrics.csv`, prints what it finds, and shows it as text in
    TensorBoard.

    Args:
        every: Interval in images.
    """

    def __init__(self, every: int) -> None:
        super().__init__(every)
        self.said: list[str] = []

    def act(self, trainer: Trainer, system: System) -> None:
        if not trainer.is_global_zero:
            return
        is_over = system.images_seen >= trainer.max_images
        for finding in diagnose(case_of(trainer, system)):
            if finding.name not in self.said and (is_over or finding.severity >= COSTLY):
                self.said.append(finding.name)
                self._say(trainer, system, finding)

    def _say(self, trainer: Trainer, system: System, finding: Finding) -> None:
        said = f"{finding.name}: {finding.evidence} {finding.cause}"
        remedies = [f"{override} ({reason})" for override, reason in finding.remedies.items()]
        lines = [f"{system.images_seen:,} images: {said}", *(f"  try {each}" for each in remedies)]
        tqdm.write("\n".join(lines))  # not print: a bar may stand in the last line
        text = "\n".join([said, "", *(f"- {each}" for each in remedies)])
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("diagnosis", text, system.images_seen)

    def state_dict(self) -> dict[str, Any]:
        return {"said": self.said}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.said = state_dict["said"]


def case_of(trainer: Trainer, system: System) -> Case:
    """The run so far, as a diagnosis sees it."""
    folder = Path(trainer.default_root_dir)
    options = dotted(yaml.safe_load((folder / "config.yaml").read_text()))
    trained = [weight.numel() for weight in system.parameters() if weight.requires_grad]
    images = len(trainer.datamodule.training)
    return Case(curves.read(folder / "metrics.csv"), options, images, sum(trained))
