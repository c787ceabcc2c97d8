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

from darkroom import checkpoint, config, curves, installation
from darkroom.checkpoint import SavedRun
from darkroom.curves import Curve
from darkroom.data import ImageData
from darkroom.diagnosis import Case, diagnose, dotted
from darkroom.evaluation import record
from darkroom.evaluation.cost import cost_of
from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.judge import SHOWN, Judge, exhibits_of
from darkroom.evaluation.latents import MOST_SAMPLES, latent_numbers
from darkroom.evaluation.record import Evaluation
from darkroom.evaluation.subject import Samples, with_prior
from darkroom.probe import training_flops
from darkroom.sampling import Reconstruction, Reconstructs
from darkroom.systems import VAE

REBUILT = 32  # held-out images that are shown beside their reconstructions
PAST_THE_PRIOR = (
    "prior=standard: the samples are of latents from N(0, I), not from the prior that was learned."
)


@dataclass(frozen=True)
class Bounds:
    """How a latent model's bounds are measured.

    Attributes:
        samples: Samples of the posterior for each importance-weighted bound.
        images: How many held-out images, at most.

    Raises:
        ValueError: If an option makes no sense.
    """

    samples: Sequence[int] = (1, 50)
    images: int = 1000

    def __post_init__(self) -> None:
        if not self.samples or not 1 <= min(self.samples) <= max(self.samples) <= MOST_SAMPLES:
            raise ValueError(
                f"importance={list(self.samples)}: type numbers of samples, such as [1,50]."
            )
        if self.images < 2:
            raise ValueError(f"bounded={self.images}: type a number of images, such as 1000.")


class Run:
    """A trained run, with its data.

    Args:
        folder: The run's folder.
        name: Of the checkpoint: last or best.
        moved: Overrides of the run's data options, such as a root that lies elsewhere now.
        device: Where its images are computed.
        batch_size: Images computed at once.
        prior: Where a VAE's latents come from: learned, or standard for N(0, I).

    Raises:
        ValueError: If there is no such run, or its data or its prior cannot be had.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str = "last",
        moved: Sequence[str] = (),
        device: torch.device | None = None,
        batch_size: int = 64,
        prior: str = "learned",
    ) -> None:
        self.folder = Path(folder).expanduser()
        saved: SavedRun = checkpoint.load(self.folder, name)
        system = with_prior(saved.system, prior).to(device or torch.device("cpu"))
        self.past_the_prior = system is not saved.system
        self.saved = replace(saved, system=system)
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
        evaluation, exhibits = judge(samples, self.data, self.subject)
        if isinstance(system, VAE):
            held_out = self.data.held_out.specimens(bounds.images)
            network = judge.bench(self.data).network
            numbers, notes = latent_numbers(
                system, held_out.images, held_out.labels, bounds.samples, network
            )
            notes = (*notes, self._measured_on(bounds))
            if self.past_the_prior:
                notes = (PAST_THE_PRIOR, *notes)
            evaluation = replace(evaluation, latents=numbers, notes=notes)
        if isinstance(system, Reconstructs):
            sheet = Reconstruction(REBUILT)(system, self.data.held_out.some, self.batch_size)
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

    @property
    def subject(self) -> str:
        """What is judged, in words."""
        return f"{self.folder}{', prior=standard' if self.past_the_prior else ''}"

    def _measured_on(self, bounds: Bounds) -> str:
        """Numbers of other bounds are others, so a sentence says which these are."""
        images, samples = min(bounds.images, len(self.data.held_out)), max(bounds.samples)
        return f"They are means over {images:,} held-out images, with {samples} samples of each."

    def found(self, judge: Judge, bounds: Bounds) -> tuple[Evaluation, Exhibits] | None:
        """What an earlier evaluation under the same protocol said of the same weights."""
        protocol = judge.protocol(self.data, judge.samples, judge.first_seed)
        for path in sorted(self.folder.glob("evaluation/*/metrics.json")):
            try:
                earlier = record.read(path)
            except ValueError:
                continue
            same_weights = earlier.checkpoint == self.checkpoint
            same_prior = (PAST_THE_PRIOR in earlier.notes) == self.past_the_prior
            same = same_weights and same_prior
            if same and earlier.protocol == protocol and self._bound(earlier, bounds):
                number = min(SHOWN, judge.samples)
                samples = Samples(self.saved.system, number, judge.first_seed, self.batch_size)
                return earlier, exhibits_of(judge.bench(self.data), samples)
        return None

    def _bound(self, earlier: Evaluation, bounds: Bounds) -> bool:
        """Whether an evaluation holds these bounds; whatever has no latents needs none."""
        if not isinstance(self.saved.system, VAE):
            return True
        wanted = {f"iw_bound_{k}" for k in bounds.samples}
        return self._measured_on(bounds) in earlier.notes and wanted <= earlier.latents.keys()

    def report_folder(self, evaluation: Evaluation) -> Path:
        """Where the evaluation belongs: one folder for each checkpoint and protocol."""
        protocol, path = evaluation.protocol, self.saved.path
        seen = f"{path.stem}-{self.saved.images_seen:010d}"
        name = f"{seen}-{protocol.instrument.name}-{protocol.samples}-{protocol.digest}"
        name += "-standard_prior" if self.past_the_prior else ""
        return self.folder / "evaluation" / name

    def log(self, evaluation: Evaluation) -> None:
        """Shows the numbers in TensorBoard, at the time of the checkpoint."""
        group = "evaluation/standard_prior" if self.past_the_prior else "evaluation"
        with SummaryWriter(str(self.folder / "tensorboard")) as writer:
            for name, number in (*evaluation.numbers.items(), *evaluation.latents.items()):
                writer.add_scalar(f"{group}/{name}", number.value, self.saved.images_seen)

    @property
    def overrides(self) -> dict[str, str]:
        """What was typed to start it, by option."""
        return dict(typed.split("=", 1) for typed in self._typed if "=" in typed)

    @property
    def command(self) -> str:
        """What started it."""
        return f"{installation.typed('train')} {shlex.join(self._typed)}".strip()

    @property
    def _typed(self) -> list[str]:
        written = self.folder / "run.json"
        if not written.exists():
            return []
        try:
            return [str(override) for override in json.loads(written.read_text())[0]["overrides"]]
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(f"{written} does not tell how the run began. Move it away.") from error

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
