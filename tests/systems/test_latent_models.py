"""Latent models with likelihoods that learn, several samples, classes, and priors beside them."""

import math
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from darkroom import config, randomness
from darkroom.callbacks import Checkpoints
from darkroom.networks import ConvVAE, Inference
from darkroom.networks.gaussian import DiagonalGaussian
from darkroom.objectives import (
    ELBO,
    Bernoulli,
    Binarised,
    DiscretisedLogistic,
    Gaussian,
    LearnedGaussian,
    OptimalGaussian,
    bits_per_dim,
)
from darkroom.priors import FlowMatching
from darkroom.randomness import Noise
from darkroom.systems import VAE
from tests.conftest import BATCH_SIZE, SYSTEMS, tiny_system
from tests.systems.test_resume import everything

STEPS = 6
OBJECTIVES = "darkroom.objectives"
PRIOR = {"_target_": "darkroom.priors.FlowMatching", "latent_dim": 8, "width": 16, "blocks": 1}


def objective(likelihood: str, kind: str = "ELBO", **options) -> dict:
    likelihood_node = {"_target_": f"{OBJECTIVES}.{likelihood}"}
    return {"_target_": f"{OBJECTIVES}.{kind}", "likelihood": likelihood_node, **options}


def variant(network: dict | None = None, **options) -> dict:
    """The tiny VAE, changed."""
    whole = SYSTEMS["vae"]
    return {**whole, **options, "network": {**whole["network"], **(network or {})}}


