"""The GAN system against the article's loop, restated in plain PyTorch."""

import math
from itertools import pairwise

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from darkroom import config
from darkroom.augmentation import Unaugmented
from darkroom.images import Batch, to_float
from darkroom.objectives import MinMax
from darkroom.sampling import drawn
from darkroom.schedules import changing
from darkroom.systems.gan import frozen
from tests.conftest import SYSTEMS

STEPS = 4


class Spy(Callback):
    """Keeps what went into each step and what came out."""

    def __init__(self):
        self.images, self.latents, self.terms = [], [], []

    def on_train_start(self, trainer, system):
        self.before = {k: v.clone() for k, v in system.state_dict().items() if torch.is_tensor(v)}
        noise, record = system.noise, system.record

        def spied_noise(purpose, batch):
            if purpose == "latents":
                drawn = noise(purpose, batch).normal(system.latent_dim, dtype=system.dtype)
                self.latents.append(drawn)
            return noise(purpose, batch)

        def spied_record(terms):
            self.terms.append({name: term.detach().mean() for name, term in terms.items()})
            record(terms)

        system.noise, system.record = spied_noise, spied_record

    def on_train_batch_start(self, trainer, system, batch, batch_idx):
        self.images.append(batch.images.clone())


def article_networks(width: int, latent_dim: int) -> tuple[nn.Module, nn.Module]:
    """The article's layers at 16x16: its 64x64 networks without the two levels in the middle."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(latent_dim, 2 * width, 4, 1, 0, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(True),
        nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, 4, 1, 0, bias=False),
        nn.Sigmoid(),
    )
    return generator.double(), discriminator.double()


def load(network: nn.Module, weights: dict[str, torch.Tensor], prefix: str) -> None:
    network.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if prefix in k})


def test_gan_follows_the_articles_loop_to_rounding(run):
    spy = Spy()
    trained = run("gan", images=STEPS * 16, callbacks=(spy,), precision="64-true").system

    G, D = article_networks(width=4, latent_dim=8)
    load(G, spy.before, "generator.layers.")
    load(D, spy.before, "discriminator.layers.")
    criterion = nn.BCELoss()
    optimizer_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    real_label, fake_label = torch.ones(16).double(), torch.zeros(16).double()
    assert len(spy.images) == len(spy.latents) == STEPS
    for real, z, terms in zip(spy.images, spy.latents, spy.terms, strict=True):
        D.zero_grad()
        output = D(real).view(-1)
        loss_real = criterion(output, real_label)
        loss_real.backward()
        d_x = output.mean()
        fake = G(z.view(16, 8, 1, 1))
        output = D(fake.detach()).view(-1)
        loss_fake = criterion(output, fake_label)
        loss_fake.backward()
        d_g_z1 = output.mean()
        optimizer_d.step()
        G.zero_grad()
        output = D(fake).view(-1)
        loss_g = criterion(output, real_label)
        loss_g.backward()
        d_g_z2 = output.mean()
        optimizer_g.step()
        expected = {
            "loss/discriminator": loss_real + loss_fake,
            "probability/real": d_x,
            "probability/fake_before": d_g_z1,
            "loss/generator": loss_g,
            "probability/fake_after": d_g_z2,
        }
        assert terms.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(terms[name], value.detach(), rtol=1e-9, atol=1e-12)

    for ours, theirs in ((trained.generator.layers, G), (trained.discriminator.layers, D[:-1])):
        for name, weight in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], weight, rtol=1e-7, atol=1e-10)


def test_saturating_form_is_the_value_function_itself():
    real, fake = torch.randn(9).double(), torch.randn(9).double()
    value = real.sigmoid().log() + (1 - fake.sigmoid()).log()
    torch.testing.assert_close(MinMax().discriminator(real, fake), -value)
    found = MinMax().generator(lambda: real, fake)
    torch.testing.assert_close(found, (1 - fake.sigmoid()).log())


@pytest.mark.promise(
    "Two optimizers step for each batch", "The clock, budgets and logs count images all the same."
)
def test_clock_counts_images_and_not_optimizer_steps(run):
    finished = run("gan", images=80)
    assert finished.system.images_seen == 80
    assert finished.trainer.fit_loop.epoch_loop.total_batch_idx == 80 // 16 - 1
    assert finished.trainer.global_step == 2 * 80 // 16  # Lightning's own counter is doubled


def test_each_step_moves_its_own_player_only(run):
    system = run("gan", images=16).system
    batch = next(iter(run("gan", images=16).data.train_dataloader()))
    batch = batch._replace(images=torch.rand(16, 1, 16, 16) * 2 - 1)

    def weights(network):
        return [p.detach().clone() for p in network.parameters()]

    def moved(network, before):
        return any(not torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))

    g, d = weights(system.generator), weights(system.discriminator)
    fake = system.generator(torch.randn(16, 8), None)
    system.discriminator_step(batch, fake.detach())
    assert moved(system.discriminator, d)
    assert not moved(system.generator, g)
    d = weights(system.discriminator)
    system.generator_step(batch, fake)
    assert moved(system.generator, g)
    assert not moved(system.discriminator, d)
    assert all(p.requires_grad for p in system.discriminator.parameters())


def test_frozen_network_forgets_autocasts_copies_of_old_weights():
    network, x = nn.Linear(4, 1), torch.ones(1, 4)
    with torch.autocast("cpu", torch.bfloat16):
        before = network(x)
        with torch.no_grad():
            network.weight.zero_()
            network.bias.zero_()
        assert torch.equal(network(x), before)  # the pitfall: autocast's cache is stale
        with frozen(network):
            assert network(x).item() == 0


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_compiled_networks_keep_the_names_of_their_weights(run, precision, monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    system = run("gan", images=32, compile=True, precision=precision).system
    assert compiled == [system.generator, system.discriminator]
    assert not any("_orig_mod" in name for name in system.state_dict())


@pytest.mark.parametrize(
    ("option", "value"), [("gradient_clip_val", 1.0), ("accumulate_grad_batches", 2)]
)
def test_options_for_one_optimizer_are_refused(run, option, value):
    with pytest.raises(ValueError, match=rf"trainer.{option}={value} works for one optimizer"):
        run("gan", images=16, **{option: value})


def test_gradients_are_as_long_as_asked_for_at_most(run, monkeypatch):
    class Norms(Callback):
        seen: list[float]

        def on_train_start(self, trainer, system):
            self.seen = []

        def on_before_optimizer_step(self, trainer, system, optimizer):
            weights = optimizer.param_groups[0]["params"]
            self.seen.append(float(nn.utils.get_total_norm([w.grad for w in weights])))

    longest, norms = 0.1, Norms()
    run("gan", images=48, callbacks=(norms,))
    assert min(norms.seen) > longest
    monkeypatch.setitem(SYSTEMS["gan"], "max_gradient_norm", longest)
    run("gan", images=48, callbacks=(norms,))
    assert norms.seen == pytest.approx([longest] * 6, rel=1e-3)


def test_steps_as_a_budget_are_refused(run):
    with pytest.raises(ValueError, match=r"trainer\.max_images"):
        run("gan", images=16, max_steps=5)


# --- what a modern game has in addition


def trained_parts(system):
    return [p.detach().clone() for p in system.generator.parameters()]


class Watch(Callback):
    """Keeps the generator's weights after each step."""

    def __init__(self):
        self.weights = []

    def on_train_batch_end(self, trainer, system, *_):
        self.weights.append(torch.cat([w.flatten() for w in trained_parts(system)]))


