import pytest
import torch

from darkroom import randomness
from darkroom.metrics import nearest


def gaussian(n, dimensions, seed=0, dtype=torch.float32):
    return randomness.Noise(seed, torch.arange(n)).normal(dimensions, dtype=dtype)


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_the_nearest_are_those_of_all_distances(rows, monkeypatch):
    monkeypatch.setattr("darkroom.metrics.neighbours._MATRIX", rows * 60)
    queries, keys = gaussian(40, 5), gaussian(60, 5, seed=1)
    distances, places = nearest(queries, keys, 4)
    expected = torch.cdist(queries.double(), keys.double()).sort(1)
    assert places.equal(expected.indices[:, :4])
    torch.testing.assert_close(distances, expected.values[:, :4], rtol=1e-6, atol=0)


def test_near_identical_images_far_from_the_origin_have_exact_distances():
    keys = 1000 + gaussian(50, 8, dtype=torch.float64)
    step = torch.zeros(8, dtype=torch.float64)
    step[0] = 1e-7
    distances, places = nearest(torch.cat([keys + step, keys]), keys, 1)
    assert places[:, 0].equal(torch.arange(50).repeat(2))
    assert distances[:50, 0].tolist() == pytest.approx([1e-7] * 50, rel=1e-4)
    assert not distances[50:].any()


def test_an_image_is_not_its_own_neighbour_but_its_double_is():
    keys = torch.tensor([[0.0], [1.0], [1.0], [5.0]])
    distances, places = nearest(keys, keys, 2, exclude_self=True)
    assert distances.tolist() == [[1, 1], [0, 1], [0, 1], [4, 4]]
    assert places.tolist() == [[1, 2], [2, 0], [1, 0], [1, 2]]
    some = torch.tensor([3, 1])
    again = nearest(keys[some], keys, 2, own=some)
    assert again[0].equal(distances[some])
    assert again[1].equal(places[some])


def test_equals_come_in_the_order_of_their_places():
    _, places = nearest(torch.zeros(1, 2), torch.zeros(8, 2), 3)
    assert places.tolist() == [[0, 1, 2]]


def test_no_queries_have_no_neighbours():
    distances, places = nearest(torch.zeros(0, 2), torch.zeros(3, 2), 2)
    assert distances.shape == places.shape == (0, 2)


@pytest.mark.parametrize(("k", "exclude_self"), [(4, False), (3, True), (0, False)])
def test_more_neighbours_than_there_are_images_are_refused(k, exclude_self):
    with pytest.raises(ValueError, match="nearest of"):
        nearest(torch.zeros(3, 2), torch.zeros(3, 2), k, exclude_self)
