"""The game of two players, in manual optimization."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn, optim

from darkroom.images import Batch, Images, Labels, Latents
from darkroom.networks import Generator
from darkroom.objectives import Adversarial
from darkroom.systems.averaging import AveragedNetwork
from darkroom.systems.system import System

OptimizerFactory = Callable[[Iterable[nn.Parameter]], optim.Optimizer]


class GAN(System):
    """A generator against a discriminator.

    Args:
        generator: Latents to images; a `networks.Generator`.
        discriminator: Images to logits; a `networks.Discriminator`.
        objective: The losses of both players.
        generator_optimizer: Makes an optimizer from parameters.
        discriminator_optimizer: Likewise.
        half_life: Half-life of the averaged generator, in images.
        seed: The run's seed.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: Adversarial,
        generator_optimizer: OptimizerFactory,
        discriminator_optimizer: OptimizerFactory,
        half_life: float = 10_000,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.automatic_optimization = False
        self.generator = generator
        self.discriminator = discriminator
        self.averaged = AveragedNetwork(generator, half_life)
        self.objective = objective
        self.optimizer_factories = (discriminator_optimizer, generator_optimizer)
        self.latent_dim = cast(Generator, generator).latent_dim

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        return self.averaged(latents.to(next(self.parameters())), labels)

    def trained_parts(self) -> Iterable[nn.Module]:
        return self.generator, self.discriminator

    def configure_optimizers(self) -> list[optim.Optimizer]:
        make_discriminators, make_generators = self.optimizer_factories
        return [
            make_discriminators(self.discriminator.parameters()),
            make_generators(self.generator.parameters()),
        ]

    def training_step(self, batch: Batch) -> None:
        latents = self.noise("latents", batch).normal(self.latent_dim).to(batch.images)
        fake = self.generator(latents, batch.labels)
        terms = self.discriminator_step(batch, fake.detach())
        terms |= self.generator_step(batch, fake)
        self.count(batch)
        self.averaged.update(self.generator, self.images_seen)
        self.record(terms)

    def discriminator_step(self, batch: Batch, fake: Images) -> dict[str, Tensor]:
        """One step of the discriminator, on real images and on fakes that carry no gradient."""
        optimizer, _ = cast(list[LightningOptimizer], self.optimizers())
        real_logits = self.discriminator(batch.images, batch.labels)
        fake_logits = self.discriminator(fake, batch.labels)
        loss = self.objective.discriminator(real_logits, fake_logits).mean()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return {
            "loss/discriminator": loss,
            "probability/real": real_logits.sigmoid(),
            "probability/fake_before": fake_logits.sigmoid(),
        }

    def generator_step(self, batch: Batch, fake: Images) -> dict[str, Tensor]:
        """One step of the generator, on the same fakes through the updated discriminator."""
        _, optimizer = cast(list[LightningOptimizer], self.optimizers())
        with frozen(self.discriminator):
            fake_logits = self.discriminator(fake, batch.labels)
            loss = self.objective.generator(fake_logits).mean()
            optimizer.zero_grad()
            self.manual_backward(loss)
        optimizer.step()
        return {"loss/generator": loss, "probability/fake_after": fake_logits.sigmoid()}


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through the network to its input, and not into its weights.

    Cheaper than Lightning's `toggle_optimizer`. It also keeps autocast from reusing the copies in
    half precision that it made before the discriminator's step: it caches trainable weights only.
    """
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
