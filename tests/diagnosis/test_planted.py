"""Runs that really have an illness, planted in the composed config, and runs that have none."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from darkroom.diagnosis import Case, diagnose
from darkroom.systems import System
from tests.diagnosis.cases import GAN, LESS, VAE, trained

pytestmark = pytest.mark.slow

Train = Callable[..., Case]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """What trains a run in a folder of its own."""
    return lambda *overrides, **options: trained(tmp_path, *overrides, **options)


def found(case: Case, severity: int = 2) -> list[str]:
    """Names of what is at least so serious."""
    findings = diagnose(case)
    print(*findings, sep="\n")
    return [finding.name for finding in findings if finding.severity >= severity]


def test_a_good_gan(train: Train) -> None:
    assert found(train("model=gan", *LESS, "trainer.max_images=24000")) == []


def test_a_good_vae(train: Train) -> None:
    rate = "model.optimizer.lr=0.01"  # a narrow network needs larger steps
    assert found(train(*VAE, rate, "trainer.max_images=24000")) == []


def test_undertraining(train: Train) -> None:
    assert found(train(*VAE, "trainer.max_images=16000"), severity=1) == ["undertraining"]


def test_discriminator_overfitting(train: Train) -> None:
    few = ("data.limit=80", "data.augmentation=[]", "model.discriminator.width=32")
    case = train(*GAN, *few, "trainer.max_images=30000")
    assert case.training_images == 64
    assert "discriminator overfitting" in found(case)


def test_discriminator_too_strong(train: Train) -> None:
    rates = ("model.discriminator_optimizer.lr=5e-3", "model.generator_optimizer.lr=1e-5")
    assert found(train(*GAN, *rates, "trainer.max_images=16000")) == ["discriminator too strong"]


def test_discriminator_too_weak(train: Train) -> None:
    rate = "model.discriminator_optimizer.lr=1e-7"
    assert found(train(*GAN, rate, "trainer.max_images=16000")) == ["discriminator too weak"]


def test_mode_collapse(train: Train) -> None:
    def deafen(system: System) -> None:
        """Whatever the latents are, the generator is given zeros."""
        for generator in (system.generator, system.averaged.module):
            generator.register_forward_pre_hook(lambda _, given: (given[0] * 0, *given[1:]))

    case = train(*GAN, "trainer.max_images=16000", harm=deafen)
    assert found(case, severity=3) == ["mode collapse"]


def test_oscillation(train: Train) -> None:
    restless = (
        "model.half_life=10",
        "model.discriminator_optimizer.betas=[0.9,0.999]",
        "model.generator_optimizer.betas=[0.9,0.999]",
        "model.discriminator_optimizer.lr=3e-3",
        "model.generator_optimizer.lr=3e-3",
    )
    assert "oscillation" in found(train(*GAN, *restless, "trainer.max_images=36000"))


def test_divergence(train: Train) -> None:
    assert found(train(*GAN, "trainer.max_images=36000")) == ["divergence"]


def test_the_steps_of_a_discriminator_are_too_large(train: Train) -> None:
    case = train(*GAN, "model.discriminator_optimizer.lr=1", "trainer.max_images=16000")
    assert "learning rate too high" in found(case)


def test_the_steps_of_a_vae_are_too_large(train: Train) -> None:
    case = train(*VAE, "model.optimizer.lr=0.3", "trainer.max_images=16000")
    assert found(case, severity=3) == ["learning rate too high"]


def test_posterior_collapse(train: Train) -> None:
    case = train(*VAE, "model.objective.beta=50", "trainer.max_images=16000")
    assert found(case) == ["posterior collapse"]


def test_over_regularised_latents(train: Train) -> None:
    case = train(*VAE, "model.objective.beta=3", "trainer.max_images=24000")
    assert found(case) == ["over-regularised latents"]


def test_too_few_images(train: Train) -> None:
    few = ("data.limit=80", "data.augmentation=[]", "model.network.width=32")
    case = train(*VAE, *few, "trainer.max_images=20000")
    assert case.training_images == 64
    assert found(case) == ["too few images"]


def test_dead_units(train: Train) -> None:
    @torch.no_grad()
    def numb(system: System) -> None:
        """Three quarters of the generator's channels are far below where a ReLU begins."""
        for layer in system.generator.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.bias[len(layer.bias) // 4 :] = -100

    assert "dead units" in found(train(*GAN, "trainer.max_images=16000", harm=numb))


def test_non_finite_values(train: Train) -> None:
    ends = pytest.raises(ValueError, match="finite")
    case = train(*VAE, "model.optimizer.lr=1e6", "trainer.max_images=16000", end=ends)
    assert found(case)[0] == "non-finite values"
    assert "is the first" in diagnose(case)[0].evidence
