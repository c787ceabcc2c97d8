"""A run that is lost stops, and says where."""

import re
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.precision import MixedPrecision

from darkroom import checkpoint
from darkroom.callbacks import Checkpoints, Finite, Measurement
from darkroom.loggers import Table
from tests.conftest import SYSTEMS

PLANTED = 3  # the step at which it happens, from 0 on


class Plant(Callback):
    """Makes a module's output, a weight or the images NaN from one step on."""

    def __init__(self, path: str, kind: str = "output") -> None:
        self.path, self.kind = path, kind

    def on_train_batch_start(self, trainer, system, batch, batch_idx):
        if system.images_seen != PLANTED * 16:
            return
        if self.kind == "images":
            batch.images[2, 0, 3, 3] = torch.nan
        elif self.kind == "weight":
            with torch.no_grad():
                system.get_submodule(self.path).weight[0, 0, 0, 1] = torch.nan
        else:
            system.get_submodule(self.path).register_forward_hook(self._poison)

    def _poison(self, module, inputs, output):
        return output * torch.where(torch.arange(output.numel()) == 5, torch.inf, 1.0).view_as(
            output
        )


def stopped(run, model: str, *callbacks, **options) -> str:
    with pytest.raises(ValueError, match="is not finite") as error:
        run(model, images=8 * 16, callbacks=callbacks, **options)
    return str(error.value)


CASES = [
    ("gan", "generator.layers.3", "ConvTranspose2d", "loss/discriminator", "model.generator_opt"),
    ("gan", "discriminator.layers.1", "LeakyReLU", "loss/discriminator", "model.discriminator_opt"),
    ("vae", "network.decoder.layers.4", "ConvTranspose2d", "loss/vae", "model.optimizer.lr=0.0001"),
]


@pytest.mark.promise(
    "A layer's output becomes infinite, in G, in D or in a VAE",
    "No weight moves, the run stops, and loss, layer, clock and remedy are named.",
)
@pytest.mark.parametrize(("model", "path", "kind", "loss", "option"), CASES)
def test_the_layer_is_named_and_what_to_type(model, path, kind, loss, option, run, tmp_path):
    table = Table(str(tmp_path))
    callbacks = (Plant(path), Finite(in_a_row=1), Checkpoints(every=16))
    said = stopped(run, model, *callbacks, logger=table)
    assert f"After {PLANTED * 16} images {loss} is not finite: {path} ({kind}) made it." in said
    assert option in said
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert f"{last} is from before." in said
    content = checkpoint.read(last)
    assert content["images_seen"] == PLANTED * 16
    assert all(t.isfinite().all() for t in content["state_dict"].values() if torch.is_tensor(t))
    (row,) = [line for line in table.path.read_text().splitlines() if "non_finite" in line]
    assert row == f"{PLANTED * 16},vitals/non_finite/{path},1.0"


@pytest.mark.parametrize(
    ("model", "path"), [("gan", "discriminator.layers.2"), ("vae", "network.encoder.layers.0")]
)
def test_a_broken_weight_is_named(model, path, run):
    said = stopped(run, model, Plant(path, "weight"), Finite(in_a_row=1))
    assert re.search(rf"{re.escape(path)} \(Conv2d\) made it, whose weight is not finite", said)
    assert "No checkpoint had been written." in said


def test_broken_images_are_named(run):
    said = stopped(run, "vae", Plant("", "images"), Finite(in_a_row=1))
    assert "the images that came in are not finite" in said


def test_an_objective_out_of_finite_outputs_is_named(run, monkeypatch):
    from darkroom.objectives import NonSaturating

    monkeypatch.setattr(NonSaturating, "generator", lambda self, real, fake: fake * torch.inf)
    said = stopped(run, "gan", Finite(in_a_row=1))
    assert "After 0 images loss/generator is not finite: no module made it" in said
    assert "model.discriminator_optimizer.lr=0.0001 or model.generator_optimizer.lr=0.0001" in said


