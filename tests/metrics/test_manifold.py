import pytest
import torch

from darkroom import randomness
from darkroom.metrics import Manifold, Overlap, overlap


def gaussian(n, dimensions, seed=0):
    return randomness.Noise(seed, torch.arange(n)).normal(dimensions)


def test_a_small_example_by_hand():
    # real images at 0 1 3 7; with k=1 their balls reach 1 1 2 4, so -1..1, 0..2, 1..5, 3..11
    real = Manifold(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), k=2)
    assert real.radii(1).tolist() == [1, 1, 2, 4]
    assert real.radii(2).tolist() == [3, 2, 3, 6]
    # fake ones at 4 5 20; theirs reach 1 1 15, so 3..5, 4..6, 5..35
    fake = Manifold(torch.tensor([[4.0], [5.0], [20.0]]), k=1)
    # 4 lies in 2 real balls, 5 in 2 (one of them at its border), 20 in none; 3 and 7 are reached
    assert overlap(real, fake, k=1, density_k=1) == Overlap(
        precision=2 / 3, recall=2 / 4, density=4 / (1 * 3), coverage=2 / 4
    )
    # with k=2 real balls are -3..3, -1..3, 0..6, 1..13
    assert overlap(real, fake, k=1, density_k=2).density == 4 / (2 * 3)


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_precision_and_recall_are_those_of_torch_fidelity(shift):
    prc = pytest.importorskip("torch_fidelity.metric_prc")
    x, y = gaussian(150, 4), gaussian(120, 4, seed=1) + shift
    ours = overlap(Manifold(x), Manifold(y), k=3)
    theirs = prc.prc_features_to_metric(
        y.double(),
        x.double(),
        prc_neighborhood=3,
        prc_batch_size=50,
        save_cpu_ram=False,
        verbose=False,
    )
    assert ours.precision == pytest.approx(theirs["precision"])
    assert ours.recall == pytest.approx(theirs["recall"])


def test_all_four_are_those_of_all_distances(monkeypatch):
    monkeypatch.setattr("darkroom.metrics.neighbours._MATRIX", 1000)
    x, y = gaussian(90, 3), gaussian(110, 3, seed=1) * 1.2
    xx, yy, xy = (torch.cdist(a.double(), b.double()) for a, b in ((x, x), (y, y), (x, y)))
    near = {k: xx.sort(1).values[:, k] for k in (3, 5)}  # the 0th is the image itself
    within = xy <= near[5][:, None]
    found = overlap(Manifold(x), Manifold(y, k=3))
    assert found.precision == pytest.approx(float((xy <= near[3][:, None]).any(0).double().mean()))
    reached = xy <= yy.sort(1).values[None, :, 3]
    assert found.recall == pytest.approx(float(reached.any(1).double().mean()))
    assert found.density == pytest.approx(float(within.sum()) / (5 * 110))
    assert found.coverage == pytest.approx(float(within.any(1).double().mean()))


def test_fresh_images_have_a_density_of_one_and_cover_nearly_everything():
    real, fake = Manifold(gaussian(1000, 4)), Manifold(gaussian(1000, 4, seed=1))
    found = overlap(real, fake)
    assert found.density == pytest.approx(1, abs=0.1)
    # each real image is missed with probability 1 / 2^5
    assert found.coverage == pytest.approx(1 - 1 / 32, abs=0.02)


def test_borders_are_not_decided_by_rounding():
    # every image of the copy lies on the borders of k balls and inside of many
    x = 100 + gaussian(200, 16)
    found = overlap(Manifold(x), Manifold(x.clone()))
    assert found == Overlap(precision=1, recall=1, density=(5 + 1) / 5, coverage=1)


def test_a_collapsed_generator_has_precision_and_no_recall():
    x = gaussian(300, 4)
    centre = x[x.square().sum(1).argmin()]
    found = overlap(Manifold(x), Manifold(centre.repeat(300, 1)))
    assert found.precision == 1
    assert found.recall == 1 / 300
    assert found.coverage < 0.1


def test_a_k_that_the_manifold_lacks_is_refused():
    with pytest.raises(ValueError, match="k=6"):
        Manifold(gaussian(10, 2)).radii(6)
