"""Draws an image again from what it says of its origin, where the run is at hand."""

import json
import math
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from darkroom import checkpoint, config, runs
from darkroom.checkpoint import SavedRun
from darkroom.config import SampleConfig
from darkroom.evaluation.subject import with_prior
from darkroom.provenance.origin import GRID, PLACES, Origin, Picture
from darkroom.sampling import Sheet
from darkroom.verbs.device import device_of
from darkroom.verbs.drawing import Material

OUTPUTS = Path("outputs")
MOST_IMAGES, MOST, FURTHEST = 100_000, 10_000, 1 << 62
COUNTED, NAMING = ("n", "seeds", "steps"), ("first_seed", "label")
"""How many images a stranger's drawing may have, and how large any other of its numbers may be,
save those that are only a name."""


class AbsentError(ValueError):
    """The image cannot be drawn again, and why."""


@dataclass(frozen=True)
class Redrawn:
    """What a run draws where an image says that it drew it.

    Attributes:
        picture: The pixels.
        by: The checkpoint.
        is_claimed: Whether it is the very file that the image names. If not, it is one of the same
            run after the same number of images.
        device: The kind of device.
    """

    picture: Picture
    by: Path
    is_claimed: bool
    device: str


class Redrawer:
    """Draws images again.

    Args:
        run: Folder of the run that drew them; by default it is looked for.
        outputs: Below which folder.
        given: What the drawing was given: images or latents.
        device: cpu, cuda, mps; auto takes the kind that an image was drawn on, if it is here.

    Raises:
        ValueError: If there is no such run, or no such device.
    """

    def __init__(
        self, run: str | None, given: str | None, device: str, outputs: Path = OUTPUTS
    ) -> None:
        self.run = None if run is None else Path(run).expanduser()
        if self.run is not None and not self.run.is_dir():
            raise ValueError(f"run={run}: there is no such folder. `ls outputs/*` lists the runs.")
        self.given, self.outputs = given, outputs
        self.device = None if device == "auto" else device_of(device).type
        self.digest, self.images_seen = cache(checkpoint.digest), cache(_images_seen)
        self.saved = lru_cache(1)(_saved)  # images of a folder mostly share these
        self.sheet = lru_cache(1)(self._sheet)

    def __call__(self, origin: Origin) -> Redrawn:
        """What the run draws.

        Raises:
            AbsentError: If it draws nothing.
        """
        draw = self._draw(origin)
        images = self.given if "images" in origin.given else None
        path = self._checkpoint(origin)
        device = self.device or _device_of(origin)
        try:
            sheet = self.sheet(path, device, draw, images, origin.prior, origin.batch_size)
        except (ValueError, OSError, RuntimeError) as error:  # the last is torch's
            raise AbsentError(f"{path} cannot draw it: {error}") from error
        is_claimed = self.digest(path) == origin.checkpoint
        return Redrawn(_picture(sheet, origin.image), path, is_claimed, device)

    def _draw(self, origin: Origin) -> str:
        """The drawing's config with what was given to it, as JSON.

        Raises:
            AbsentError: If there is none that can be drawn.
        """
        draw = json.loads(origin.draw)
        if "_target_" not in draw:
            raise AbsentError("it is no drawing of sample.py, and only those are drawn again")
        if origin.given and self.given is None:
            named = " and ".join(origin.given)
            raise AbsentError(f"it was drawn from {named} that are not in it. Type given=<them>")
        if not draw.keys().isdisjoint(PLACES):
            raise AbsentError("its drawing names places on a disk, which darkroom never writes")
        _refuse_endless(draw)
        if "latents" in origin.given:
            draw["latents"] = self.given
        return json.dumps(draw)

    def _checkpoint(self, origin: Origin) -> Path:
        """The checkpoint that an image names, or else one of its run after as many images.

        Raises:
            AbsentError: If there is none.
        """
        folders = self._folders(origin) if self.run is None else [self.run]
        if not folders:
            name = f"its run {origin.run!r}" if origin.run else "the run that it was trained in"
            raise AbsentError(f"{name} is not below {self.outputs}. Type run=<its folder>")
        paths = [path for folder in folders for path in (folder / "checkpoints").glob("*.ckpt")]
        there = sorted(paths, key=lambda path: self.digest(path) != origin.checkpoint)
        if there and self.digest(there[0]) == origin.checkpoint:
            return there[0]
        for path in there:
            of_run = origin.identity and runs.identity_of(path.parents[1]) == origin.identity
            if of_run and self.images_seen(path) == origin.images_seen:
                return path
        known = ", ".join(f"{path} of {self.images_seen(path):,}" for path in there)
        raise AbsentError(
            f"no checkpoint at hand is the one that it names, of {origin.images_seen:,} images. "
            f"Either the run has gone on since, or it is another run. There is {known or 'none'}"
        )

    def _folders(self, origin: Origin) -> list[Path]:
        """Runs and jobs of sweeps that have the name or the identity that an image claims."""
        levels = ("*/*/checkpoints", "*/*/*/checkpoints")
        folders = [place.parent for level in levels for place in self.outputs.glob(level)]
        return [
            folder
            for folder in sorted(folders)
            if (origin.run and folder.name == origin.run)
            or (origin.identity and runs.identity_of(folder) == origin.identity)
        ]

    def _sheet(
        self, path: Path, device: str, draw: str, images: str | None, prior: str, batch_size: int
    ) -> Sheet:
        saved = self.saved(path)
        asked = SampleConfig(
            run=str(path.parents[1]), draw=json.loads(draw), prior=prior, batch_size=batch_size
        )
        composed = OmegaConf.structured(asked)
        config.check(composed)  # a stranger wrote it
        system = with_prior(saved.system.to(device), prior)
        sheet: Sheet = config.build(composed.draw)(system, Material(saved, images), batch_size)
        return sheet


def _saved(path: Path) -> SavedRun:
    return checkpoint.rebuilt(path, checkpoint.read(path))


def _images_seen(path: Path) -> int:
    """How long a run had trained; -1 if the checkpoint cannot be read."""
    try:
        return int(checkpoint.read(path)["images_seen"])
    except (ValueError, OSError):
        return -1


def _device_of(origin: Origin) -> str:
    """The kind of device that it was drawn on, if there is one here."""
    here = torch.accelerator.current_accelerator(check_available=True)
    return origin.device if here is not None and here.type == origin.device else "cpu"


def _refuse_endless(draw: dict[str, Any]) -> None:
    """A stranger may claim a drawing that fills the memory, or takes years.

    Raises:
        AbsentError: If it is one.
    """
    numbers = {name: value for name, value in draw.items() if type(value) is int}
    images = math.prod(numbers.get(name, 1) for name in COUNTED)
    excess = [
        name
        for name, number in numbers.items()
        if name not in COUNTED and abs(number) > (FURTHEST if name in NAMING else MOST)
    ]
    if images > MOST_IMAGES or excess:
        raise AbsentError(f"its drawing is of more than {MOST_IMAGES:,} images, or never ends")


def _picture(sheet: Sheet, image: str) -> Picture:
    """One image of a sheet, or all of them.

    Raises:
        AbsentError: If it has none of that name.
    """
    if image == GRID:
        return sheet.grid
    if image not in sheet.names:
        raise AbsentError(f"its drawing has no image {image!r}")
    return sheet.pixels[sheet.names.index(image)]