def test_a_rehearsal_finds_what_depends_on_the_noise_of_the_step(run):
    """A VAE counts its images before its loss is looked at: the clock is set back."""

    class Rare(Plant):
        def _poison(self, module, inputs, output):
            self.seen = getattr(self, "seen", inputs[0].clone())
            return output * torch.inf if torch.equal(inputs[0], self.seen) else output

    said = stopped(run, "vae", Rare("network.decoder.layers.0"), Finite(in_a_row=1))
    assert "network.decoder.layers.0 (Linear) made it" in said


@pytest.mark.promise(
    "A weight is not finite", "It is never saved; the last checkpoint is from before."
)
@pytest.mark.parametrize("model", ["gan", "vae"])
def test_weights_that_are_not_finite_are_never_saved(model, run, tmp_path: Path):
    path = {"gan": "generator.layers.0", "vae": "network.encoder.layers.0"}[model]
    said = stopped(run, model, Checkpoints(every=16), Plant(path, "weight"))
    assert "so nothing is saved" in said
    content = checkpoint.read(tmp_path / "checkpoints" / "last.ckpt")
    assert content["images_seen"] == PLANTED * 16


def test_where_looking_costs_it_is_done_before_others_act(run, monkeypatch):
    """As on a GPU, off the stride: another callback is due, and it would measure."""
    looks = []
    look = Finite._look
    monkeypatch.setattr(
        Finite, "_look", lambda self, *run: looks.append(self.clock) or look(self, *run)
    )
    monkeypatch.setattr("darkroom.callbacks.every.FREE", ())
    callbacks = (Plant("generator.layers.0", "weight"), Finite(in_a_row=1), Measurement(every=96))
    said = stopped(run, "gan", *callbacks)
    assert "generator.layers.0 (ConvTranspose2d) made it" in said
    assert looks == [0, 80]  # the first step is on the stride


class Spoil(Callback):
    """Breaks the gradient of one weight, after the backward pass, at some steps."""

    def __init__(self, path: str, *steps: int) -> None:
        self.path, self.steps = path, steps

    def on_after_backward(self, trainer, system):
        weight = system.get_parameter(self.path)
        if weight.grad is not None and self.clock // 16 in self.steps:
            weight.grad[(0,) * weight.grad.ndim] = torch.nan

    def on_train_batch_start(self, trainer, system, batch, batch_idx):
        self.clock = system.images_seen


class Weights(Callback):
    """Keeps what the discriminator and its optimizer (0), the generator and its own (1) were."""

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
        there = {k: w.clone() for k, w in system.named_parameters() if "averaged" not in k}
        for number, optimizer in enumerate(trainer.optimizers):
            for place, state in optimizer.state_dict()["state"].items():
                there |= {
                    f"{number}.{place}.{k}": torch.as_tensor(t).clone() for k, t in state.items()
                }
        self.seen.append(there)


