"""A trained run, judged: its samples, its bound, its course and its cost."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf, open_dict
from torch.utils.tensorboard import SummaryWriter

from darkroom import checkpoint, config, curves
from darkroom.checkpoint import SavedRun
from darkroom.curves import Curve
from darkroom.data import ImageData
from darkroom.diagnosis import Case, diagnose, dotted
from darkroom.evaluation import record
from darkroom.evaluation.cost import cost_of
from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.judge import SHOWN, Judge
from darkroom.evaluation.latents import latent_numbers
from darkroom.evaluation.record import Evaluation
from darkroom.evaluation.subject import Samples
from darkroom.probe import training_flops
from darkroom.sampling import Reconstruction, Reconstructs
from darkroom.systems import VAE

REBUILT = 32  # held-out images that are shown beside their reconstructions


@dataclass(frozen=True)
class Bounds:
    """How a latent model's bounds are measured.

    Attributes:
        samples: Samples of the posterior for each importance-weighted bound.
        images: How many held-out images.
    """

    samples: Sequence[int] = (1, 50)
    images: int = 1000


class Run:
    """A trained run, with its data.

    Args:
        folder: The run's folder.
        name: Of the checkpoint: last or best.
        moved: Overrides of the run's data options, such as a root that lies elsewhere now.
        device: Where its images are computed.
        batch_size: Images computed at once.

    Raises:
        ValueError: If there is no such run, or its data cannot be had.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str = "last",
        moved: Sequence[str] = (),
        device: torch.device | None = None,
        batch_size: int = 64,
    ) -> None:
        self.folder = Path(folder).expanduser()
        self.saved: SavedRun = checkpoint.load(self.folder, name)
        self.saved.system.to(device or torch.device("cpu"))
        self.composed: DictConfig = self.saved.config
        with open_dict(self.composed):  # what is misspelt reaches the check
            self.composed.merge_with_dotlist(list(moved))
        config.check(self.composed)
        self.checkpoint = sha256(self.saved.path.read_bytes()).hexdigest()
        self.curves: Mapping[str, Curve] = curves.read(self.folder / "metrics.csv")
        self.batch_size = batch_size
        self.data: ImageData = config.build(self.composed.data)
        self.data.prepare_data()
        self.data.setup()

    def judged(self, judge: Judge, bounds: Bounds) -> tuple[Evaluation, Exhibits]:
        """Everything that can be said of it."""
        system = self.saved.system
        samples = Samples(system, judge.samples, judge.first_seed, self.batch_size)
        evaluation, exhibits = judge(samples, self.data, str(self.folder))
        if isinstance(system, VAE):
            held_out = self.data.held_out.first(bounds.images)
            network = judge.bench(self.data).network
            numbers, notes = latent_numbers(system, held_out, bounds.samples, network)
            evaluation = replace(evaluation, latents=numbers, notes=notes)
        if isinstance(system, Reconstructs):
            sheet = Reconstruction(REBUILT)(system, self.data.held_out.first, self.batch_size)
            exhibits = replace(exhibits, reconstructions=sheet.pixels)
        evaluation = replace(
            evaluation,
            images_seen=self.saved.images_seen,
            checkpoint=self.checkpoint,
            findings=tuple(diagnose(self.case())),
            cost=cost_of(system, self.curves, self.batch_size)
            | {"flops_per_training_image": training_flops(self.composed, self.data)},
        )
        return evaluation, exhibits

    def found(self, judge: Judge) -> tuple[Evaluation, Exhibits] | None:
        """What an earlier evaluation under the same protocol said of the same weights."""
        protocol = judge.protocol(self.data, judge.samples)
        for path in sorted(self.folder.glob("evaluation/*/metrics.json")):
            try:
                earlier = record.read(path)
            except ValueError:
                continue
            if earlier.checkpoint == self.checkpoint and earlier.protocol == protocol:
                samples = Samples(self.saved.system, SHOWN, judge.first_seed, self.batch_size)
                real = judge.bench(self.data).reference
                return earlier, Exhibits(samples.at(range(SHOWN)), real.at(range(SHOWN)))
        return None

    def report_folder(self, evaluation: Evaluation) -> Path:
        """Where the evaluation belongs: one folder for each checkpoint and protocol."""
        protocol, path = evaluation.protocol, self.saved.path
        seen = f"{path.stem}-{self.saved.images_seen:010d}"
        name = f"{seen}-{protocol.instrument.name}-{protocol.samples}"
        return self.folder / "evaluation" / name

    def log(self, evaluation: Evaluation) -> None:
        """Shows the numbers in TensorBoard, at the time of the checkpoint."""
        with SummaryWriter(str(self.folder / "tensorboard")) as writer:
            for name, number in (*evaluation.numbers.items(), *evaluation.latents.items()):
                writer.add_scalar(f"evaluation/{name}", number.value, self.saved.images_seen)

    @property
    def overrides(self) -> dict[str, str]:
        """What was typed to start it, by option."""
        starts = json.loads((self.folder / "run.json").read_text())
        return dict(typed.split("=", 1) for typed in starts[0]["overrides"] if "=" in typed)

    @property
    def command(self) -> str:
        """What started it."""
        typed = [f"{option}={value}" for option, value in self.overrides.items()]
        return shlex.join(["python", "train.py", *typed])

    def case(self) -> Case:
        """The run as a diagnosis sees it."""
        trained = [p for part in self.saved.system.trained_parts() for p in part.parameters()]
        tree = cast(dict[str, Any], OmegaConf.to_container(self.composed, resolve=True))
        return Case(
            curves=self.curves,
            options=dotted(tree),
            training_images=len(self.data.training),
            parameters=sum(p.numel() for p in trained),
        )
