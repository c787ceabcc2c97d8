import pytest
import torch

from darkroom import randomness
from darkroom.metrics import Moments, extrapolated_frechet_distance, frechet_distance


def gaussian(n, dimensions, seed=0):
    return randomness.Noise(seed, torch.arange(n)).normal(dimensions, dtype=torch.float64)


def standard(dimensions):
    """The truth, without a sample's bias."""
    eye = torch.eye(dimensions, dtype=torch.float64)
    return Moments(torch.zeros(dimensions, dtype=torch.float64), eye, 10**9)


def mixed(n, dimensions, seed):
    mixing = gaussian(dimensions, dimensions, seed=seed + 100)
    return gaussian(n, dimensions, seed) @ mixing + seed


def test_the_moments_are_numpy_s():
    x = mixed(20, 3, seed=1)
    moments = Moments.of(x.float())
    assert moments.covariance.dtype == torch.float64
    torch.testing.assert_close(Moments.of(x).covariance, torch.cov(x.T))
    torch.testing.assert_close(Moments.of(x).mean, x.mean(0))


@pytest.mark.parametrize("at", [1, 7, 19])
def test_moments_of_batches_merge_to_those_of_all(at):
    x = mixed(20, 3, seed=1)
    merged, whole = Moments.of(x[:at]).merged(Moments.of(x[at:])), Moments.of(x)
    assert merged.count == 20
    torch.testing.assert_close(merged.mean, whole.mean)
    torch.testing.assert_close(merged.covariance, whole.covariance)


@pytest.mark.parametrize("images", [60, 8])  # 8 images span fewer than 16 dimensions
def test_the_frechet_distance_is_that_of_torchmetrics_and_torch_fidelity(images):
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    from torchmetrics.image.fid import _compute_fid

    real, fake = mixed(images, 16, seed=0), mixed(images, 16, seed=1)
    a, b = Moments.of(real), Moments.of(fake)
    ours = frechet_distance(a, b)
    theirs = float(_compute_fid(a.mean, a.covariance, b.mean, b.covariance))
    assert ours == pytest.approx(theirs, rel=1e-6)
    statistics = [fid.fid_features_to_statistics(features) for features in (real, fake)]
    reference = fid.fid_statistics_to_metric(*statistics, verbose=False)
    assert ours == pytest.approx(reference["frechet_inception_distance"], rel=1e-6)


def test_the_frechet_distance_has_its_closed_form_where_covariances_commute():
    a = Moments(torch.zeros(3).double(), torch.diag(torch.tensor([1.0, 4, 0]).double()), 9)
    b = Moments(torch.ones(3).double(), torch.diag(torch.tensor([9.0, 4, 4]).double()), 9)
    assert frechet_distance(a, b) == pytest.approx(3 + (1 - 3) ** 2 + 0 + 2**2)


@pytest.mark.parametrize(("images", "dimensions"), [(50, 8), (10, 40), (1, 5)])
def test_the_frechet_distance_is_symmetric_and_zero_between_equals(images, dimensions):
    a, b = (Moments.of(mixed(images, dimensions, seed)) for seed in (0, 1))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    scale = float(a.covariance.trace())
    assert 0 <= frechet_distance(a, a) <= 1e-6 * scale


def test_the_extrapolated_distance_has_no_bias_and_an_honest_error():
    truth = standard(16)
    estimates, biased = [], []
    for seed in range(12):
        fake = gaussian(600, 16, seed)
        estimates.append(extrapolated_frechet_distance(truth, fake))
        biased.append(frechet_distance(truth, Moments.of(fake)))
    values, errors = torch.tensor(estimates, dtype=torch.float64).T
    assert min(biased) > 4 * errors.mean()
    assert abs(values.mean()) < 0.1 * torch.tensor(biased).mean()
    assert (values.abs() < 2 * errors).sum() >= 9
    assert 0.5 < errors.mean() / values.std() < 2


def test_the_extrapolated_distance_keeps_what_is_no_bias():
    fake = gaussian(1500, 8)
    fake[:, 0] = 1 + 2 * fake[:, 0]
    value, error = extrapolated_frechet_distance(standard(8), fake)
    assert abs(value - (1 + (2 - 1) ** 2)) < 3 * error
    assert error < 0.2


def test_the_extrapolated_distance_is_the_same_every_time():
    fake = gaussian(100, 4)
    first = extrapolated_frechet_distance(standard(4), fake)
    assert first == extrapolated_frechet_distance(standard(4), fake)
    assert first != extrapolated_frechet_distance(standard(4), fake, seed=1)


def test_a_generator_of_one_image_has_a_distance_and_an_error():
    value, error = extrapolated_frechet_distance(standard(4), torch.zeros(50, 4))
    assert (value, error) == (pytest.approx(4), pytest.approx(0, abs=1e-9))


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least 20"):
        extrapolated_frechet_distance(standard(4), gaussian(19, 4))
    with pytest.raises(ValueError, match="at least one image"):
        Moments.of(gaussian(0, 4))


def test_broken_features_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        Moments.of(torch.tensor([[0.0], [torch.nan]]))
