"""The game of two players, in manual optimization."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from typing import cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn, optim

from darkroom.augmentation import DiscriminatorAugmentation, Unaugmented
from darkroom.images import Batch, Images, Labels, Latents, Logits
from darkroom.networks import Generator
from darkroom.objectives import Adversarial, Judged, Penalty
from darkroom.schedules import Schedule, at
from darkroom.systems.averaging import AveragedNetwork
from darkroom.systems.optimizers import OptimizerFactory
from darkroom.systems.system import System


class Duel(System):
    """What systems with a discriminator share: its own steps, and what it says of the fakes.

    Attributes:
        discriminator: Images to logits; a `networks.Discriminator`.
        game: The losses of both players.
        penalties: What the discriminator's loss has in addition, by name.
        augmentation: What happens to all images on their way to the discriminator.
    """

    discriminator: nn.Module
    game: Adversarial
    penalties: Mapping[str, Penalty]
    augmentation: DiscriminatorAugmentation | Unaugmented

    def face(
        self,
        discriminator: nn.Module,
        game: Adversarial,
        penalties: Mapping[str, Penalty | None] | None,
        augmentation: DiscriminatorAugmentation | Unaugmented | None,
    ) -> None:
        """Takes the opponent in, and the rules."""
        self.automatic_optimization = False
        self.discriminator = discriminator
        self.game = game
        self.penalties = {k: p for k, p in (penalties or {}).items() if p is not None}
        self.augmentation = augmentation or Unaugmented()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        super().on_train_batch_start(batch, batch_idx)
        self.augmentation.advance(self.images_seen)

    def settings(self) -> Mapping[str, float | Schedule]:
        weights = {f"penalty/{name}": penalty.weight for name, penalty in self.penalties.items()}
        return {**super().settings(), **weights, "augmentation": self.augmentation.setting}

    def discriminator_step(self, batch: Batch, fake: Images) -> dict[str, Tensor]:
        """One step of the discriminator, on real images and on fakes that carry no gradient."""
        optimizer, _ = cast(list[LightningOptimizer], self.optimizers())
        is_sloped = any(penalty.takes_slopes for penalty in self.penalties.values())
        real, fakes = (
            Judged(
                partial(self.opinion, batch=batch, purpose=f"{kind} for the discriminator"),
                images.detach().requires_grad_(is_sloped),
            )
            for kind, images in (("real", batch.images), ("fake", fake))
        )
        loss = self.game.discriminator(real.logits, fakes.logits).mean()
        reading = self.game.reading
        terms = {
            "loss/discriminator": loss,
            f"{reading.name}/real": reading.of(real.logits),
            f"{reading.name}/fake_before": reading.of(fakes.logits),
        }
        for name, penalty in self.penalties.items():
            term = penalty(real, fakes, self.noise(f"penalty {name}", batch)).mean()
            terms[f"penalty/{name}"] = term
            loss = loss + at(penalty.weight, self.images_seen) * term
        self.descend(optimizer, loss)
        judged = cast(Tensor, self.all_gather(real.logits.detach())).flatten()
        self.augmentation.observe(judged, len(judged))
        return terms

    def persuasion(self, batch: Batch, fake: Images) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of who made the fakes, and what to log; with the discriminator frozen."""
        real = partial(self.opinion, batch.images, batch, "real for the generator")
        fake_logits = self.opinion(fake, batch, "fake for the generator")
        loss = self.game.generator(real, fake_logits).mean()
        reading = self.game.reading
        return loss, {
            "loss/generator": loss,
            f"{reading.name}/fake_after": reading.of(fake_logits),
        }

    def opinion(self, images: Images, batch: Batch, purpose: str) -> Logits:
        """What the discriminator says of images in the place of a batch's, once augmented."""
        seen = self.augmentation(images, self.noise(f"augmentation of {purpose}", batch))
        return self.discriminator(seen, batch.labels)


