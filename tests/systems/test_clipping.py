"""Gradients that are too long are shortened, for every system and in every precision."""

import re

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins import MixedPrecision
from torch.amp import GradScaler

from darkroom.systems import System
from darkroom.trainer import Trainer
from tests.systems.models import known


@pytest.fixture(autouse=True)
def every_model():
    with known():
        yield


class Norms(Callback):
    """The norms with which the optimizers step."""

    def __init__(self) -> None:
        self.norms: list[float] = []

    def on_train_start(self, trainer, system) -> None:
        for optimizer in trainer.optimizers:
            optimizer.register_step_pre_hook(self.look)

    def look(self, optimizer, args, options) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        self.norms.append(float(torch.nn.utils.get_total_norm(gradients)))

    def __call__(self, run, model, **options) -> list[float]:
        self.norms.clear()
        run(model, 64, callbacks=(self,), **options)
        return self.norms


@pytest.fixture
def shortened(monkeypatch):
    """Has every system shorten its gradients."""

    def to(norm: float) -> None:
        first = System.__init__

        def begin(self, *args, **options) -> None:
            first(self, *args, **options)
            self.max_gradient_norm = norm

        monkeypatch.setattr(System, "__init__", begin)

    return to


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("model", ["gan", "r3gan", "vae", "sigma_vae", "vae_gan"])
def test_no_gradient_is_longer_than_the_model_allows(model, precision, run, shortened):
    norms = Norms()
    whole = norms(run, model, precision=precision)
    limit = 0.5 * sorted(whole)[len(whole) // 2]
    shortened(limit)
    assert max(norms(run, model, precision=precision)) <= limit * 1.001


def test_what_is_typed_for_the_trainer_goes_before_the_models_own(run, shortened):
    norms = Norms()
    shortened(1e-3)
    assert 1e-3 < max(norms(run, "vae", gradient_clip_val=1e-2)) <= 1e-2 * 1.001


@pytest.mark.parametrize(
    ("option", "typed"),
    [
        ("model.max_gradient_norm=1.0", {}),
        ("trainer.gradient_clip_val=0.5", {"gradient_clip_val": 0.5}),
    ],
)
def test_scaled_gradients_are_not_shortened_but_refused(option, typed, run, shortened, monkeypatch):
    shortened(1.0)
    scaled = MixedPrecision("16-mixed", "cpu", GradScaler("cpu"))  # Lightning would make it bf16
    monkeypatch.setattr(Trainer, "precision_plugin", scaled)
    with pytest.raises(ValueError, match=rf"{re.escape(option)} .*precision=bf16-mixed"):
        run("vae", 64, **typed)


@pytest.mark.parametrize("norm", [0, -1.0])
def test_gradients_may_be_longer_than_nothing(norm):
    with pytest.raises(ValueError, match=rf"model\.max_gradient_norm={norm}: type a positive"):
        System(0, max_gradient_norm=norm)