OPTIMIZERS = {
    "fused Adam": {"_target_": "darkroom.systems.Adam"},
    "plain Adam": {"_target_": "darkroom.systems.Adam", "fused": False},
    "another": {"_target_": "torch.optim.RMSprop", "momentum": 0.9},
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_step_that_is_not_finite_leaves_all_of_its_player_as_it_was(
    optimizer, run, tmp_path, monkeypatch
):
    monkeypatch.setitem(SYSTEMS["gan"], "discriminator_optimizer", optimizer | {"_partial_": True})
    weights, table = Weights(), Table(str(tmp_path))
    callbacks = (Finite(), Spoil("discriminator.layers.0.weight", 1, 3), weights)
    run("gan", images=5 * 16, callbacks=callbacks, logger=table)
    stands = [
        {name.partition(".")[0] for name in now if torch.equal(now[name], before[name])}
        for before, now in pairwise(weights.seen)
    ]
    assert stands == [{"discriminator", "0"}, set(), {"discriminator", "0"}, set()]
    assert all(tensor.isfinite().all() for tensor in weights.seen[-1].values())
    told = [row.split(",")[::2] for row in table.path.read_text().splitlines() if "skipped" in row]
    assert told == [["32", "1.0"], ["64", "2.0"]]


class Scaled(MixedPrecision):
    """16-mixed on a processor: a scaler as on a GPU, and networks that stay in 32 bits."""

    def __init__(self) -> None:
        super().__init__("16-mixed", "cpu", torch.amp.GradScaler("cpu"))

    def forward_context(self) -> nullcontext:
        return nullcontext()


class InHalf(Callback):
    """Trains a run as 16-mixed does, where Lightning would refuse to."""

    def setup(self, trainer, system, stage):
        trainer.strategy.precision_plugin = Scaled()


@pytest.mark.promise(
    "16-mixed: an infinite gradient of the discriminator alone",
    "Only its step is left out; the generator's gradient is what it would have been.",
)
def test_a_scaler_that_is_lowered_for_one_player_does_not_stretch_the_other(run):
    """Scales are powers of two, so the weights are those of a run in 32 bits, bit for bit."""
    spoil = Spoil("discriminator.layers.0.weight", 1, 3)
    plain, scaled = Weights(), Weights()
    run("gan", images=5 * 16, callbacks=(Finite(), spoil, plain))
    mixed = run("gan", images=5 * 16, callbacks=(InHalf(), Finite(), spoil, scaled))
    assert mixed.trainer.precision_plugin.scaler.get_scale() == 2**16 / 4
    for expected, got in zip(plain.seen, scaled.seen, strict=True):
        assert [name for name in expected if not torch.equal(expected[name], got[name])] == []


def test_so_many_in_a_row_stop_a_run_and_others_begin_the_count_anew(run, monkeypatch):
    path = "discriminator.layers.0.weight"
    adam = {"_target_": "darkroom.systems.Adam", "_partial_": True}
    monkeypatch.setitem(SYSTEMS["gan"], "discriminator_optimizer", adam)
    run("gan", images=7 * 16, callbacks=(Finite(in_a_row=3), Spoil(path, 0, 1, 3, 4, 6)))
    said = stopped(run, "gan", Finite(in_a_row=3), Spoil(path, 0, 1, 3, 4, 5, 6))
    assert f"After 80 images the gradient of {path} is not finite, 3 steps in a row" in said
    assert "all losses are, so a derivative made it" in said
    assert "model.max_gradient_norm=1" in said


def test_a_vae_goes_on_after_a_loss_that_overflowed(run):
    class Once(Callback):
        def on_before_backward(self, trainer, system, loss):
            loss.data.mul_(torch.inf if system.images_seen == 48 else 1)

        def on_after_backward(self, trainer, system):
            if system.images_seen == 48:
                next(system.parameters()).grad.fill_(torch.inf)

    finished = run("vae", images=96, callbacks=(Once(), Finite())).system
    assert finished.images_seen == 96
    assert all(weight.isfinite().all() for weight in finished.parameters())


def test_a_limit_of_none_at_all_is_refused():
    with pytest.raises(ValueError, match=r"callbacks\.finite\.in_a_row=0: type a number"):
        Finite(in_a_row=0)


def test_healthy_runs_are_left_alone(run):
    with_finite = run("gan", images=64, callbacks=(Finite(in_a_row=1),)).system.state_dict()
    without = run("gan", images=64).system.state_dict()
    assert all(torch.equal(with_finite[k], v) for k, v in without.items() if torch.is_tensor(v))


def test_code_that_refuses_what_is_not_finite_does_not_hide_who_made_it(run, monkeypatch):
    from darkroom.objectives import ELBO

    call = ELBO.bound

    def refusing_later(self, images, parameters, *terms):
        refusing_later.calls += 1
        if refusing_later.calls > PLANTED + 1 and not parameters.isfinite().all():
            raise ValueError("Refused.")
        return call(self, images, parameters, *terms)

    refusing_later.calls = 0
    monkeypatch.setattr(ELBO, "bound", refusing_later)
    said = stopped(run, "vae", Plant("network.decoder.layers.0"), Finite(in_a_row=1))
    assert "a loss is not finite: network.decoder.layers.0 (Linear) made it" in said
