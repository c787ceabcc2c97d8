"""A new run that begins with the weights of another one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from torch import nn

from darkroom import config
from darkroom.checkpoint import SavedRun, digest, read, rebuilt, recall
from darkroom.systems import GAN, VAE, VAEGAN, Duel, System
from darkroom.transfer import Transfer, transfer

LEAST_SHARE = 0.1  # of a network's parameters; with less of another run it begins at nothing
SETTLED_BY_DATA = {"resolution", "channels", "num_classes"}
PATHS = {"likelihood": "objective.likelihood"}  # of parts that a config has elsewhere


def load_origin(named: str | Path) -> SavedRun:
    """Rebuilds what `init_from` names: the last checkpoint of a run, or one by its path.

    Raises:
        ValueError: If there is none, or it does not fit the config within it.
    """
    path = Path(named).expanduser()
    is_run = path.is_dir()
    path = path / "checkpoints" / "last.ckpt" if is_run else path
    if not path.is_file():
        raise ValueError(
            f"init_from={named}: there is no {path}. Type the folder of a run (`ls outputs/*` "
            "lists them), or one of its checkpoints/*.ckpt."
        )
    return rebuilt(*(recall(path.parents[1]) if is_run else (path, read(path))))


@dataclass(frozen=True)
class Beginning:
    """What a new run took over from another one, as its manifest records it.

    Attributes:
        checkpoint: Where its weights come from.
        sha256: The hash of that file.
        images_seen: How long they had been trained.
        networks: What each network took over.
    """

    checkpoint: str
    sha256: str
    images_seen: int
    networks: list[Transfer]

    def record(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        origin = f"begins with the averaged weights of {self.checkpoint}"
        since = f"{self.images_seen:,} images; sha256 {self.sha256[:12]}"
        return "\n".join([f"{origin} ({since})", *map(str, self.networks)])


def begin(system: System, composed: DictConfig, origin: SavedRun) -> Beginning:
    """Lets a new system begin with the weights of a run.

    Its generator, or latent model, begins as the averaged one of the run, which draws the better
    images; so does its own average. A prior, a likelihood's scale and a discriminator begin as the
    run's, if that has the like. Nothing else is taken over: clock, moments of the optimizers and
    adaptive augmentation begin anew.

    Raises:
        ValueError: If the run's networks are of another architecture, or hardly a weight fits; for
            a system that trains only a part of them, if any weight does not.
    """
    old, new = _parts(origin.system), _parts(system)
    needed = _needed(system)
    that, this = ([type(parts[n]).__name__ for n in needed if n in parts] for parts in (old, new))
    if that != this:
        held = that or [type(each).__name__ for each in old.values()]
        remedy = "the model=<name> of that run"
        if isinstance(system, VAEGAN):
            options = [
                each for name in needed for each in _different(name, origin.config, composed)
            ]
            remedy = " ".join(options) if that else "init_from=<folder of a VAE's run>"
        raise ValueError(
            f"init_from={origin.path} holds {' and '.join(held)}, and this model has "
            f"{' and '.join(this)}. Type {remedy}."
        )
    alike = [name for name in new if type(old.get(name)) is type(new[name])]
    channels = origin.config.data.channels, composed.data.channels
    transfers = [transfer(name, old[name], new[name], channels) for name in alike]
    overrides = [option for name in alike for option in _different(name, origin.config, composed)]
    if overrides and any(each.fresh for each in transfers):
        raise ValueError(
            f"init_from={origin.path} holds networks of other sizes. Type {' '.join(overrides)}"
        )
    for each in transfers:
        if each.share < needed.get(each.network, 0.0):
            resolution = str(origin.config.data.resolution).replace(" ", "")
            raise ValueError(
                f"init_from={origin.path}: at data.resolution={composed.data.resolution} only "
                f"{each.share:.1%} of the {each.network} can be taken over. Type "
                f"data.resolution={resolution}, or leave init_from out."
            )
    for name in alike:
        if (trained := system.get_submodule(name)) is not new[name]:
            trained.load_state_dict(new[name].state_dict())
    said = [each for each in transfers if each.taken or each.adapted or each.fresh]
    return Beginning(str(origin.path), digest(origin.path), origin.images_seen, said)


def _parts(system: System) -> dict[str, nn.Module]:
    """What has weights, by name, with the averages in the place of what they are averages of."""
    parts: dict[str, nn.Module] = {}
    if isinstance(system, GAN):
        parts["generator"] = system.averaged.module
    if isinstance(system, VAE):
        parts["network"] = system.averaged.module
        parts["prior"] = system.averaged_prior.module
        parts["likelihood"] = system.likelihood
    if isinstance(system, Duel):
        parts["discriminator"] = system.discriminator
    return parts


def _needed(system: System) -> dict[str, float]:
    """The parts that have to be of a run's kind, and the least share of each to be taken over."""
    if isinstance(system, VAEGAN):  # what does not learn has to be known
        return {"network": 1.0, "prior": 1.0, "likelihood": 1.0}
    if isinstance(system, VAE):
        return {"network": LEAST_SHARE}
    return {"generator": LEAST_SHARE, "discriminator": LEAST_SHARE}


def _different(name: str, origin: DictConfig, composed: DictConfig) -> list[str]:
    """What to type so that a part has the kind and the sizes that it had in a run."""
    path = PATHS.get(name, name)
    before, now = (
        cast(dict[str, Any], OmegaConf.to_container(node, resolve=True) if node else {})
        for node in (OmegaConf.select(each.model, path) for each in (origin, composed))
    )
    typed = [
        f"model.{path}.{option}={config.spelt(v) if isinstance(v, str) else json.dumps(v)}"
        for option, v in before.items()
        if option not in SETTLED_BY_DATA and now.get(option) != v
    ]
    is_of_another_kind = before.get("_target_") != now.get("_target_")
    foreign = [option for option in now if option not in before and is_of_another_kind]
    return typed + [f"~model.{path}.{option}" for option in foreign]