def test_the_generator_has_a_turn_in_every_so_many_steps(run):
    watch = Watch()
    system = run("adaptive", images=7 * 16, callbacks=(watch,)).system
    moved = [not torch.equal(a, b) for a, b in pairwise(watch.weights)]
    assert moved == [False, False, True, False, False, True]  # after the first step of all
    assert system.cycle == 3


def test_penalties_are_added_with_the_weight_of_the_clock(run):
    """The modern discriminator's loss, restated for a batch without augmentation."""
    finished = run("modern", images=32)
    system = finished.system
    system.augmentation = Unaugmented()
    images = to_float(finished.data.training.pixels[:16])
    labels = finished.data.training.labels[:16]
    batch = Batch(images, labels, torch.zeros(16).long(), torch.arange(16))
    fake = system.generator(torch.randn(16, 8), labels).detach()

    real, weights = images.clone().requires_grad_(), list(system.discriminator.parameters())
    real_logits, fake_logits = (system.discriminator(x, labels) for x in (real, fake))
    (slope,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    gamma = 0.1 + 0.9 * (1 + math.cos(math.pi * 32 / 64)) / 2  # half-way, at 32 of 64 images
    e = system.noise("penalty r2", batch).normal(1, 16, 16)
    nudged = system.discriminator(fake + 0.01 * e, labels)
    loss = (
        torch.nn.functional.softplus(fake_logits - real_logits)
        + gamma * slope.square().sum((1, 2, 3)) / 2
        + ((nudged - fake_logits) / 0.01).square() / 2
    )
    expected = torch.autograd.grad(loss.mean(), weights)
    terms = system.discriminator_step(batch, fake)
    for weight, gradient in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight.grad, gradient, rtol=1e-4, atol=1e-6)
    assert terms.keys() == {
        "loss/discriminator",
        "logit/real",
        "logit/fake_before",
        "penalty/r1",
        "penalty/r2",
    }


