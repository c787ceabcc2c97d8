"""The VAE system."""

import torch

from darkroom.randomness import Noise
from tests.conftest import tiny_system


def test_accumulated_batches_average_once_and_count_every_image(run):
    updates = []
    system = tiny_system("vae")
    original = type(system.averaged).update

    def spied(self, network, images_seen):
        updates.append(images_seen)
        original(self, network, images_seen)

    type(system.averaged).update = spied
    try:
        finished = run("vae", images=96, accumulate_grad_batches=3, gradient_clip_val=1.0)
    finally:
        type(system.averaged).update = original
    assert finished.system.images_seen == 96
    assert updates == [48, 48, 96, 96]  # the network's average and the prior's


def test_validation_measures_the_averaged_weights(run):
    finished = run("vae", images=64, validate_every=32)
    trainer, system, data = finished.trainer, finished.system, finished.data
    logged = trainer.callback_metrics
    whole = logged["validation/rate"] + logged["validation/distortion"]
    torch.testing.assert_close(logged["validation/negative_elbo"], whole)
    assert "validation/bits_per_dim" not in logged  # a Bernoulli has none
    with torch.no_grad():
        for p in system.network.parameters():
            p.zero_()
    trainer.validate(system, datamodule=data, verbose=False)
    torch.testing.assert_close(
        trainer.callback_metrics["validation/negative_elbo"], logged["validation/negative_elbo"]
    )


def test_reconstruction_uses_no_noise(run):
    system = run("vae", images=32).system
    images = torch.rand(5, 1, 16, 16) * 2 - 1
    assert torch.equal(system.reconstruct(images), system.reconstruct(images))
    assert system.reconstruct(images).shape == images.shape


def test_the_weights_of_samples_average_to_the_bound():
    system = tiny_system("vae")
    images = (torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)).expand(2000, -1, -1, -1)
    bound = system.bound(system.developer, images, Noise(0, torch.arange(2000)))
    differences = bound.log_weight + bound.negative_elbo
    error = differences.std() / len(differences) ** 0.5
    assert differences.mean().abs() < 4 * error
