"""Each model learns: measured on held-out real digits, against baselines that it has to beat."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC
from torch.nn.functional import adaptive_avg_pool2d, binary_cross_entropy

from darkroom import config, randomness
from darkroom.images import Pixels
from darkroom.metrics import kernel_distance, thumbnails
from darkroom.objectives import NonSaturating
from darkroom.sampling import develop, latents_of

pytestmark = pytest.mark.slow

CONF = str(Path(__file__).parents[1] / "conf")


def trained(tmp_path: Path, *overrides: str, objective=None):
    """A model trained by the composed recipe, and its data."""
    with initialize_config_dir(CONF, version_base="1.3"):
        composed = compose("train", [*overrides, "logger={}", "callbacks={}"])
    config.check(composed)
    data = config.build(composed.data)
    with randomness.initialisation(0):
        system = config.build(composed.model)
    if objective is not None:
        system.objective = objective
    (tmp_path / "config.yaml").write_text("")
    trainer = config.build(composed.trainer, default_root_dir=str(tmp_path), logger=False)
    trainer.fit(system, datamodule=data)
    return system.eval(), data


def features(pixels: Pixels) -> np.ndarray:
    return adaptive_avg_pool2d(pixels.double(), 8).flatten(1).numpy() / 255


class Judge:
    """A classifier of real digits looks at samples: how many are clear, and of which class?"""

    def __init__(self, data) -> None:
        self.real = data.held_out
        self.classifier = CalibratedClassifierCV(SVC(gamma=0.05), ensemble=False)
        self.classifier.fit(features(data.training.pixels), data.training.labels.numpy())
        accuracy = self.classifier.score(features(self.real.pixels), self.real.labels.numpy())
        assert accuracy > 0.97, "the judge itself has to know digits"

    def clear(self, pixels: Pixels) -> float:
        """Share of images that the classifier is sure of."""
        return float((self.classifier.predict_proba(features(pixels)).max(1) > 0.8).mean())

    def smallest_class(self, pixels: Pixels) -> float:
        """Share of the class that is drawn least."""
        classes = self.classifier.predict(features(pixels))
        return float(np.bincount(classes, minlength=10).min() / len(pixels))

    def distance(self, pixels: Pixels) -> float:
        return kernel_distance(thumbnails(self.real.pixels), thumbnails(pixels))


def drawn(system, n: int = 1000) -> Pixels:
    return torch.cat(list(develop(system, latents_of(range(n), system.latent_dim), 100)))


class FlippedSign(NonSaturating):
    """What the GAN test has to notice."""

    def generator(self, fake):
        return -super().generator(fake)


def test_gan_draws_clear_digits_of_every_class_and_a_flipped_sign_does_not(tmp_path: Path):
    overrides = ("model=gan", "model.generator.width=32", "model.discriminator.width=32")
    overrides += ("trainer.max_images=120000",)
    system, data = trained(tmp_path, *overrides)
    judge, samples = Judge(data), drawn(system)
    scores = judge.clear(samples), judge.smallest_class(samples), judge.distance(samples)
    print("clear, smallest class, distance:", scores)

    flipped, _ = trained(tmp_path, *overrides, "trainer.max_images=30000", objective=FlippedSign())
    wrong = drawn(flipped)
    flipped_scores = judge.clear(wrong), judge.smallest_class(wrong), judge.distance(wrong)
    print("with a flipped sign:", flipped_scores)
    assert scores[0] > 0.3
    assert scores[1] > 0.02
    assert scores[2] < 0.06
    assert flipped_scores[2] > 0.2 or flipped_scores[1] == 0


def test_vae_bound_beats_the_mean_image_and_its_own_start(tmp_path: Path):
    overrides = ("model=vae", "model.network.width=16", "trainer.max_images=60000")
    system, data = trained(tmp_path, *overrides, "trainer.validate_every=60000")
    bound = float(system.trainer.callback_metrics["validation/negative_elbo"])

    x = data.held_out.pixels.double() / 255
    mean = (data.training.pixels.double() / 255).mean(0, keepdim=True).clamp(1e-3, 1 - 1e-3)
    baseline = binary_cross_entropy(mean.expand_as(x), x, reduction="none").flatten(1).sum(1).mean()
    print("bound, baseline:", bound, float(baseline))
    assert bound < baseline - 20
    judge = Judge(data)
    rebuilt = (system.reconstruct(data.held_out.pixels.float() / 127.5 - 1) + 1) * 127.5
    accuracy = judge.classifier.score(
        features(rebuilt.detach().round().to(torch.uint8)), data.held_out.labels.numpy()
    )
    print("reconstructions that keep their class:", accuracy)
    assert accuracy > 0.9
