"""The averaged weights."""

import torch
from torch import nn

from darkroom.systems.averaging import RAMP_UP, AveragedNetwork


def linear(value: float) -> nn.Linear:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def test_first_update_takes_the_weights_and_later_ones_follow_the_half_life():
    averaged = AveragedNetwork(linear(5.0), half_life=100)
    averaged.update(linear(1.0), images_seen=10_000)
    assert averaged.module.weight.item() == 1.0
    averaged.update(linear(3.0), images_seen=10_100)  # one half-life later
    assert averaged.module.weight.item() == 2.0


def test_half_life_is_short_while_training_is_young():
    averaged = AveragedNetwork(linear(0.0), half_life=10**9)
    averaged.update(linear(0.0), images_seen=1000)
    averaged.update(linear(1.0), images_seen=1100)
    expected = 1 - 0.5 ** (100 / (RAMP_UP * 1100))
    torch.testing.assert_close(averaged.module.weight.item(), expected)


def test_number_of_steps_does_not_change_the_average():
    few, many = (AveragedNetwork(linear(0.0), half_life=100) for _ in range(2))
    for averaged in (few, many):
        averaged.update(linear(0.0), images_seen=10_000)
    few.update(linear(1.0), images_seen=10_200)
    many.update(linear(1.0), images_seen=10_100)
    many.update(linear(1.0), images_seen=10_200)
    torch.testing.assert_close(few.module.weight, many.module.weight)


def test_batch_norm_statistics_are_averaged_and_its_counter_copied():
    network = nn.BatchNorm1d(2)
    averaged = AveragedNetwork(network, half_life=100)
    averaged.update(network, images_seen=10_000)
    network(torch.full((4, 2), 10.0))
    averaged.update(network, images_seen=10_100)
    torch.testing.assert_close(averaged.module.running_mean, network.running_mean / 2)
    assert averaged.module.num_batches_tracked == 1


def test_it_never_trains_and_survives_a_checkpoint():
    averaged = AveragedNetwork(nn.BatchNorm1d(2), half_life=100)
    averaged.train()
    assert not averaged.module.training
    assert not any(p.requires_grad for p in averaged.parameters())
    averaged.update(nn.BatchNorm1d(2), images_seen=77)
    restored = AveragedNetwork(nn.BatchNorm1d(2), half_life=100)
    restored.load_state_dict(averaged.state_dict())
    assert restored.images_seen == 77
