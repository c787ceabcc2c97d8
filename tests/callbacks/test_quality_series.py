"""The quality that a run logs, in the features that its config names, and what follows from it."""

import pytest
import torch
from omegaconf import OmegaConf

from darkroom import checkpoint
from darkroom.callbacks import Checkpoints, Quality
from darkroom.images import Pixels
from darkroom.metrics import kernel_distance, thumbnails
from darkroom.metrics.features import Instrument
from darkroom.sampling import develop, latents_of
from darkroom.trainer import Trainer
from darkroom.verbs import train as training


class Brightness:
    """A network that was taught."""

    instrument = Instrument("brightness", "hash", "one number")

    def __call__(self, pixels: Pixels):
        return pixels.float().mean((1, 2, 3))[:, None] / 255


class Taught:
    """A yardstick: it becomes a network by its lesson."""

    def __init__(self):
        self.lessons = []

    def fitted(self, lesson):
        self.lessons.append(lesson)
        return Brightness()


def test_the_distance_of_thumbnails_is_what_it_is(run):
    finished = run("gan", images=32, callbacks=(Quality(16, n=40),))
    real = thumbnails(finished.data.held_out.some(40))
    drawn = develop(finished.system, latents_of(range(40), 8))
    expected = kernel_distance(real, torch.cat([thumbnails(pixels) for pixels in drawn]))
    logged = finished.trainer.callback_metrics["quality/kid_thumbnail"]
    assert logged.item() == pytest.approx(expected, abs=1e-6)


def test_a_yardstick_is_taught_once_with_the_training_images(run):
    taught = Taught()
    finished = run("gan", images=64, callbacks=(Quality(16, n=8, features=taught),))
    (lesson,) = taught.lessons
    assert torch.equal(lesson.pixels, finished.data.training.first(len(lesson.pixels)))
    assert lesson.class_names == tuple("0123456789")
    assert len(lesson.fingerprint) == 64
    names = [n for n in finished.trainer.callback_metrics if n.startswith("quality/")]
    assert names == ["quality/kid_brightness"]


def test_held_out_images_are_described_once_and_a_network_needs_no_lesson(run, monkeypatch):
    class Counting(Brightness):
        shown = 0

        def __call__(self, pixels):
            self.shown += len(pixels)
            return super().__call__(pixels)

    network = Counting()
    monkeypatch.delattr("darkroom.data.ImageData.labelled")
    finished = run("gan", images=64, callbacks=(Quality(16, n=10, features=network),))
    assert network.shown == len(finished.data.held_out) + 4 * 10


def test_best_follows_the_features_that_are_named(run, tmp_path):
    callbacks = (Quality(16, n=8, features=Taught()), Checkpoints(every=16))
    finished = run("gan", images=64, callbacks=callbacks)
    assert callbacks[1].best <= finished.trainer.callback_metrics["quality/kid_brightness"]
    assert checkpoint.read(tmp_path / "checkpoints" / "best.ckpt")["images_seen"] > 0


def test_a_sweep_follows_the_features_that_are_named(run, tmp_path, monkeypatch):
    callbacks = (Quality(16, n=8, features=Taught()),)
    finished = run("gan", images=32, callbacks=callbacks)
    monkeypatch.setattr(Trainer, "loggers", [])
    returned = training._finish(finished.trainer, tmp_path, OmegaConf.create({}))
    assert returned == float(finished.trainer.callback_metrics["quality/kid_brightness"])
