import math

import pytest
import torch

from darkroom.metrics import class_distance, class_shares, classes_reached, reverse_kl


def labels(*counts):
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def test_shares_and_classes_reached():
    assert class_shares(labels(1, 0, 3), 4).tolist() == [0.25, 0, 0.75, 0]
    assert classes_reached(labels(1, 0, 3), 4) == 2


def test_the_reverse_divergence_by_hand():
    real, fake = labels(2, 1, 1), labels(1, 3, 0)
    by_hand = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.25)
    assert reverse_kl(real, fake, 3) == pytest.approx(by_hand, rel=1e-12)
    assert reverse_kl(real, real, 3) == 0


def test_a_generator_of_one_class_misses_log_of_their_number():
    assert reverse_kl(labels(*[5] * 10), labels(7), 10) == pytest.approx(math.log(10))


def test_a_class_that_no_real_image_has_counts_as_half_an_image():
    by_hand = 0.5 * math.log(0.5 / (4 / 4.5)) + 0.5 * math.log(0.5 / (0.5 / 4.5))
    assert reverse_kl(labels(4), labels(1, 1), 2) == pytest.approx(by_hand)


def test_the_total_variation_is_what_would_have_to_move():
    assert class_distance(labels(2, 1, 1), labels(1, 3, 0), 3) == pytest.approx(0.5)
    assert class_distance(labels(2, 0), labels(0, 5), 2) == 1


@pytest.mark.parametrize("wrong", [torch.tensor([3]), torch.tensor([-1])])
def test_a_label_that_is_no_class_is_refused(wrong):
    with pytest.raises(ValueError, match="3 classes"):
        class_shares(wrong, 3)


def test_no_labels_are_refused():
    with pytest.raises(ValueError, match="no labels"):
        class_shares(torch.zeros(0, dtype=torch.int64), 3)
