"""Small runs that were never trained, to be exported."""

from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from darkroom import checkpoint, config, randomness
from darkroom.checkpoint import SavedRun
from darkroom.exporting.facts import Facts, facts_of
from darkroom.priors import Mixture
from darkroom.randomness import Noise, key
from darkroom.systems import VAE, System
from tests.composed import composed
from tests.saved import saved

NARROW = {"width": 4, "heads": 2, "blocks": 1, "steps": 2}
TRAINED = ("generator.", "network.", "prior.")
"""What is no average, and so must never leave the house."""


def run_of(folder: Path, *arguments: str) -> Path:
    """A run of a narrow model, whose averaged weights are others than its trained ones."""
    tree = composed("train", *arguments)
    _narrow(tree.model)
    with randomness.initialisation(3):
        system = config.build(tree.model)
    _teach(system)
    weights = {
        name: 1.5 * value if name.startswith(TRAINED) and value.is_floating_point() else value
        for name, value in system.state_dict().items()
        if not name.endswith("_extra_state")
    } | {k: v for k, v in system.state_dict().items() if k.endswith("_extra_state")}
    content = {"config": OmegaConf.to_yaml(tree), "state_dict": weights, "images_seen": 48}
    saved(folder, content)
    return folder


def opened(run: Path) -> tuple[SavedRun, Facts]:
    """A run as export.py has it."""
    there = checkpoint.load(run)
    return there, facts_of(there)


def _narrow(node: DictConfig) -> None:
    for name, below in node.items():
        if isinstance(below, DictConfig):
            _narrow(below)
        elif name in NARROW and isinstance(below, int):
            node[name] = NARROW[str(name)]


def _teach(system: System) -> None:
    """Tells a mixture of latents, so that its Gaussians differ."""
    mixture = system.averaged_prior.module if isinstance(system, VAE) else None
    if isinstance(mixture, Mixture):
        mixture.train()
        for step in range(3):
            noise = Noise(key("latents"), torch.arange(40) + 40 * step)
            labels = torch.arange(40) % 3
            mixture.loss(2 * noise.normal(mixture.latent_dim) + 1, noise, labels)
        mixture.eval()
