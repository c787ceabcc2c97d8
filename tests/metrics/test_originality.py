import math

import pytest
import torch
from sklearn.datasets import load_digits

from darkroom import randomness
from darkroom.metrics import audit, originality

SEEDS = range(4)


def noise(n, dimensions, seed=0):
    purpose = randomness.key("noise of a test", seed)
    return randomness.Noise(purpose, torch.arange(n)).normal(dimensions, dtype=torch.float64)


def digits(seed):
    """Half for training, a quarter held out, a quarter that nobody has seen."""
    pixels = torch.from_numpy(load_digits().data)
    return pixels[randomness.permutation(len(pixels), seed, "digits")].split([899, 449, 449])


def copies(training, n, seed=0):
    """Training images, each pixel off by a thirtieth of the range 0..16."""
    return training[:n] + 0.5 * noise(n, training.shape[1], seed)


def with_doubles(parts, share, seed):
    """Some of all images are near-doubles of others, wherever those are."""
    pool = torch.cat(parts)
    double = randomness.uniform(randomness.key(seed, "doubles"), torch.arange(len(pool))) < share
    others = pool[randomness.permutation(len(pool), seed, "others")]
    pool = torch.where(double[:, None], others + 0.5 * noise(*pool.shape, seed=seed), pool)
    return pool.split([len(part) for part in parts])


