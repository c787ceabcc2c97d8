"""How unusual images look to a latent model, and how well that tells what is known of them."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torchmetrics.functional.classification import binary_auroc

from darkroom.data import Digits
from darkroom.data.datasets import ArraySet
from darkroom.evaluation.anomaly import (
    complexity_of,
    detection_of,
    number_of,
    rankings_of,
    scores_of,
)
from darkroom.evaluation.latents import latent_numbers
from darkroom.images import to_float
from darkroom.objectives import Gaussian
from tests.conftest import tiny_system


def noise(n, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, 16, 16), generator=draw, dtype=torch.uint8)


def as_set(pixels):
    return ArraySet(pixels, torch.zeros(len(pixels), dtype=torch.int64))


@pytest.fixture(scope="module")
def digits():
    return Digits(resolution=16, channels=1, limit=64).read()


@pytest.fixture(scope="module")
def dense():
    """A model with a density, so that there are bits per dimension."""
    system = tiny_system("vae")
    system.likelihood = system.objective.likelihood = Gaussian(sigma=0.5)
    return system


def test_planted_noise_scores_higher_than_the_digits_that_were_trained_on(run, digits):
    system = run("vae", images=3200).system
    mixed = torch.cat([digits.pixels, noise(16)])
    scores = scores_of(system, as_set(mixed), progress=False)
    planted = torch.arange(len(mixed)) >= len(digits)
    for name in ("bound", "distortion"):
        assert detection_of(scores.by(name), planted).auroc.value > 0.99
    assert scores.by("bound").argmax() >= len(digits)


@pytest.mark.parametrize("importance", [1, 3])
def test_the_score_of_an_image_depends_on_that_image_alone(dense, digits, importance):
    whole = scores_of(dense, digits, importance, batch_size=64, progress=False)
    parts = digits.subset(torch.tensor([40, 7, 23]))
    few = scores_of(dense, parts, importance, batch_size=2, progress=False)
    for name in ("bound", "distortion", "rate", "complexity", "excess", "bits_per_dim"):
        torch.testing.assert_close(few.by(name), whole.by(name)[[40, 7, 23]], rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(few.latents, whole.latents[[40, 7, 23]])
    assert few.labels.tolist() == digits.labels[[40, 7, 23]].tolist()


def test_the_mean_score_is_the_bound_that_evaluate_reports(dense, digits):
    scores = scores_of(dense, digits, progress=False)
    numbers, _ = latent_numbers(dense, digits.pixels, samples=(1,), progress=False)
    for name, mine in (("negative_elbo", scores.bound), ("distortion", scores.distortion)):
        assert abs(float(mine.mean()) - numbers[name].value) < 6 * numbers[name].error
    torch.testing.assert_close(scores.bound, scores.distortion + scores.rate)
    per_dim = numbers["negative_elbo_bits_per_dim"].value
    assert float(scores.bits_per_dim.mean()) == pytest.approx(per_dim, rel=0.05)
    torch.testing.assert_close(scores.excess, 256 * scores.bits_per_dim - scores.complexity)


def test_more_samples_tighten_the_bound_and_it_is_called_so(dense, digits):
    loose = scores_of(dense, digits, 1, progress=False)
    tight = scores_of(dense, digits, 20, progress=False)
    assert tight.bound.mean() < loose.bound.mean()
    assert (loose.bound_name, tight.bound_name) == ("negative_elbo", "iw_bound_20")


def test_latents_are_the_encoders_means(dense, digits):
    scores = scores_of(dense, digits, progress=False)
    with torch.no_grad():
        expected = dense.developer.encode(to_float(digits.pixels))
    torch.testing.assert_close(scores.latents, expected)


def test_without_a_density_there_are_no_bits_per_dimension(digits):
    scores = scores_of(tiny_system("vae"), digits, progress=False)
    assert scores.bits_per_dim is scores.excess is None
    assert rankings_of(tiny_system("vae")) == ("bound", "distortion", "rate", "complexity")


def test_noise_is_complex_and_a_flat_image_is_not():
    flat, noisy = complexity_of(torch.cat([torch.zeros_like(noise(1)), noise(1)])).tolist()
    assert flat < 8 * 120 < 8 * 256 < noisy


@pytest.mark.parametrize("importance", [0, 1 << 21])
def test_impossible_numbers_of_samples_are_refused(dense, digits, importance):
    with pytest.raises(ValueError, match=f"importance={importance}: type a number of samples"):
        scores_of(dense, digits, importance)


# --- what is known of the images


def drawn(separation, n=(40, 60), seed=0):
    draw = np.random.default_rng(seed)
    normal, other = draw.normal(size=n[0]), separation + draw.normal(size=n[1])
    scores = torch.from_numpy(np.concatenate([normal, other]))
    return scores, torch.arange(sum(n)) >= n[0]


@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-3, 0.5), (100, 5000)])
def test_detection_agrees_with_two_other_libraries_whatever_the_scores_scale(scale, offset):
    scores, anomalous = drawn(0.7)
    scores = (scale * scores.round(decimals=1) + offset).float()  # with ties
    found = detection_of(scores, anomalous)
    assert found.auroc.value == pytest.approx(roc_auc_score(anomalous, scores))
    ranks = torch.unique(scores, return_inverse=True)[1] / len(scores)
    assert found.auroc.value == pytest.approx(float(binary_auroc(ranks, anomalous.long())), 1e-5)
    expected = average_precision_score(anomalous, scores)
    assert found.average_precision.value == pytest.approx(expected, abs=1e-5)
    assert found.average_precision.floor == pytest.approx(0.6)
    fpr, tpr, _ = roc_curve(anomalous, scores, drop_intermediate=False)
    best = [tpr[fpr <= percent / 100 + 1e-6].max() for percent in range(101)]
    np.testing.assert_allclose(found.true_positives, best, atol=1e-5)


def test_the_standard_error_is_that_of_many_repetitions():
    repeated = [detection_of(*drawn(1.0, seed=seed)).auroc for seed in range(400)]
    spread = np.std([number.value for number in repeated])
    assert np.mean([number.error for number in repeated]) == pytest.approx(spread, rel=0.1)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    truth = 0.5 * (1 + math.erf(0.5))  # two normals of distance 1
    intervals = [detection_of(*drawn(1.0, seed=seed)).interval for seed in range(400)]
    assert 0.92 < np.mean([low < truth < high for low, high in intervals]) < 0.98


def test_perfect_scores_have_a_perfect_auroc():
    scores, anomalous = torch.arange(10.0), torch.arange(10) >= 6
    found = detection_of(scores, anomalous)
    assert found.auroc.value == found.average_precision.value == 1
    assert found.interval == (1, 1)
    assert found.true_positives.tolist() == [1] * 101


def test_one_image_of_a_kind_tells_nothing():
    with pytest.raises(ValueError, match="9 normal and 1 other images: two of each are needed"):
        detection_of(torch.arange(10.0), torch.arange(10) >= 9)


def test_a_class_that_is_not_there_cannot_be_normal():
    assert number_of("ill", ("healthy", "ill")) == 1
    with pytest.raises(ValueError, match=r"normal=sane: .* The classes are healthy, ill"):
        number_of("sane", ("healthy", "ill"))
    with pytest.raises(ValueError, match="Sort them into a folder for each class"):
        number_of("sane", ())
