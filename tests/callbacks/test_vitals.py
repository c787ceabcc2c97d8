"""What a run measures of itself: planted illnesses are found, and nothing is disturbed."""

import copy

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from darkroom.callbacks import DeadUnits, Game, GradientNorms, Posterior, Spread, Throughput
from darkroom.images import to_float
from darkroom.loggers import Table
from darkroom.sampling import latents_of
from darkroom.systems import System
from darkroom.trainer import Trainer


def observers(every: int):
    return (
        GradientNorms(),
        Throughput(every),
        Game(every, n=32),
        Posterior(every, n=32),
        Spread(every, n=16),
        DeadUnits(every, n=16),
    )


def everything(run) -> dict[str, torch.Tensor]:
    found = {k: v for k, v in run.system.state_dict().items() if torch.is_tensor(v)}
    for k, optimizer in enumerate(run.trainer.optimizers):
        for parameter, state in optimizer.state_dict()["state"].items():
            found |= {f"optimizer {k} {parameter} {name}": v for name, v in state.items()}
    return found


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_a_run_that_is_measured_ends_with_the_same_bits(model, run):
    expected = everything(run(model, images=96))
    measured = run(model, images=96, callbacks=observers(every=16), log_every_n_steps=1)
    got = everything(measured)
    assert got.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(got[name], expected[name])] == []
    assert not any(module._forward_hooks for module in measured.system.modules())
    assert measured.system.training == run(model, images=16).system.training


# --- the game


class Knows(nn.Module):
    """Says 3 of the images that it knows, and -1 of others."""

    def __init__(self, known: torch.Tensor) -> None:
        super().__init__()
        self.known = known.flatten(1)

    def forward(self, images, labels=None):
        differences = images.flatten(1)[:, None] - self.known[None]
        return torch.where(differences.abs().amax(2).amin(1) < 1e-4, 3.0, -1.0)


@pytest.fixture
def gan(run):
    return run("gan", images=16, data={"limit": 128, "validation": 0.25})


def judged_by(gan, discriminator) -> dict[str, float]:
    gan.system.discriminator = discriminator
    return dict(Game(1, n=32).measure(gan.trainer, gan.system))


def all_of(images) -> torch.Tensor:
    return to_float(images.first(len(images)))


def test_a_discriminator_that_knows_the_training_images_by_heart_overfits_wholly(gan):
    by_heart = judged_by(gan, Knows(all_of(gan.data.training)))
    assert by_heart == {"vitals/accuracy": 1, "vitals/overfitting": 1}


def test_a_discriminator_that_knows_what_is_real_does_not_overfit(gan):
    real = torch.cat([all_of(gan.data.training), all_of(gan.data.held_out)])
    assert judged_by(gan, Knows(real)) == {"vitals/accuracy": 1, "vitals/overfitting": 0}


def test_a_discriminator_that_does_not_tell_fakes_has_no_overfitting(gan):
    assert judged_by(gan, Knows(torch.zeros(1, 1, 16, 16))) == {"vitals/accuracy": 0.5}


def test_each_kind_is_judged_in_batches_of_its_own_as_in_training(gan):
    system, data = gan.system, gan.data
    before = copy.deepcopy(system.state_dict())
    measured = Game(1, n=32).measure(gan.trainer, system)
    after = system.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items() if torch.is_tensor(v))
    assert system.discriminator.training

    def logits(images):
        with torch.no_grad():
            return torch.cat([copy.deepcopy(system.discriminator)(b) for b in images.split(16)])

    train = logits(to_float(data.training.specimens(32).images))
    held_out = logits(to_float(data.held_out.specimens(32).images))
    latents = latents_of(range(32), 8).split(16)
    fake = logits(torch.cat([copy.deepcopy(system.generator)(z) for z in latents]))
    accuracy = ((train > 0).float().mean() + (fake < 0).float().mean()) / 2
    r_v = (train.mean() - held_out.mean()) / (train.mean() - fake.mean())
    assert measured["vitals/accuracy"] == pytest.approx(accuracy.item())
    if "vitals/overfitting" in measured:
        assert measured["vitals/overfitting"] == pytest.approx(r_v.item(), rel=1e-4)


