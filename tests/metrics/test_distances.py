import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance

from darkroom.metrics import kernel_distance


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