def accuses(found):
    return found.verdict.startswith(("It copies", "Some samples are copies"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copycat_is_found(seed):
    training, held_out, _ = digits(seed)
    found = audit(training, held_out, copies(training, 400, seed))
    assert found.accused >= 0.95
    assert found.interval[0] > 0.9
    assert found.c_t < -5
    assert found.authentic < 0.1 < found.authentic_floor
    assert found.verdict.startswith("It copies its training images: about")
    assert all(sample == original for sample, original, _ in found.pairs)
    scores = [score for _, _, score in found.pairs]
    assert len(scores) == 16
    assert scores == sorted(scores)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fifth_of_copies_is_estimated_within_its_interval(seed):
    training, held_out, fresh = digits(seed)
    found = audit(training, held_out, torch.cat([copies(training, 110, seed), fresh[:440]]))
    low, high = found.interval
    assert low <= 0.2 <= high
    assert low < found.copied < high
    assert high - low < 0.12
    assert found.verdict.startswith("Some samples are copies: about ")
    assert sorted(sample for sample, _, _ in found.pairs)[-1] < 110


@pytest.mark.parametrize("seed", SEEDS)
def test_fresh_images_are_not_accused(seed):
    training, held_out, fresh = digits(seed)
    found = audit(training, held_out, fresh)
    assert not accuses(found)
    assert found.interval[0] < 0.01
    assert abs(found.c_t) < 3
    assert abs(found.authentic - found.authentic_floor) < 0.1


@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("seed", SEEDS)
def test_fresh_images_of_any_dimension_are_not_accused(seed, dimensions):
    training, held_out, fresh = noise(1200, dimensions, seed).split([500, 300, 400])
    assert not accuses(audit(training, held_out, fresh))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("seed", SEEDS)
def test_natural_doubles_are_no_copies(seed, share):
    found = audit(*with_doubles(digits(seed), share, seed))
    assert not accuses(found)


def test_a_copycat_is_found_among_natural_doubles():
    training, held_out, _ = with_doubles(digits(0), 0.1, 0)
    found = audit(training, held_out, copies(training, 400))
    assert found.expected > 0.02
    assert found.accused > 0.9
    assert found.verdict.startswith("It copies")


def test_even_where_nothing_is_close_nobody_promises_that_there_is_no_copy():
    training, held_out, _ = with_doubles(digits(0), 0.4, 0)
    found = audit(training, held_out, 16 * noise(800, 64))
    assert found.interval == (0, 0)
    assert found.verdict.startswith("No sign of copying")
    assert found.verdict.endswith("; fewer than 1% copies would go unnoticed.")


def test_exact_doubles_have_no_distance_and_are_no_copies():
    training, held_out, fresh = digits(0)
    held_out, fresh = (torch.cat([training[:60], some]) for some in (held_out, fresh))
    found = audit(training, held_out, fresh)
    assert not accuses(found)
    assert found.expected >= 60 / len(held_out)
    same = training[:1].repeat(60, 1)
    found = audit(torch.cat([training, same]), held_out, same)
    assert found.accused == 1
    assert all(math.isfinite(score) for _, _, score in found.pairs)


def test_held_out_images_that_are_training_images_allow_no_verdict():
    training, _, _ = digits(0)
    found = audit(training, training[:200], training[:300])
    assert found.verdict.startswith("No verdict: 100% of the held-out images are duplicates")
    assert found.interval == (0, 1)


def test_altered_copies_are_not_called_original():
    training, held_out, _ = digits(0)
    found = audit(training, held_out, training[:400] + 1.8 * noise(400, 64))
    assert not found.verdict.startswith("No sign")


def test_too_few_images_allow_no_verdict():
    training, held_out, fresh = digits(0)
    few = audit(training, held_out[:10], copies(training, 50))
    assert few.verdict.startswith("No verdict: with 10 held-out images")
    few = audit(training, held_out, fresh[:5])
    assert few.verdict.startswith("No verdict: with 5 samples and 449 held-out images, up to ")


def test_no_images_are_refused():
    training, held_out, fresh = digits(0)
    for parts in (training[:2], held_out, fresh), (training, held_out[:0], fresh):
        with pytest.raises(ValueError, match="an audit needs"):
            audit(*parts)


def test_three_training_images_are_enough_to_compute():
    found = audit(torch.tensor([[0.0], [1], [3]]), torch.tensor([[2.0]]), torch.tensor([[0.1]]))
    assert found.samples == 1


def test_authentic_is_farther_from_a_training_image_than_the_next_one_by_hand():
    # nearest others: 0 -> 1, 1 -> 1, 10 -> 9
    training = torch.tensor([[0.0], [1.0], [10.0]])
    # 2.5: 1.5 from 1, authentic. 1.5: 0.5 from 1. 15: 5 from 10, whose own is 9. -2: 2 from 0
    found = audit(training, torch.tensor([[0.5], [30.0]]), torch.tensor([[2.5], [1.5], [15], [-2]]))
    assert found.authentic == 2 / 4
    assert found.authentic_floor == 1 / 2


def test_the_calibrated_distance_by_hand():
    distances = torch.tensor([[1, 2, 4], [0, 1, 1], [0, 0, 0]], dtype=torch.float64)
    assert originality.calibrated(distances).tolist() == [1 / 3, 0, 0]


def test_the_threshold_accuses_one_in_a_hundred():
    uniform = torch.arange(1, 1000, dtype=torch.float64) / 1000
    assert originality.threshold(uniform) == pytest.approx(0.01, rel=1e-3)
    # with 9 images the first quantile known is 1 / 10
    assert originality.threshold(uniform[99::100]) == pytest.approx(0.01, rel=1e-3)


def test_the_threshold_is_not_set_by_natural_doubles():
    t = (torch.arange(1, 1000, dtype=torch.float64) / 1000) ** (1 / 8)  # eight directions
    assert originality.threshold(t) == pytest.approx(0.01 ** (1 / 8), rel=1e-3)
    t[:50] = 0.02
    assert originality.threshold(t) == pytest.approx(0.01 ** (1 / 8), rel=1e-3)


def test_the_excess_by_hand():
    # Newcombe 1998, table II, example (a): 56/70 - 48/80 has 0.0524 to 0.3339
    copied, (low, high) = originality.excess(56, 70, 48, 80)
    assert copied == pytest.approx((0.8 - 0.6) / 0.4)
    assert [low * 0.4, high * 0.4] == pytest.approx([0.0524, 0.3339], abs=1e-4)
    assert originality.excess(0, 10, 0, 10)[0] == 0


def test_the_copying_test_by_hand():
    def c_t(held_out, samples):
        a, b = (torch.tensor(some, dtype=torch.float64) for some in (held_out, samples))
        return originality.copying_test(a[:, None], a[:, None], b[:, None], a, b)

    # the samples are farther in 3 of 6 pairs, and in 1 as far, which counts half
    expected = (3.5 - 3) / math.sqrt(3 * 2 * 6 / 12)
    assert c_t([1, 2, 5], [2, 3]) == pytest.approx(expected)


def test_copying_in_one_cell_is_not_made_up_for_in_another():
    far = torch.zeros(80, 1, dtype=torch.float64)
    far[40:] = 100
    near_held = torch.arange(80, dtype=torch.float64) % 40
    near = torch.where(far[:, 0] == 0, near_held / 1000, near_held)  # copies in the first cell only
    found = originality.copying_test(far, far, far, near_held, near, cells=2)
    # of 40 x 40 pairs only those with the held-out image at 0 are won or tied
    won = 39 + 0.5
    z = (won - 800) / math.sqrt(40 * 40 * 81 / 12)
    assert found == pytest.approx(z / 2)


def test_the_audit_is_the_same_every_time():
    training, held_out, fresh = digits(0)
    assert audit(training, held_out, fresh) == audit(training, held_out, fresh)
    found = audit(training.float(), held_out.float(), fresh.float())
    assert found == audit(training, held_out, fresh)