VARIANTS = {
    "optimal": variant(objective=objective("OptimalGaussian")),
    "learned": variant(objective=objective("LearnedGaussian")),
    "logistic": variant({"parameters_per_value": 3}, objective=objective("DiscretisedLogistic")),
    "binarised": variant(objective=objective("Binarised", "ImportanceWeighted", samples=3)),
    "importance": variant(objective=objective("OptimalGaussian", "ImportanceWeighted", samples=3)),
    "classes": variant({"num_classes": 10}, objective=objective("Gaussian")),
    "flow": variant(objective=objective("OptimalGaussian"), prior=PRIOR),
    "frozen": variant(objective=objective("LearnedGaussian"), prior=PRIOR, frozen=True),
}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variants, by name, beside the systems of all tests."""
    for name, tree in VARIANTS.items():
        monkeypatch.setitem(SYSTEMS, name, tree)


def built(tree: dict) -> VAE:
    with randomness.initialisation(0):
        return config.build(config.OmegaConf.create(tree))


def digits(run, images: int = BATCH_SIZE, model: str = "vae"):
    """A run, and some of its held-out images and their classes."""
    finished = run(model, images)
    batch = finished.data.on_after_batch_transfer(next(iter(finished.data.val_dataloader())), 0)
    return finished.system, batch.images, batch.labels


@pytest.mark.parametrize("model", VARIANTS)
def test_a_run_stopped_after_any_step_ends_bit_equal(model, run, tmp_path: Path):
    start = built(VARIANTS[model])
    whole = run(model, images=STEPS * BATCH_SIZE)
    expected = everything(whole)
    assert all(tensor.isfinite().all() for tensor in expected.values())
    moves = "prior" if model == "frozen" else "network"
    for name, weight in start.get_submodule(moves).named_parameters():
        assert not torch.equal(expected[f"{moves}.{name}"], weight), name
    for stop in (1, STEPS // 2):
        run(model, images=stop * BATCH_SIZE, callbacks=(Checkpoints(every=1),))
        last = tmp_path / "checkpoints" / "last.ckpt"
        resumed = run(model, images=STEPS * BATCH_SIZE, resume=last)
        got = everything(resumed)
        assert got.keys() == expected.keys()
        assert [name for name in expected if not torch.equal(got[name], expected[name])] == []
        state, wanted = (
            each.system.likelihood.state_dict().get("_extra_state") for each in (resumed, whole)
        )
        assert state == wanted


@pytest.mark.parametrize("model", ["optimal", "learned", "importance"])
def test_sigma_moves_and_is_saved(model, run, tmp_path: Path):
    system = run(model, images=STEPS * BATCH_SIZE, callbacks=(Checkpoints(every=1),)).system
    learned = system.likelihood.log_sigma()
    assert learned.item() < 0  # it begins at 1
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    fresh = built(VARIANTS[model])
    fresh.load_state_dict(saved)
    assert torch.equal(fresh.likelihood.log_sigma(), learned)
    if model != "learned":
        assert saved["likelihood._extra_state"] == STEPS * BATCH_SIZE


def test_the_optimal_sigma_is_that_of_the_errors_in_training(run):
    system, seen = tiny_system("optimal"), []
    original = OptimalGaussian.observe

    def spied(self, parameters, images, images_seen, mean):
        assert not parameters.requires_grad
        seen.append(((images - parameters).square().mean().item(), images_seen))
        original(self, parameters, images, images_seen, mean)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OptimalGaussian, "observe", spied)
        system = run("optimal", images=STEPS * BATCH_SIZE).system
    errors, clock = zip(*seen, strict=True)
    assert clock == tuple(range(BATCH_SIZE, STEPS * BATCH_SIZE + 1, BATCH_SIZE))
    assert min(errors) <= system.likelihood.variance.item() <= max(errors)
    # the half-life of a young run is short, so the last error is nearly all
    assert system.likelihood.variance.item() == pytest.approx(errors[-1], rel=0.1)


@pytest.mark.parametrize("model", ["optimal", "importance"])
def test_accumulated_batches_count_every_image(model, run):
    system = run(model, images=96, accumulate_grad_batches=3).system
    assert system.images_seen == system.likelihood.images_seen == 96
    assert system.averaged.images_seen == system.averaged_prior.images_seen == 96
    assert len(system.trainer.optimizers[0].state) == len(list(system.network.parameters()))
    assert {int(s["step"]) for s in system.trainer.optimizers[0].state.values()} == {2}


def test_several_samples_are_of_one_image_each_with_noise_of_its_own(run):
    drawn, trained = [], []
    original, loss = ConvVAE.infer, FlowMatching.loss

    def spied(self, images, noise, labels=None):
        inference = original(self, images, noise, labels)
        drawn.append((images, inference.latents.detach(), labels))
        return inference

    def prior(self, latents, noise, labels=None):
        assert not latents.requires_grad
        trained.append((latents, labels, noise.numbers))
        return loss(self, latents, noise, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConvVAE, "infer", spied)
        patch.setattr(FlowMatching, "loss", prior)
        patch.setitem(SYSTEMS, "both", VARIANTS["importance"] | {"prior": PRIOR})
        system = run("both", images=BATCH_SIZE).system
    assert system.images_seen == BATCH_SIZE  # not three times as many
    (images, latents, labels), (given, told, numbers) = drawn[0], trained[0]
    of_image = images.reshape(BATCH_SIZE, 3, *images.shape[1:])
    assert torch.equal(of_image[:, 0], of_image[:, 2])
    assert not torch.equal(of_image[0], of_image[1])
    assert torch.equal(labels.reshape(BATCH_SIZE, 3), labels[::3, None].expand(-1, 3))
    assert len(latents.unique(dim=0)) == len(numbers.unique()) == 3 * BATCH_SIZE
    assert torch.equal(given, latents)
    assert torch.equal(told, labels)


def test_the_prior_is_n01_unless_another_is_named(run):
    named = variant(prior={"_target_": "darkroom.priors.Standard", "latent_dim": 8})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SYSTEMS, "named", named)
        ends = [everything(run(model, images=3 * BATCH_SIZE)) for model in ("vae", "named")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_latents_of_images_develop_into_their_reconstructions(run):
    system, images, _ = digits(run)
    latents = system.encode(images)
    assert torch.equal(latents, system.developer.encode(images))
    assert torch.equal(system(latents), system.reconstruct(images))
    assert torch.equal(system.decoded(latents), system(latents))


def test_a_prior_that_learned_lies_between_seeds_and_latents(run):
    system, images, _ = digits(run, STEPS * BATCH_SIZE, model="flow")
    noise = system.encode(images)
    latents = system.developer.encode(images)
    assert not torch.allclose(noise, latents, atol=0.01)
    torch.testing.assert_close(noise, system.guide.noise_of(latents))
    assert torch.equal(system(noise), system.decoded(system.guide(noise)))
    assert torch.equal(system.reconstruct(images), system.decoded(latents))
    # the averaged prior chooses, and not the one that trains
    with torch.no_grad():
        for weight in system.prior.parameters():
            weight.fill_(math.nan)
    assert system(noise).isfinite().all()


def test_a_prior_never_leads_the_encoder(run):
    plain, flow = (run(m, images=3 * BATCH_SIZE).system.network for m in ("optimal", "flow"))
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, flow.state_dict()[name]), name


def test_frozen_models_stay_while_the_prior_learns(run):
    fresh = built(VARIANTS["frozen"])
    system = run("frozen", images=STEPS * BATCH_SIZE).system
    for part in ("network", "likelihood", "averaged"):
        for name, weight in fresh.get_submodule(part).named_parameters():
            assert torch.equal(system.get_submodule(part).get_parameter(name), weight), name
            assert system.get_submodule(part).get_parameter(name).grad is None
    (optimizer,) = system.trainer.optimizers
    moved = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert moved == {id(weight) for weight in system.prior.parameters()}
    assert set(system.settings()) == {"half_life", "beta"}


def test_parts_that_do_not_fit_are_refused_with_a_remedy():
    likelihood = objective("DiscretisedLogistic")
    with pytest.raises(ValueError, match=remedy("model.network.parameters_per_value=3")) as told:
        built(variant(objective=likelihood))
    assert "model.network.parameters_per_value=1: a DiscretisedLogistic needs 3" in str(told.value)
    with pytest.raises(ValueError, match=remedy("model.network.parameters_per_value=1")):
        built(variant({"parameters_per_value": 3}, objective=objective("Gaussian")))
    with pytest.raises(ValueError, match=remedy("model.prior.latent_dim=8")) as told:
        built(variant(prior={"_target_": "darkroom.priors.Standard", "latent_dim": 9}))
    assert "model.prior.latent_dim=9: the network has 8 latents" in str(told.value)
    with pytest.raises(ValueError, match=r"frozen=true leaves nothing to train\. Type model/prior"):
        built(variant(frozen=True))


def remedy(option: str) -> str:
    return re.escape(f"Type {option}.")


class Painter(nn.Module):
    """Draws a grey image for each class, a little lighter by its latent."""

    latent_dim, num_classes, parameters_per_value = 1, 3, 1

    def __init__(self):
        super().__init__()
        self.greys = nn.Parameter(torch.tensor([-0.8, 0.0, 0.8]))

    def infer(self, images, noise, labels=None):
        z = self.encode(images, labels)
        zeros = images.new_zeros(len(images))
        return Inference(self.decode(z, labels), z, (zeros,), (zeros,))

    def encode(self, images, labels=None):
        return images.mean((1, 2, 3))[:, None] - self._grey_of(labels)

    def decode(self, latents, labels=None):
        grey = self._grey_of(labels) + latents.clamp(-0.1, 0.1)
        return grey[:, :, None, None].expand(-1, 1, 4, 4)

    def _grey_of(self, labels):
        assert labels is not None
        return self.greys[labels][:, None]


def test_the_class_that_explains_an_image_best_is_taken_where_none_is_given():
    system = VAE(Painter(), ELBO(Gaussian(0.2)), partial(torch.optim.Adam, lr=1e-3))
    greys = torch.tensor([0.85, -0.75, 0.05, -0.5, 1.0])
    images = greys.reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    likeliest = system.likeliest(images)
    assert likeliest.tolist() == [2, 0, 1, 0, 2]
    expected = torch.tensor([0.85, -0.75, 0.05, -0.7, 0.9])
    torch.testing.assert_close(system.reconstruct(images)[:, 0, 0, 0], expected)
    assert torch.equal(system.reconstruct(images), system.reconstruct(images, likeliest))
    dark = system.reconstruct(images, torch.zeros(5, dtype=torch.int64))
    torch.testing.assert_close(dark.amax((1, 2, 3)), torch.tensor([-0.7, -0.75, -0.7, -0.7, -0.7]))


def test_a_model_that_knows_classes_asks_for_one(run):
    system, images, labels = digits(run, model="classes")
    with pytest.raises(ValueError, match="10 classes and was given no labels"):
        system(torch.zeros(2, 8))
    ones = torch.ones(2, dtype=torch.int64)
    assert not torch.equal(system(torch.zeros(2, 8), ones), system(torch.zeros(2, 8), 2 * ones))
    latents = system.encode(images, labels)
    assert torch.equal(system(latents, labels), system.reconstruct(images, labels))
    assert tiny_system("vae").likeliest(images) is None


@pytest.mark.parametrize("model", ["vae", "optimal", "logistic", "importance"])
def test_bits_are_validated_where_nats_are_of_grey_levels(model, run):
    finished = run(model, images=64, validate_every=32)
    logged = finished.trainer.callback_metrics
    nats = logged["validation/negative_elbo"]
    torch.testing.assert_close(nats, logged["validation/rate"] + logged["validation/distortion"])
    width = {"vae": None, "logistic": 1.0}.get(model, 2 / 255)
    assert finished.system.likelihood.level_width == width
    assert ("validation/bits_per_dim" in logged) == (width is not None)
    if width is not None:
        torch.testing.assert_close(
            logged["validation/bits_per_dim"], bits_per_dim(nats, 256, width)
        )


def test_densities_are_validated_by_dequantised_images_and_trained_on_the_images_themselves(run):
    seen = {True: [], False: []}
    original = OptimalGaussian.log_prob

    def spied(self, parameters, images):
        steps = (images + 1) * 127.5
        is_noisy = bool((steps - steps.round()).abs().max() > 0.1)
        seen[parameters.requires_grad].append(is_noisy)
        return original(self, parameters, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OptimalGaussian, "log_prob", spied)
        run("optimal", images=64, validate_every=32)
    assert set(seen[True]) == {False}
    assert set(seen[False]) == {True}


def test_black_and_white_images_are_drawn_for_each_step_and_once_to_be_judged(run):
    trained, judged = [], []
    original = Binarised.log_prob

    def spied(self, parameters, images):
        (trained if parameters.requires_grad else judged).append(images)
        return original(self, parameters, images)

    inferred = []
    encoded = ConvVAE.infer

    def watched(self, images, noise, labels=None):
        inferred.append(images)
        return encoded(self, images, noise, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Binarised, "log_prob", spied)
        patch.setattr(ConvVAE, "infer", watched)
        few = {"limit": 2 * BATCH_SIZE, "validation": 0.5}  # one batch, over and over
        run("binarised", images=2 * BATCH_SIZE, validate_every=BATCH_SIZE, data=few)
    for images in (*trained, *judged, *inferred):
        assert set(images.unique().tolist()) == {-1, 1}
    for step in trained:  # all samples of z explain the same picture
        same = step.unflatten(0, (BATCH_SIZE, 3))
        assert torch.equal(same[:, :1].expand_as(same), same)
    first, again = (step.flatten(1).unique(dim=0) for step in trained)
    assert not torch.equal(first, again)
    first, again = judged[: len(judged) // 2], judged[len(judged) // 2 :]
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))


SIDE, LATENTS, SIGMA = 4, 2, 0.3


class Linear(nn.Module):
    """A decoder and an encoder without a bend: q(z|x) = N(A x + c, D), p(x|z) = N(W z + b, ...)."""

    latent_dim, num_classes, parameters_per_value = LATENTS, 0, 1

    def __init__(self):
        super().__init__()
        self.decoder = nn.Linear(LATENTS, SIDE**2)
        self.encoder = nn.Linear(SIDE**2, LATENTS)
        self.logvar = nn.Parameter(torch.zeros(LATENTS))

    def infer(self, images, noise, labels=None):
        mu = self.encode(images)
        q, eps = DiagonalGaussian(mu, self.logvar.expand_as(mu)), noise.normal(LATENTS)
        z = q.sample(eps)
        return Inference(self.decode(z), z, (q.rate(),), (q.log_ratio(eps),))

    def encode(self, images, labels=None):
        return self.encoder(images.flatten(1))

    def decode(self, latents, labels=None):
        return self.decoder(latents).reshape(-1, 1, SIDE, SIDE)


def drawn_from_the_truth(n: int, first: int):
    """Images of p(x) = N(b, W W^T + sigma^2 I), and log p of each."""
    W = Noise(1, torch.arange(SIDE**2)).normal(LATENTS) / 2
    b = torch.linspace(-0.5, 0.5, SIDE**2)
    noise = Noise(2, torch.arange(first, first + n))
    x = noise.normal(LATENTS) @ W.T + b + SIGMA * noise.normal(SIDE**2)
    covariance = W @ W.T + SIGMA**2 * torch.eye(SIDE**2)
    evidence = torch.distributions.MultivariateNormal(b, covariance).log_prob(x)
    return x.reshape(n, 1, SIDE, SIDE), evidence


@pytest.mark.parametrize("kind", [LearnedGaussian, OptimalGaussian])
def test_a_linear_model_learns_the_exact_evidence(kind):
    """Within 0.03 nats of some 7.5 for an image, held-out ones; and sigma within 3 %.

    With a linear decoder the best bound is the evidence itself: the axes of the latents turn until
    the posterior is diagonal.
    """
    with randomness.initialisation(0):
        network, goal = Linear(), ELBO(kind())
    images, _ = drawn_from_the_truth(20_000, first=0)
    held_out, evidence = drawn_from_the_truth(2000, first=10**6)
    weights = [*network.parameters(), *goal.likelihood.parameters()]
    steps, batch = 1200, 200
    optimizer = torch.optim.Adam(weights, lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        first = step * batch
        x = images[torch.arange(first, first + batch) % len(images)]
        inference = network.infer(x, Noise(3, torch.arange(first, first + batch)))
        bound = goal.bound(x, inference.parameters, inference.rates, inference.log_ratios)
        optimizer.zero_grad()
        goal.loss(bound).mean().backward()
        optimizer.step()
        schedule.step()
        goal.likelihood.observe(
            inference.parameters.detach(), x, first + batch, lambda value: value
        )
    with torch.no_grad():
        copies = held_out.repeat_interleave(50, 0)
        inference = network.infer(copies, Noise(4, torch.arange(len(held_out))).repeated(50))
        bound = goal.bound(copies, inference.parameters, inference.rates, inference.log_ratios)
    lost = bound.negative_elbo.reshape(-1, 50).mean(1) + evidence
    error = (lost.std() / len(lost) ** 0.5).item()
    print(kind.__name__, "lost", lost.mean().item(), "+-", error, "nats; evidence", evidence.mean())
    assert -4 * error < lost.mean().item() < 0.03
    assert goal.likelihood.log_sigma().exp().item() == pytest.approx(SIGMA, rel=0.03)


@pytest.mark.parametrize(
    ("likelihood", "parameters"),
    [
        (Binarised(), 1),
        (Bernoulli(), 1),
        (Gaussian(), 1),
        (LearnedGaussian(), 1),
        (DiscretisedLogistic(2), 6),
    ],
    ids=lambda each: type(each).__name__,
)
def test_whatever_the_likelihood_images_stay_within_their_range(likelihood, parameters):
    network = ConvVAE(16, 3, latent_dim=8, width=4, parameters_per_value=parameters, num_classes=2)
    system = VAE(network, ELBO(likelihood), partial(torch.optim.Adam, lr=1e-3))
    noise = 30 * Noise(0, torch.arange(5)).normal(8)
    images = system(noise, torch.tensor([0, 1, 0, 1, 1]))
    assert images.shape == (5, 3, 16, 16)
    assert images.abs().max() <= 1
    assert system.likelihood is system.objective.likelihood