def test_specimens_come_from_all_over_a_set(gan):
    batch = gan.data.training.specimens(10)
    assert batch.indices.tolist() == [len(gan.data.training) * k // 10 for k in range(10)]
    assert torch.equal(batch.images, gan.data.training.pixels_at(batch.indices))


# --- the spread of samples


class Shows(System):
    """Draws given images, whatever the latents are."""

    latent_dim = 8

    def __init__(self, images: torch.Tensor) -> None:
        super().__init__(0)
        self.images = images

    def forward(self, latents, labels=None):
        return self.images[torch.arange(len(latents)) % len(self.images)]


def test_spread_is_that_of_real_images_collapsed_or_moving(gan):
    n = len(gan.data.held_out)
    real = all_of(gan.data.held_out)
    callback = Spread(1, n=n)
    first = callback.measure(gan.trainer, Shows(real))
    assert first == {"vitals/diversity": pytest.approx(1, abs=0.01)}
    still = callback.measure(gan.trainer, Shows(real))
    assert still["vitals/drift"] == 0
    assert 0.5 < callback.measure(gan.trainer, Shows(real.roll(1, 0)))["vitals/drift"] < 2
    assert callback.measure(gan.trainer, Shows(real[:1]))["vitals/diversity"] == 0


def test_drift_survives_a_resumption(gan):
    real = all_of(gan.data.held_out)
    whole, stopped, resumed = Spread(1, n=9), Spread(1, n=9), Spread(1, n=9)
    for callback in (whole, stopped):
        callback.measure(gan.trainer, Shows(real))
    resumed.load_state_dict(stopped.state_dict())
    expected = whole.measure(gan.trainer, Shows(real.roll(1, 0)))
    assert resumed.measure(gan.trainer, Shows(real.roll(1, 0))) == expected
    other = Spread(1, n=8)
    other.load_state_dict(stopped.state_dict())
    assert "vitals/drift" not in other.measure(gan.trainer, Shows(real))


# --- a VAE's latents


def test_latents_that_carry_nothing_are_counted(run):
    vae = run("vae", images=16, data={"limit": 128, "validation": 0.25})
    last = vae.system.developer.encoder.layers[-1]
    with torch.no_grad():
        last.weight[:6] *= 1000
        last.weight[6:8] = 0
    measured = Posterior(1, n=32).measure(vae.trainer, vae.system)
    assert measured["vitals/active_units"] == 6 / 8


def test_a_vae_that_is_as_good_on_held_out_images_does_not_overfit(run):
    vae = run("vae", images=16)
    vae.data.held_out = vae.data.training
    assert Posterior(1).measure(vae.trainer, vae.system)["vitals/overfitting"] == 0
    black = copy.deepcopy(vae.data.training)
    object.__setattr__(black, "pixels", 255 - black.pixels)
    vae.data.held_out = black
    assert Posterior(1).measure(vae.trainer, vae.system)["vitals/overfitting"] > 0


# --- dead units


def test_a_planted_dead_unit_is_counted(gan):
    callback, network = DeadUnits(1, n=16), gan.system.averaged.module.layers
    before = callback.measure(gan.trainer, gan.system)["vitals/dead_units"]
    activations = [m for m in gan.system.modules() if isinstance(m, nn.ReLU | nn.LeakyReLU)]
    assert len(activations) == 2 * 2 + 2  # generator, its average, discriminator
    with torch.no_grad():
        network[4].bias[2] = -100
    after = callback.measure(gan.trainer, gan.system)["vitals/dead_units"]
    assert before == 0
    assert after == pytest.approx(1 / (8 + 4 + 4 + 8))


def test_networks_without_activation_modules_have_no_dead_units(gan):
    assert DeadUnits(1).measure(gan.trainer, Shows(torch.zeros(1, 1, 16, 16))) == {}


# --- gradients, time and memory


@pytest.mark.parametrize(
    ("model", "parts"), [("gan", ["generator", "discriminator"]), ("vae", ["network"])]
)
def test_gradients_are_logged_as_they_are_at_the_optimizers_step(model, parts, run):
    class Spy(Callback):
        def on_train_batch_end(self, trainer, system, outputs, batch, batch_idx):
            for part in parts:
                gradients = [p.grad.norm() for p in getattr(system, part).parameters()]
                self.norms[f"vitals/gradient_norm/{part}"] = torch.stack(gradients).norm()

    spy = Spy()
    spy.norms = {}
    finished = run(model, images=48, callbacks=(GradientNorms(), spy), log_every_n_steps=1)
    assert len(spy.norms) == len(parts)
    for name, norm in spy.norms.items():
        torch.testing.assert_close(finished.trainer.callback_metrics[name], norm, rtol=1e-5, atol=0)


def test_gradients_of_accumulated_batches_are_logged_once_a_stride(run, tmp_path):
    options = {"accumulate_grad_batches": 3, "log_every_n_steps": 4, "gradient_clip_val": 1.0}
    table = Table(str(tmp_path))
    run("vae", images=12 * 16, callbacks=(GradientNorms(),), logger=table, **options)
    rows = [line.split(",") for line in table.path.read_text().splitlines()[1:]]
    norms = {int(row[0]): float(row[2]) for row in rows if "gradient_norm" in row[1]}
    assert list(norms) == [3 * 16, 6 * 16, 9 * 16]  # the batches 0, 4 and 8 are multiples of 4
    assert min(norms.values()) > 1  # before clipping


def test_seconds_go_on_after_a_resumption(run):
    first = Throughput(16)
    finished = run("gan", images=32, callbacks=(first,))
    metrics = finished.trainer.callback_metrics
    assert metrics["throughput/peak_memory_mib"] > 50
    state = {"seconds": first.state_dict()["seconds"] + 1000}
    resumed = Throughput(16)
    resumed.load_state_dict(state)
    assert (
        run("gan", images=32, callbacks=(resumed,)).trainer.callback_metrics["throughput/seconds"]
        > state["seconds"]
        > 1000
    )


# --- devices and options


def test_only_what_trains_is_measured_on_all_devices(gan, monkeypatch):
    told, written = [], []
    monkeypatch.setattr(Trainer, "is_global_zero", False)
    gan.trainer.strategy.broadcast = lambda values: told.append(values) or {"from": 1.0}
    gan.system.write = written.append
    for kind in (Spread, Posterior, Game, DeadUnits):
        monkeypatch.setattr(kind, "measure", lambda *_: {"here": 1.0})
        kind(1).act(gan.trainer, gan.system)
    assert told == [{}, {}, {"here": 1.0}, {"here": 1.0}]
    assert written == [{"from": 1.0}] * 4


@pytest.mark.parametrize("n", [1, 0, -3])
def test_too_few_images_are_refused(n):
    with pytest.raises(ValueError, match=rf"Game\.n={n}: type at least 2"):
        Game(1, n=n)
