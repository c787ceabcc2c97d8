import pytest
import torch
from scipy import stats

from darkroom import randomness
from darkroom.randomness import Noise, initialisation, key, permutation, uniform

N = 20_000


@pytest.fixture(autouse=True)
def global_generator_is_left_alone():
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


def test_keys_are_told_apart_by_parts_and_order_and_fit_into_int64():
    keys = {key(1, 23), key(12, 3), key(23, 1), key(123), key(1, "23", "")}
    assert len(keys) == 5
    assert all(0 <= k < 2**63 for k in keys)


def test_a_key_never_changes_so_old_runs_can_be_repeated():
    assert key(0, "order", 1) == 4739946833832999988


def test_a_permutation_holds_everything_once_in_an_order_of_its_name():
    order = permutation(100, 7, "split")
    assert sorted(order.tolist()) == list(range(100))
    assert torch.equal(order, permutation(100, 7, "split"))
    assert not torch.equal(order, permutation(100, 8, "split"))


def test_initial_weights_depend_on_the_seed_alone():
    def weights(seed):
        with initialisation(seed):
            return torch.nn.Linear(3, 3).weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_uniform_is_the_top_of_the_published_splitmix64_sequence():
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    expected = torch.tensor([((number >> 41) + 0.5) / 2**23 for number in published])
    assert torch.equal(uniform(0, torch.arange(1, 5)), expected)


def test_uniform_stays_within_zero_and_one_and_noise_finite_at_the_extreme_bits(monkeypatch):
    extremes = torch.tensor([0, 1 << 41, -1 << 41, -1])
    monkeypatch.setattr(randomness, "_mix", lambda state: extremes)
    u = uniform(0, torch.zeros(4, dtype=torch.int64))
    assert ((u > 0) & (u < 1)).all()
    assert torch.isfinite(Noise(0, torch.zeros(1, dtype=torch.int64)).normal(4)).all()


def test_uniform_draws_are_uniform():
    draws = uniform(key("test"), torch.arange(100)[:, None], torch.arange(N // 100))
    assert stats.kstest(draws.flatten().double(), "uniform").pvalue > 0.01


@pytest.mark.parametrize("by", ["purpose", "first counter", "second counter"])
def test_neighbouring_draws_do_not_correlate(by):
    purpose, zeros, counter = key("test"), torch.zeros(N, dtype=torch.int64), torch.arange(N)
    one = uniform(purpose, zeros, counter)
    other = {
        "purpose": uniform(purpose + 1, zeros, counter),
        "first counter": uniform(purpose, zeros + 1, counter),
        "second counter": uniform(purpose, zeros, counter + 1),
    }[by]
    correlation = torch.corrcoef(torch.stack([one, other]))[0, 1]
    assert abs(correlation) < 4 / N**0.5


def test_noise_is_standard_normal():
    noise = Noise(key("test"), torch.arange(100)).normal(N // 100).flatten().double()
    assert stats.kstest(noise, "norm").pvalue > 0.01


def test_the_noise_of_an_image_does_not_depend_on_its_batch():
    together = Noise(5, torch.tensor([3, 900, 4])).normal(2, 3)
    alone = Noise(5, torch.tensor([900])).normal(2, 3)
    assert torch.equal(together[1], alone[0])


def test_every_call_goes_on_in_one_sequence_of_further_noise():
    whole = Noise(5, torch.arange(4)).normal(7)
    parts = Noise(5, torch.arange(4))
    assert torch.equal(torch.cat([parts.normal(2), parts.normal(5)], dim=1), whole)
    assert whole.unique().numel() == whole.numel()


def test_uniform_and_normal_noise_go_on_in_one_sequence():
    whole = Noise(5, torch.arange(4)).uniform(6)
    parts = Noise(5, torch.arange(4))
    first, normal, last = parts.uniform(2), parts.normal(3), parts.uniform(1)
    between = stats.norm.cdf(normal.double())
    torch.testing.assert_close(torch.from_numpy(between), whole[:, 2:5].double(), atol=1e-6, rtol=0)
    assert torch.equal(torch.cat([first, last], dim=1), whole[:, [0, 1, 5]])


def test_the_uniform_numbers_of_an_image_do_not_depend_on_its_batch():
    together = Noise(5, torch.tensor([3, 900, 4])).uniform(2, 3)
    alone = Noise(5, torch.tensor([900])).uniform(2, 3)
    assert torch.equal(together[1], alone[0])


def test_noise_in_double_precision_is_the_same_noise():
    single, double = (
        Noise(5, torch.arange(4)).normal(3, dtype=t) for t in (torch.float32, torch.float64)
    )
    assert double.dtype == torch.float64
    assert torch.equal(single.double(), double)


def test_noise_of_one_copy_is_the_noise_itself():
    numbers = torch.tensor([3, 900, 4])
    assert torch.equal(Noise(5, numbers).repeated(1).normal(7), Noise(5, numbers).normal(7))


def test_copies_of_an_image_have_noise_of_their_own_whatever_their_company():
    numbers = torch.tensor([3, 900, 4])
    together = Noise(5, numbers).repeated(4).uniform(6)
    assert together.shape == (12, 6)
    assert together.unique().numel() == together.numel()
    alone = Noise(5, numbers[1:2]).repeated(4).uniform(6)
    assert torch.equal(together[4:8], alone)  # copies of an image one after another
    following = Noise(5, torch.arange(8)).repeated(4).uniform(6)
    assert following.unique().numel() == following.numel()  # nor do neighbours share any
