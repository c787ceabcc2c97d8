import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance

from darkroom.metrics import kernel_distance, kernel_distance_with_error


def gaussian(n, mean=0.0, seed=0, dimensions=4):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, dimensions, generator=generator, dtype=torch.float64)
    return noise + mean


@pytest.mark.filterwarnings("ignore:Metric .Kernel Inception Distance. will save")
def test_the_kernel_distance_is_that_of_torchmetrics():
    n, dimensions = 30, 3 * 5 * 5
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randint(0, 256, (2, n, 3, 5, 5), dtype=torch.uint8, generator=generator)

    class Features(torch.nn.Module):
        num_features = dimensions

        def forward(self, pixels):
            return pixels.flatten(1).double() / 255

    reference = KernelInceptionDistance(Features(), subsets=1, subset_size=n)
    reference.set_dtype(torch.float64)
    reference.update(real, real=True)
    reference.update(fake, real=False)
    ours = kernel_distance(Features()(real), Features()(fake))
    assert ours == pytest.approx(float(reference.compute()[0]), rel=1e-6)


def test_the_kernel_distance_has_its_closed_form_for_two_points_each():
    real, fake = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    # (0*1+1)^3 + (1*2+1)^3 - 2 * mean of (1, 1, 8, 27)
    assert kernel_distance(real, fake) == 1 + 27 - 2 * (1 + 1 + 8 + 27) / 4


def test_the_kernel_distance_is_unbiased_and_small_for_one_distribution():
    distances = torch.tensor(
        [
            kernel_distance(gaussian(20, seed=2 * k), gaussian(25, seed=2 * k + 1))
            for k in range(200)
        ]
    )
    assert abs(distances.mean()) < 3 * distances.std() / len(distances) ** 0.5
    assert distances.min() < 0


def test_the_kernel_distance_grows_with_the_distance_of_the_means():
    distances = [kernel_distance(gaussian(200), gaussian(150, m, seed=1)) for m in (0, 0.5, 1, 2)]
    assert distances == sorted(distances)
    assert distances[1] > 10 * abs(distances[0])


def test_the_kernel_distance_of_many_images_is_summed_up_in_parts(monkeypatch):
    real, fake = gaussian(31), gaussian(23, 0.5, seed=1)
    whole = kernel_distance(real, fake)
    monkeypatch.setattr("darkroom.metrics.kernel._PAIRS", 100)
    assert kernel_distance(real, fake) == pytest.approx(whole, rel=1e-12)


def test_features_in_float32_lose_nothing_by_their_precision():
    real, fake = (gaussian(50, 100.0, seed=seed).float() for seed in (0, 1))
    assert kernel_distance(real, fake) == kernel_distance(real.double(), fake.double())


def test_one_block_is_the_distance_itself_without_an_error():
    real, fake = gaussian(30), gaussian(25, 0.3, seed=1)
    value, error = kernel_distance_with_error(real, fake, block=30)
    assert value == pytest.approx(kernel_distance(real, fake), rel=1e-12)
    assert error is None


def test_the_error_is_what_repetitions_scatter_by():
    estimates = [
        kernel_distance_with_error(
            gaussian(120, seed=2 * k), gaussian(80, 0.5, seed=2 * k + 1), block=20
        )
        for k in range(30)
    ]
    values, errors = torch.tensor(estimates).T
    assert 0.6 < errors.mean() / values.std() < 2  # cycling makes it an upper estimate
    whole = kernel_distance(gaussian(2000), gaussian(2000, 0.5, seed=1))
    assert abs(values.mean() - whole) < 4 * values.std() / len(values) ** 0.5


def test_features_sorted_by_class_have_no_larger_distance():
    classes = torch.arange(5.0).repeat_interleave(40)[:, None]
    real, fake = (gaussian(200, seed=seed) + 4 * classes for seed in (0, 1))
    value, error = kernel_distance_with_error(real, fake, block=40)
    assert abs(value) < 4 * error


def test_a_block_of_one_image_is_refused():
    with pytest.raises(ValueError, match="block=1"):
        kernel_distance_with_error(gaussian(5), gaussian(5), block=1)