def test_real_images_and_fakes_are_augmented_alike_and_differently_each_time(run):
    system = run("modern", images=16).system
    seen = []
    discriminator, system.discriminator = system.discriminator, nn.Module()
    system.discriminator.forward = lambda images, labels: (
        seen.append(images) or images.sum((1, 2, 3))
    )
    images = torch.rand(16, 1, 16, 16) * 2 - 1
    batch = Batch(images, torch.zeros(16).long(), torch.zeros(16).long(), torch.arange(16))
    system.augmentation.advance(10**6)  # the highest probability
    for purpose in ("real", "real", "fake"):
        system.opinion(images, batch, purpose)
    assert torch.equal(seen[0], seen[1])  # the same purpose at the same time
    assert not torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], images)
    system.discriminator = discriminator


def test_the_generator_learns_through_the_augmentation(run):
    watch = Watch()
    run("modern", images=3 * 16, callbacks=(watch,))
    assert all(not torch.equal(a, b) for a, b in pairwise(watch.weights))


def test_a_model_of_classes_knows_how_often_they_come(run):
    finished = run("modern", images=16)
    shares = finished.data.class_shares()
    assert shares.shape == (10,)
    torch.testing.assert_close(finished.system.class_shares, shares)
    assert "class_shares" in finished.system.state_dict()
    images = torch.cat(list(drawn(finished.system, range(8))))
    again = torch.cat(list(drawn(finished.system, range(8), label=3)))
    assert not torch.equal(images, again)
    with pytest.raises(ValueError, match="was given no labels"):
        finished.system(torch.zeros(1, 8))


def test_a_model_without_classes_has_no_shares(run):
    system = run("gan", images=16).system
    assert system.class_shares is None
    assert "class_shares" not in system.state_dict()


def test_what_changes_is_told_and_what_does_not_is_not(run):
    system = run("modern", images=64).system
    now = changing(system.settings(), system.images_seen)
    assert now == pytest.approx(
        {
            "half_life": 100,
            "generator/lr": 1e-4,
            "generator/beta2": 0.99,
            "penalty/r1": 0.1,
            "augmentation": pytest.approx(0.8, abs=0.3),  # of the last step, like the rates
        }
    )
    group = system.trainer.optimizers[1].param_groups[0]
    assert 1e-4 < group["lr"] < 3e-4  # of the last step, which began at 48 images


def test_a_discriminator_without_steps_is_refused():
    tree = config.OmegaConf.create(SYSTEMS["gan"] | {"discriminator_steps": 0})
    with pytest.raises(ValueError, match="discriminator_steps=0: type a number from 1 on"):
        config.build(tree)
