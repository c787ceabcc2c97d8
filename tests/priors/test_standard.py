"""The prior of the bound."""

import torch

from darkroom.priors import Prior, Standard
from darkroom.randomness import Noise


def test_latents_are_the_noise():
    prior, noise = Standard(3), Noise(0, torch.arange(4)).normal(3)
    assert isinstance(prior, Prior)
    assert (prior.latent_dim, prior.noise_dim) == (3, 3)
    assert prior(noise).equal(noise)
    assert prior.noise_of(noise).equal(noise)


def test_there_is_nothing_to_learn():
    prior = Standard(3)
    assert prior.loss(torch.ones(4, 3), Noise(0, torch.arange(4))).tolist() == [0.0] * 4
    assert prior.state_dict() == {}
