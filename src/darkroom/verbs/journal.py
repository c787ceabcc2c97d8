"""What a run's folder says of it: config.yaml, and run.json with each start and how it ended."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from darkroom import files, runs
from darkroom.beginning import Beginning
from darkroom.provenance import manifest
from darkroom.systems import System
from darkroom.trainer import Trainer


class Journal(Callback):
    """Writes down how a run began, and how it ended; of one that was killed nothing says so.

    Nothing is written before training starts, so that a refused option leaves a run as it was.

    Args:
        folder: The run's.
        composed: Its config, with all that the data settle.
        entry: What the manifest says of this start.
        saved: The checkpoint that it goes on from.
        beginning: What a new run took over from another one.
    """

    def __init__(
        self,
        folder: Path,
        composed: DictConfig,
        entry: dict[str, Any],
        saved: Path | None,
        beginning: Beginning | None,
    ) -> None:
        self.folder, self.composed, self.entry = folder, composed, entry
        self.saved, self.beginning = saved, beginning
        self.has_begun = False

    @property
    def manifest(self) -> Path:
        return self.folder / "run.json"

    @rank_zero_only
    def on_train_start(self, trainer: Trainer, system: System) -> None:
        checkpoints = self.folder / "checkpoints"
        for place in (self.folder, checkpoints):
            files.sweep(place)
        if self.saved is not None:  # or the previous one is lost when the next is saved
            self.saved.replace(checkpoints / "last.ckpt")
        # the folder can be moved, so its config does not say where it lay
        portable = OmegaConf.merge(self.composed, runs.PLACES)
        with files.whole(self.folder / "config.yaml") as file:
            file.write(OmegaConf.to_yaml(portable).encode())
        if self.beginning is not None:
            print(f"\n{self.beginning}\n")
            self.entry["init_from"] = self.beginning.record()
        manifest.append(self.manifest, self.entry)
        self.has_begun = True

    def on_train_end(self, trainer: Trainer, system: System) -> None:
        self._conclude(system, runs.FINISHED)

    def on_exception(self, trainer: Trainer, system: System, exception: BaseException) -> None:
        self._conclude(system, f"{exception}".partition("\n")[0] or type(exception).__name__)

    @rank_zero_only
    def _conclude(self, system: System, how: str) -> None:
        if self.has_begun:
            manifest.conclude(self.manifest, system.images_seen, how)
