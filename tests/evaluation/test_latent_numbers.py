"""The numbers of a latent model, against one whose evidence is known."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from darkroom.data import Digits
from darkroom.evaluation.latents import (
    latent_numbers,
    likeness,
    relative_distance,
    terms_of,
)
from darkroom.images import composited, to_float, to_pixels
from darkroom.metrics import thumbnails
from darkroom.metrics.features import Instrument
from darkroom.networks import Inference, LatentModel
from darkroom.objectives import ELBO, Gaussian, bits_per_dim
from darkroom.objectives.likelihoods import GREY_LEVEL
from darkroom.randomness import Noise, key
from darkroom.systems import VAE
from tests.conftest import tiny_system

SIGMA, SIDE, LATENTS = 0.3, 12, 3
generator = torch.Generator().manual_seed(0)
PIXELS = torch.randint(0, 256, (6, 1, SIDE, SIDE), generator=generator, dtype=torch.uint8)


class LinearGaussian(nn.Module):
    """p(z) = N(0, I), p(x|z) = N(W z + b, sigma^2 I), and so p(x) = N(b, W W^T + sigma^2 I).

    q(z|x) is the posterior, but moved by `shift` and with `widening` times its covariance. The last
    latent is not used.
    """

    latent_dim, num_classes, parameters_per_value = LATENTS, 0, 1

    def __init__(self, shift=0.0, widening=1.0):
        super().__init__()
        weights = torch.randn(SIDE**2, LATENTS, generator=torch.Generator().manual_seed(1)) / 10
        weights[:, -1] = 0
        self.W = nn.Parameter(weights.double())
        self.b = nn.Parameter(torch.linspace(-0.5, 0.5, SIDE**2).double())
        self.shift, self.widening = shift, widening

    def exact(self, images):
        precision = torch.eye(LATENTS) + self.W.T @ self.W / SIGMA**2
        mu = (images.flatten(1) - self.b) @ self.W / SIGMA**2 @ precision.inverse()
        return MultivariateNormal(mu, precision_matrix=precision)

    def posterior(self, images):
        exact = self.exact(images)
        covariance = exact.covariance_matrix * self.widening
        return MultivariateNormal(exact.mean + self.shift, covariance)

    def infer(self, images, noise, labels=None):
        q, prior = self.posterior(images), self.prior()
        z = q.mean + (q.scale_tril @ noise.normal(LATENTS).to(images.dtype)[:, :, None])[:, :, 0]
        ratio = q.log_prob(z) - prior.log_prob(z)
        return Inference(self.decode(z), z, (kl_divergence(q, prior),), (ratio,))

    def prior(self):
        return MultivariateNormal(self.W.new_zeros(LATENTS), torch.eye(LATENTS).double())

    def decode(self, latents, labels=None):
        return (latents @ self.W.T + self.b).reshape(-1, 1, SIDE, SIDE)

    def encode(self, images, labels=None):
        return self.posterior(images).mean

    def evidence(self, images):
        covariance = self.W @ self.W.T + SIGMA**2 * torch.eye(SIDE**2)
        return MultivariateNormal(self.b, covariance).log_prob(images.flatten(1))


def linear(**options):
    network = LinearGaussian(**options)
    assert isinstance(network, LatentModel)
    return VAE(network, ELBO(Gaussian(SIGMA), beta=3.0), partial(torch.optim.Adam, lr=1e-3))


def judged(system, pixels=PIXELS, **options):
    return latent_numbers(system, pixels, **{"progress": False} | options)


def dequantised(pixels, places):
    noise = Noise(key("evaluation", "dequantisation"), places)
    return Gaussian(SIGMA).dequantised(to_float(pixels), noise)


X = dequantised(PIXELS, torch.arange(len(PIXELS))).double()


def test_with_the_posterior_itself_every_bound_is_the_evidence():
    system = linear()
    terms = terms_of(system, PIXELS, samples=20, batch_size=7, progress=False)
    evidence = system.network.evidence(X).detach()
    for k in (1, 2, 7, 20):
        torch.testing.assert_close(-terms.iw_bound(k), evidence, rtol=1e-6, atol=0)
    numbers, _ = judged(system, samples=(1, 5, 20))
    for k in (1, 5, 20):
        assert numbers[f"iw_bound_{k}"].value == pytest.approx(-evidence.mean().item())
        error = evidence.std().item() / len(PIXELS) ** 0.5
        assert numbers[f"iw_bound_{k}"].error == pytest.approx(error)


def test_with_another_posterior_the_bound_loses_its_divergence_and_k_samples_win_it_back():
    shift = torch.tensor([0.05, -0.1, 0.3])
    system = linear(shift=shift, widening=1.5)
    terms = terms_of(system, PIXELS, samples=4000, batch_size=4000, progress=False)
    network = system.network
    evidence, q = network.evidence(X).detach(), network.posterior(X)
    divergence = kl_divergence(q, network.exact(X)).detach()
    assert (divergence > 0.1).all()

    error = terms.log_weight.std(0) / 4000**0.5
    assert ((terms.log_weight.mean(0) - (evidence - divergence)).abs() < 4 * error).all()
    elbo = -(terms.distortion + terms.rates[0])
    error = elbo.std(0) / 4000**0.5
    assert ((elbo.mean(0) - (evidence - divergence)).abs() < 4 * error).all()

    bounds = torch.stack([-terms.iw_bound(k) for k in (1, 10, 100, 1000)])
    assert (bounds.diff(dim=0) > -3 * error).all()
    assert (bounds[1] > bounds[0] + divergence / 2).all()
    assert (bounds < evidence + 4 * error).all()
    torch.testing.assert_close(bounds[-1], evidence, rtol=0, atol=0.02)


def test_numbers_do_not_depend_on_the_size_of_a_batch_nor_on_the_company():
    system = linear(shift=0.1)
    terms = terms_of(system, PIXELS, samples=5, batch_size=64, progress=False)
    other = terms_of(system, PIXELS, samples=5, batch_size=7, progress=False)
    fewer = terms_of(system, PIXELS[:2], samples=3, batch_size=64, progress=False)
    torch.testing.assert_close(terms.log_weight, other.log_weight)
    torch.testing.assert_close(terms.distortion[:3, :2], fewer.distortion)
    assert len(terms.log_weight.unique()) == 30
    whole, parts = judged(system), judged(system, batch_size=5)
    assert whole[1] == parts[1]
    assert {name: number.value for name, number in whole[0].items()} == pytest.approx(
        {name: number.value for name, number in parts[0].items()}
    )


def test_the_terms_are_means_over_the_images_with_their_standard_errors():
    system = linear(shift=0.1)
    numbers, _ = judged(system, samples=(4,))
    terms = terms_of(system, PIXELS, samples=4, progress=False)
    for name, term in {"distortion": terms.distortion, "rate": terms.rates[0]}.items():
        of_images = term.mean(0)
        assert numbers[name].value == pytest.approx(of_images.mean().item())
        assert numbers[name].error == pytest.approx(of_images.std().item() / len(PIXELS) ** 0.5)
        assert numbers[name].better == "neither"
    whole = numbers["distortion"].value + numbers["rate"].value
    assert numbers["negative_elbo"].value == pytest.approx(whole)  # whatever beta is
    assert numbers["negative_elbo"].better == "lower"
    assert "rate_level_1" not in numbers


def test_latents_that_nobody_uses_are_told():
    numbers, _ = judged(linear())
    assert numbers["active_units"].value == 2
    assert numbers["active_units_share"].value == pytest.approx(2 / 3)


def test_each_of_several_levels_has_its_rate():
    class Ladder(LinearGaussian):
        def infer(self, images, noise, labels=None):
            inference = super().infer(images, noise)
            (rate,), (ratio,) = inference.rates, inference.log_ratios
            rates, ratios = (rate / 4, 3 * rate / 4), (ratio / 4, 3 * ratio / 4)
            return replace(inference, rates=rates, log_ratios=ratios)

    system, plain = linear(), judged(linear())[0]
    system.averaged.module.__class__ = Ladder
    numbers, _ = judged(system)
    for level, share in {1: 1 / 4, 2: 3 / 4}.items():
        expected = share * plain["rate"].value
        assert numbers[f"rate_level_{level}"].value == pytest.approx(expected)
    assert numbers["iw_bound_50"].value == pytest.approx(plain["iw_bound_50"].value)


class Uniform(Gaussian):
    """The same density for every dequantised image."""

    def log_prob(self, parameters, images):
        low, high = -1 - GREY_LEVEL / 2, 1 + GREY_LEVEL / 2
        assert ((images > low) & (images < high)).all()
        return torch.full((len(images),), -(SIDE**2) * math.log(high - low)).to(images)


def test_a_density_that_knows_nothing_takes_8_bits_for_each_value():
    system = linear()
    system.likelihood = system.objective.likelihood = Uniform()
    terms = terms_of(system, PIXELS, samples=2, progress=False)
    numbers, notes = judged(system)
    rate_bits = terms.rates[0].mean().item() / (SIDE**2 * math.log(2))
    told = numbers["negative_elbo_bits_per_dim"].value
    assert told == pytest.approx(8 + rate_bits)
    assert any("dequantised" in note for note in notes)


def test_dequantised_bits_bound_the_bits_of_grey_levels_from_above():
    level, n = 150, 20_000
    pixels = torch.full((n, 1, 1, 1), level, dtype=torch.uint8)
    x = dequantised(pixels, torch.arange(n)).double().flatten()
    centre = level / 127.5 - 1
    u = (torch.arange(n).double() + 0.5) / n - 0.5
    # the smaller sigma is, the more p varies within a grey level, and the more the bound loses
    for sigma, loss in ((0.05, 0.0), (0.002, 1.73)):
        p = Normal(torch.tensor(0.98 * centre).double(), sigma)
        edges = torch.tensor([centre - GREY_LEVEL / 2, centre + GREY_LEVEL / 2]).double()
        bits = -p.cdf(edges).diff().log2().item()
        exact = bits_per_dim(-p.log_prob(centre + GREY_LEVEL * u).mean(), 1, GREY_LEVEL).item()
        bounds = bits_per_dim(-p.log_prob(x), 1, GREY_LEVEL)
        assert abs(bounds.mean().item() - exact) < 4 * bounds.std().item() / n**0.5
        assert exact > bits
        assert exact == pytest.approx(bits + loss, abs=0.01)


def test_dequantised_images_are_the_same_pixels_and_uniform_within_them():
    levels = torch.arange(256, dtype=torch.uint8).repeat(40, 1).reshape(40, 1, 16, 16)
    images = dequantised(levels, torch.arange(40))
    assert torch.equal(to_pixels(images), levels)
    within = (images - to_float(levels)) / GREY_LEVEL
    assert within.abs().max() <= 0.5 + 1e-4
    assert within.mean().abs() < 4 * (1 / 12 / within.numel()) ** 0.5
    assert within.var().item() == pytest.approx(1 / 12, rel=0.03)
    assert not torch.equal(images[0], images[1])
    torch.testing.assert_close(dequantised(levels[7:9], torch.tensor([7, 8])), images[7:9])


@pytest.fixture
def digits():
    data = Digits(resolution=16, channels=1, limit=60, validation=0.5)
    data.setup()
    return data.held_out.pixels


class Thumbnails:
    instrument = Instrument("thumbnail", "", "8x8")

    def __call__(self, pixels):
        return thumbnails(pixels)


def test_a_model_with_a_cross_entropy_has_no_bits_and_says_why(digits):
    system = tiny_system("vae")
    factors = torch.arange(30)[:, None] % 3
    numbers, notes = judged(system, digits, network=Thumbnails(), factors=factors, samples=(1, 3))
    assert set(numbers) == {
        "negative_elbo",
        "iw_bound_1",
        "iw_bound_3",
        "distortion",
        "rate",
        "active_units",
        "active_units_share",
        "reconstruction_psnr",
        "reconstruction_ssim",
        "reconstruction_distance_thumbnail",
        "mutual_information_gap",
    }
    assert all(math.isfinite(number.value) for number in numbers.values())
    assert any("cross-entropy" in note for note in notes)
    assert any("20 bins" in note for note in notes)
    assert not any("dequantised" in note for note in notes)
    copies = to_pixels(system.reconstruct(to_float(digits)).detach())
    expected = likeness(digits, copies, Thumbnails())
    assert expected.items() <= numbers.items()


def test_likeness_is_that_of_torchmetrics_on_what_one_sees():
    pixels = torch.randint(0, 256, (5, 2, 24, 17), generator=generator, dtype=torch.uint8)
    noise = torch.randint(-9, 10, pixels.shape, generator=generator)
    real = composited(pixels)
    copies = composited((pixels.long() + noise).clamp(0, 255).to(torch.uint8))
    assert real.shape[1] == 1
    numbers = likeness(real, copies, batch_size=2)
    metrics = {
        "reconstruction_psnr": PeakSignalNoiseRatio(
            data_range=255.0, reduction="none", dim=(1, 2, 3)
        ),
        "reconstruction_ssim": StructuralSimilarityIndexMeasure(data_range=255.0, reduction="none"),
    }
    for name, metric in metrics.items():
        expected = metric(copies.float(), real.float())
        assert numbers[name].value == pytest.approx(expected.mean().item(), rel=1e-6)
        assert numbers[name].error == pytest.approx(expected.std().item() / 5**0.5, rel=1e-5)


def test_images_smaller_than_its_window_have_no_ssim():
    small = PIXELS[:, :, :10, :10]
    assert set(likeness(small, 255 - small)) == {"reconstruction_psnr"}


def test_the_relative_distance_is_0_for_copies_and_1_for_any_other_images():
    real = torch.randn(2000, 5, generator=generator)
    assert relative_distance(real, real).value == 0
    others = relative_distance(real, torch.randn(2000, 5, generator=generator))
    assert abs(others.value - 1) < 4 * others.error
    assert 0 < others.error < 0.05
    near = real + 0.1 * torch.randn(2000, 5, generator=generator)
    assert relative_distance(real, near).value == pytest.approx(0.1 / math.sqrt(2), rel=0.05)


def test_the_error_of_the_relative_distance_is_that_of_repetitions():
    draws = torch.randn(300, 2, 100, 3, generator=generator)
    found = [relative_distance(real, real + 0.3 * noise) for real, noise in draws]
    values = torch.tensor([number.value for number in found])
    error = sum(number.error for number in found) / len(found)
    assert error == pytest.approx(values.std().item(), rel=0.25)


@pytest.mark.parametrize("samples", [(), (0, 5), (-1,)])
def test_impossible_numbers_of_samples_are_refused(samples):
    with pytest.raises(ValueError, match=r"samples=.*type numbers of samples"):
        judged(linear(), samples=samples)


def test_a_single_image_is_refused():
    with pytest.raises(ValueError, match="1 held-out images"):
        judged(linear(), PIXELS[:1])