class GAN(Duel):
    """A generator against a discriminator.

    Args:
        generator: Latents to images; a `networks.Generator`.
        discriminator: Images to logits; a `networks.Discriminator`.
        objective: The losses of both players.
        generator_optimizer: Makes an optimizer from parameters.
        discriminator_optimizer: Likewise.
        penalties: What the discriminator's loss has in addition, by name.
        augmentation: What happens to all images on their way to the discriminator; nothing if it
            is not given.
        discriminator_steps: Steps of the discriminator for each one of the generator.
        frozen_layers: Convolutions of the discriminator, counted from the image, that do not train.
        max_gradient_norm: Longer gradients are shortened to this, each player's for itself.
        half_life: Half-life of the averaged generator, in images.
        seed: The run's seed.

    Raises:
        ValueError: If an option makes no sense, or no layer of the discriminator trains.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: Adversarial,
        generator_optimizer: OptimizerFactory,
        discriminator_optimizer: OptimizerFactory,
        penalties: Mapping[str, Penalty | None] | None = None,
        augmentation: DiscriminatorAugmentation | Unaugmented | None = None,
        discriminator_steps: int = 1,
        frozen_layers: int = 0,
        max_gradient_norm: float | None = None,
        half_life: float | Schedule = 10_000,
        seed: int = 0,
    ) -> None:
        super().__init__(seed, cast(Generator, generator).num_classes, max_gradient_norm)
        if discriminator_steps < 1:
            raise ValueError(
                f"model.discriminator_steps={discriminator_steps}: type a number from 1 on."
            )
        self.generator = generator
        self.face(discriminator, objective, penalties, augmentation)
        freeze_first(discriminator, frozen_layers)
        self.averaged = AveragedNetwork(generator, half_life)
        self.cycle = discriminator_steps
        self.optimizer_factories = (discriminator_optimizer, generator_optimizer)
        self.latent_dim = cast(Generator, generator).latent_dim

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        weight = next(self.parameters())
        return self.averaged(
            latents.to(weight), None if labels is None else labels.to(weight.device)
        )

    def trained_parts(self) -> Iterable[nn.Module]:
        return self.generator, self.discriminator

    def configure_optimizers(self) -> list[optim.Optimizer]:
        make_discriminators, make_generators = self.optimizer_factories
        return [
            make_discriminators(w for w in self.discriminator.parameters() if w.requires_grad),
            make_generators(self.generator.parameters()),
        ]

    def training_step(self, batch: Batch) -> None:
        is_generators_turn = self.step_number(batch) % self.cycle == 0
        latents = self.noise("latents", batch).normal(self.latent_dim).to(batch.images)
        with torch.set_grad_enabled(is_generators_turn):
            fake = self.generator(latents, batch.labels)
        terms = self.discriminator_step(batch, fake.detach())
        if is_generators_turn:
            terms |= self.generator_step(batch, fake)
        self.count(batch)
        self.averaged.update(self.generator, self.images_seen)
        self.record(terms)

    def generator_step(self, batch: Batch, fake: Images) -> dict[str, Tensor]:
        """One step of the generator, on the same fakes through the updated discriminator."""
        _, optimizer = cast(list[LightningOptimizer], self.optimizers())
        with frozen(self.discriminator):
            loss, terms = self.persuasion(batch, fake)
            self.descend(optimizer, loss)
        return terms


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through the network to its input, and not into its weights.

    Cheaper than Lightning's `toggle_optimizer`. It also keeps autocast from reusing the copies in
    half precision that it made before the discriminator's step: it caches trainable weights only.
    """
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_(True)


def freeze_first(discriminator: nn.Module, layers: int) -> None:
    """Takes the first convolutions, with the norms that follow them, out of training.

    What they see, edges and strokes, few new images cannot teach better.

    Raises:
        ValueError: If not one convolution is left to train.

    Source: Mo, Cho and Shin 2020 (FreezeD), arXiv 2002.10964.
    """
    if layers == 0:
        return
    convolutions = [each for each in discriminator.modules() if isinstance(each, nn.Conv2d)]
    if not 0 < layers < len(convolutions):
        raise ValueError(
            f"model.frozen_layers={layers}: the discriminator has {len(convolutions)} "
            f"convolutions. Type a number from 0 to {len(convolutions) - 1}."
        )
    first_trained = next(convolutions[layers].parameters())
    for weight in takewhile(lambda weight: weight is not first_trained, discriminator.parameters()):
        weight.requires_grad_(False)
