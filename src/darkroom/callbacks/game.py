"""How the game of a GAN stands: does the discriminator judge, or does it remember?"""

from collections.abc import Iterator, Mapping

import torch

from darkroom.callbacks.measurement import Measurement, on_device, undisturbed
from darkroom.images import Batch, Logits
from darkroom.sampling import latents_of
from darkroom.systems import GAN, Duel, System
from darkroom.trainer import Trainer

STANDARD_ERRORS = 2  # by which training images have to look more real than fakes do


class Game(Measurement):
    """Logs two numbers about the discriminator of a GAN; nothing for another system.

    `vitals/overfitting` says how it judges held-out images, in logits and with r_v of the source:

        r_v = (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(fake)])

    It is 0 if they look as real to it as those that it is trained on, and 1 if they look like
    fakes: then it knows the training images by heart. There is none as long as it does not tell
    training images from fakes.

    `vitals/accuracy` is how often it is right about training images (D > 0) and fakes (D < 0):
    0.5 if it guesses, 1 if the generator has no chance.

    Images are not augmented. Both networks stay in the mode that they train in, and each kind of
    image is judged in batches of its own, of the size that they have in training: batch norm then
    normalises as it does in training. In evaluation mode it would use its running statistics,
    which mix real images and fakes, and with which D has never been trained to judge anything.

    Args:
        every: Interval in images.
        n: How many images of a kind, at most. With 512, r_v is certain to some 0.03.

    Source: Karras et al. 2020, arXiv 2006.06676, equation 1.
    """

    on_all_devices = True

    def __init__(self, every: int, n: int = 512) -> None:
        super().__init__(every, n)

    def measure(self, trainer: Trainer, system: System) -> Mapping[str, float]:
        if not isinstance(system, Duel):
            return {}
        data = trainer.datamodule
        known, unknown = data.training.specimens(self.n), data.held_out.specimens(self.n)
        share = data.batch_size // trainer.world_size
        size = min(share, len(known.labels), len(unknown.labels))
        train = torch.cat(list(_judged(system, known, size)))
        held_out = torch.cat(list(_judged(system, unknown, size)))
        fake = torch.cat(list(_faked(system, known, size)))
        right = (train > 0).double().mean() + (fake < 0).double().mean()
        measured = {"vitals/accuracy": float(right / 2)}
        gap = train.mean() - fake.mean()
        error = (train.var() / len(train) + fake.var() / len(fake)).sqrt()
        if gap > STANDARD_ERRORS * error:
            measured["vitals/overfitting"] = float((train.mean() - held_out.mean()) / gap)
        return measured


def _judged(system: Duel, batch: Batch, size: int) -> Iterator[Logits]:
    for part in _whole(batch, size):
        shown = on_device(part, system)
        yield undisturbed(system.discriminator, shown.images, shown.labels).cpu().double()


def _faked(system: Duel, like: Batch, size: int) -> Iterator[Logits]:
    """Fakes of as many seeds, judged."""
    latents = latents_of(range(len(like.labels)), system.latent_dim)
    for part, z in zip(_whole(like, size), latents.split(size), strict=False):
        labels = part.labels.to(system.device)
        z = z.to(system.device, system.dtype)
        if isinstance(system, GAN):
            fake = undisturbed(system.generator, z, labels)
        else:  # no single network makes images; the averaged ones have no batch norm in training
            fake = system(z, labels)
        yield undisturbed(system.discriminator, fake, labels).cpu().double()


def _whole(batch: Batch, size: int) -> Iterator[Batch]:
    """Batches of the same size; what is left over is left out."""
    for first in range(0, len(batch.labels) - size + 1, size):
        yield Batch(*(part[first : first + size] for part in batch))
