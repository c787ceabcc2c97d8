"""What is known of a trained model, out of its run's folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from darkroom.checkpoint import SavedRun, digest
from darkroom.evaluation import record
from darkroom.evaluation.record import Evaluation
from darkroom.exporting.weights import parts_of
from darkroom.images import sides

NORMALISATION = "value = pixel / 127.5 - 1; pixel = round((value + 1) * 127.5) within 0..255"

SECRET = ("storage_options",)
"""Options that may hold the keys of a store."""


@dataclass(frozen=True)
class Facts:
    """What a card says of a model.

    Attributes:
        run: Name of the run's folder.
        model: Name of the system's class.
        parts: Class and number of parameters of each part, by its name.
        latent_dim: Length of the standard normal vectors that images are made of.
        size: Channels, height and width of an image.
        class_names: The classes that it was told of.
        images_seen: How long it had trained.
        checkpoint: SHA-256 of the checkpoint.
        config: The run's config as YAML, without anybody's folders.
        data: Name of the data's class, and of the images where these have one.
        dataset: The data set's name on the Hugging Face Hub, if it comes from there.
        manifest: The entries of run.json: one for each start.
        evaluations: Of this checkpoint.
        passed_over: Evaluations of other checkpoints, or that cannot be read, by their folders.
    """

    run: str
    model: str
    parts: Mapping[str, tuple[str, int]]
    latent_dim: int
    size: tuple[int, int, int]
    class_names: tuple[str, ...]
    images_seen: int
    checkpoint: str
    config: str
    data: str
    dataset: str | None = None
    manifest: tuple[Mapping[str, Any], ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def metadata(self) -> dict[str, str]:
        """What a file says of itself, in texts."""
        channels, height, width = self.size
        return {
            "darkroom": version("darkroom"),
            "run": self.run,
            "model": self.model,
            "parts": json.dumps({name: kind for name, (kind, _) in self.parts.items()}),
            "weights": "averaged",
            "latent_dim": str(self.latent_dim),
            "latents": "standard normal",
            "channels": str(channels),
            "height": str(height),
            "width": str(width),
            "normalisation": NORMALISATION,
            "class_names": json.dumps(self.class_names),
            "images_seen": str(self.images_seen),
            "checkpoint_sha256": self.checkpoint,
            "data_fingerprint": self.latest("data") or "",
            "config": self.config,
        }

    def latest(self, name: str) -> Any:
        """What the manifest's last entry says; None if it says nothing of it."""
        return self.manifest[-1].get(name) if self.manifest else None

    @property
    def seconds(self) -> float | None:
        """How long the run took, pauses left out; None if a start of it has no known end."""
        try:
            spans = [
                datetime.fromisoformat(entry["ended"]) - datetime.fromisoformat(entry["started"])
                for entry in self.manifest
            ]
        except (KeyError, TypeError, ValueError):
            return None
        return sum(span.total_seconds() for span in spans) if spans else None


def facts_of(saved: SavedRun) -> Facts:
    """Everything that the folder of a run tells.

    Raises:
        ValueError: If its manifest cannot be read.
    """
    folder = saved.path.absolute().parents[1]
    checkpoint = digest(saved.path)
    evaluations, passed_over = _evaluations(folder, checkpoint)
    data = saved.config.data
    return Facts(
        run=folder.name,
        model=type(saved.system).__name__,
        parts={
            name: (type(part).__name__, sum(weight.numel() for weight in part.parameters()))
            for name, (part, *_) in parts_of(saved.system).items()
        },
        latent_dim=saved.system.latent_dim,
        size=(int(data.channels), *sides(_plain(data.resolution))),
        class_names=tuple(map(str, saved.config.class_names)),
        images_seen=saved.images_seen,
        checkpoint=checkpoint,
        config=published(saved.config),
        data=_name_of(data),
        dataset=data.get("name") if _class_of(data) == "HuggingFace" else None,
        manifest=_manifest(folder / "run.json"),
        evaluations=evaluations,
        passed_over=passed_over,
    )


def published(config: DictConfig) -> str:
    """A config for strangers: of a folder or an address only the last name is left, and no key."""
    tree = OmegaConf.to_container(config)
    return OmegaConf.to_yaml(OmegaConf.create(cast(dict[str, Any], _without_folders(tree))))


def _without_folders(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: {} if name in SECRET else _without_folders(below) for name, below in node.items()
        }
    if isinstance(node, list):
        return [_without_folders(below) for below in node]
    return _last_name(node) if isinstance(node, str) else node


def _last_name(text: str) -> str:
    if re.match(r"[A-Za-z]:[\\/]|\\\\", text):
        return PureWindowsPath(text).name
    return PurePosixPath(text).name if re.match(r"/|~|\.\./|\w+://", text) else text


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node


def _class_of(data: DictConfig) -> str:
    return str(data["_target_"]).rpartition(".")[2]


def _name_of(data: DictConfig) -> str:
    """Such as `Digits`, or `Folder "sprites"`."""
    of = next((str(data[key]) for key in ("name", "root") if data.get(key)), None)
    own = _class_of(data) in ("Folder", "HuggingFace", "Streaming")
    return f'{_class_of(data)} "{_last_name(of)}"' if of and own else _class_of(data)


def _manifest(path: Path) -> tuple[Mapping[str, Any], ...]:
    if not path.exists():
        return ()
    try:
        entries = json.loads(path.read_text())
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("it is no list of entries")
    except ValueError as error:
        raise ValueError(f"{path} is no manifest of a run: {error}.") from error
    return tuple(entries)


def _evaluations(folder: Path, checkpoint: str) -> tuple[tuple[Evaluation, ...], tuple[str, ...]]:
    """Those of this checkpoint, and the folders of the others."""
    found, passed_over = [], []
    for path in sorted(folder.glob("evaluation/*/metrics.json")):
        try:
            evaluation = record.read(path)
        except (OSError, ValueError):
            evaluation = None
        if evaluation is not None and evaluation.checkpoint == checkpoint:
            found.append(evaluation)
        else:
            passed_over.append(path.parent.name)
    return tuple(found), tuple(passed_over)
