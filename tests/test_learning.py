"""Each model learns: measured on held-out real digits, against baselines that it has to beat."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy

from darkroom import config, randomness
from darkroom.data import ImageData
from darkroom.images import Pixels, to_float, to_pixels
from darkroom.metrics import kernel_distance, thumbnails
from darkroom.objectives import NonSaturating
from darkroom.sampling import develop, latents_of

pytestmark = pytest.mark.slow

CONF = str(Path(__file__).parents[1] / "conf")


def trained(tmp_path: Path, *overrides: str, objective=None, prepared=None):
    """A model trained by the composed recipe, once `prepared` has changed it, and its data."""
    with initialize_config_dir(CONF, version_base="1.3"):
        composed = compose("train", [*overrides, "logger={}", "callbacks={}"])
    config.check(composed)
    data = config.build(composed.data)
    with randomness.initialisation(0):
        system = config.build(composed.model)
    if objective is not None:
        system.game = objective
    if prepared is not None:
        prepared(system)
    (tmp_path / "config.yaml").write_text("")
    trainer = config.build(composed.trainer, default_root_dir=str(tmp_path), logger=False)
    trainer.fit(system, datamodule=data)
    return system.eval(), data


def features(pixels: Pixels) -> np.ndarray:
    return adaptive_avg_pool2d(pixels.double(), 8).flatten(1).numpy() / 255


class Judge:
    """Three unlike classifiers of real digits look at samples.

    Where all three see the same digit, a sample is recognised. They agree on 94% of the held-out
    digits, on 60% of the averages of two digits, and on 28% of noise.
    """

    def __init__(self, data: ImageData) -> None:
        self.real = data.held_out
        x, y = features(data.training.pixels), data.training.labels.numpy()
        kinds = SVC(gamma=0.05), KNeighborsClassifier(3), LogisticRegression(max_iter=500)
        self.classifiers = [kind.fit(x, y) for kind in kinds]
        assert self.recognised(self.real.pixels).sum() > 0.9, "the judge has to know digits"

    def votes(self, pixels: Pixels) -> np.ndarray:
        return np.stack([each.predict(features(pixels)) for each in self.classifiers])

    def recognised(self, pixels: Pixels) -> np.ndarray:
        """Share of all images that are recognised as each of the ten digits."""
        votes = self.votes(pixels)
        agreed = votes[0][(votes == votes[0]).all(0)]
        return np.bincount(agreed, minlength=10) / len(pixels)

    def distance(self, pixels: Pixels) -> float:
        return kernel_distance(thumbnails(self.real.pixels), thumbnails(pixels))


def drawn(system, n: int = 1000) -> Pixels:
    return torch.cat(list(develop(system, latents_of(range(n), system.latent_dim), 100)))


class FlippedSign(NonSaturating):
    """What the GAN test has to notice."""

    def generator(self, real, fake):
        return -super().generator(real, fake)


def test_gan_draws_every_digit_recognisably_and_with_a_flipped_sign_it_does_not(tmp_path: Path):
    system, data = trained(tmp_path, "model=gan", "trainer.max_images=60000")
    judge, samples = Judge(data), drawn(system)
    recognised = judge.recognised(samples)
    print("recognised", recognised, "distance", judge.distance(samples))
    assert recognised.sum() > 0.62
    assert recognised.min() > 0.01
    assert judge.distance(samples) < 0.05

    flipped, _ = trained(tmp_path, "model=gan", "trainer.max_images=10000", objective=FlippedSign())
    wrong = judge.recognised(drawn(flipped))
    print("with a flipped sign", wrong, "distance", judge.distance(drawn(flipped)))
    assert wrong.sum() < 0.3
    assert judge.distance(drawn(flipped)) > 0.05


def test_vae_bound_beats_the_mean_image_and_keeps_what_digit_it_was(tmp_path: Path):
    overrides = ("model=vae", "model.network.width=16", "trainer.max_images=60000")
    system, data = trained(tmp_path, *overrides, "trainer.validate_every=60000")
    bound = float(system.trainer.callback_metrics["validation/negative_elbo"])

    x = data.held_out.pixels.double() / 255
    mean = (data.training.pixels.double() / 255).mean(0, keepdim=True).clamp(1e-3, 1 - 1e-3)
    baseline = binary_cross_entropy(mean.expand_as(x), x, reduction="none").flatten(1).sum(1).mean()
    print("bound", bound, "of the mean image", float(baseline))
    assert bound < baseline - 8  # nats per image
    barely, _ = trained(tmp_path, *overrides, "trainer.max_images=64", "trainer.validate_every=64")
    start = float(barely.trainer.callback_metrics["validation/negative_elbo"])
    print("after one step", start)
    assert bound < start - 50

    judge = Judge(data)
    rebuilt = to_pixels(system.reconstruct(to_float(data.held_out.pixels)).detach())
    kept = float((judge.votes(rebuilt)[0] == data.held_out.labels.numpy()).mean())
    print("reconstructions that are the same digit", kept)
    assert kept > 0.85
