"""The adversarial finish of a VAE: its decoder learns what a mean over images leaves out."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn, optim

from darkroom.augmentation import DiscriminatorAugmentation, Unaugmented
from darkroom.images import Batch, Images, PerImage
from darkroom.networks import LatentModel
from darkroom.objectives import Adversarial, Objective, Penalty
from darkroom.priors import Prior
from darkroom.schedules import Schedule, at
from darkroom.systems.gan import Duel, frozen
from darkroom.systems.optimizers import OptimizerFactory
from darkroom.systems.vae import VAE


class VAEGAN(Duel, VAE):
    """The decoder of a trained VAE against a discriminator; all else stays as it is.

        loss of the decoder = distortion + weight * (loss of a generator)

    Encoder, prior and the likelihood's scale do not learn, so latents mean what they meant. The
    distortion, of images decoded from q(z|x), keeps the decoder faithful. The discriminator sees
    new images, decoded from the prior, which are what it is about; it can be shown images decoded
    from q(z|x) too, whose real neighbours differ from them by nothing but what the decoder left
    out. In one trial on Fashion-MNIST new images gained less by that: FD-infinity 11.3 became 6.3,
    and 5.3 without.

    The bound grows worse, and is logged: sharp details that are not those of the image cost more
    nats than none.

    Args:
        network: A `networks.LatentModel` whose decoder is a module of its own.
        objective: The bound, whose likelihood measures the distortion.
        discriminator: Images to logits; a `networks.Discriminator`.
        game: The losses of both players.
        origin: The run whose weights it begins with, `init_from` of a config. An encoder that never
            learned would never learn.
        network_optimizer: Makes an optimizer from the decoder's parameters.
        discriminator_optimizer: Likewise.
        prior: Where latents of new images come from; N(0, I) if it is not given.
        weight: Nats that one unit of the generator's loss is worth.
        rebuilt: Share of the fakes that are decoded from q(z|x); the others are from the prior.
        penalties: What the discriminator's loss has in addition, by name.
        augmentation: What happens to all images on their way to the discriminator; nothing if it
            is not given.
        max_gradient_norm: Longer gradients are shortened to this, each player's for itself.
        half_life: Half-life of the averaged decoder, in images.
        seed: The run's seed.

    Raises:
        ValueError: If an option makes no sense, or the parts do not fit one another.

    Source: Larsen et al. 2016 (VAE-GAN), arXiv 1512.09300, algorithm 1, for fakes of both kinds;
    Esser et al. 2021 (VQGAN), arXiv 2012.09841, equations 5 and 6, for the sum. Both train the
    encoder too.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        discriminator: nn.Module,
        game: Adversarial,
        origin: str | None,
        network_optimizer: OptimizerFactory,
        discriminator_optimizer: OptimizerFactory,
        prior: nn.Module | None = None,
        weight: float | Schedule = 2000.0,
        rebuilt: float = 0.0,
        penalties: Mapping[str, Penalty | None] | None = None,
        augmentation: DiscriminatorAugmentation | Unaugmented | None = None,
        max_gradient_norm: float | None = None,
        half_life: float | Schedule = 10_000,
        seed: int = 0,
    ) -> None:
        super().__init__(
            network,
            objective,
            network_optimizer,
            prior,
            max_gradient_norm=max_gradient_norm,
            half_life=half_life,
            seed=seed,
        )
        self.face(discriminator, game, penalties, augmentation)
        if origin is None:
            raise ValueError(
                "model=vae_gan finishes a VAE that has been trained, and trains its decoder alone. "
                "Type init_from=<folder of the VAE's run>."
            )
        if at(weight, 0) < 0:
            raise ValueError(
                f"model.weight={weight} rewards what the discriminator sees through. Type a "
                "positive number of nats."
            )
        if not 0 <= rebuilt <= 1:
            raise ValueError(f"model.rebuilt={rebuilt} is a share: type a number within 0..1.")
        for part in (self.network, self.likelihood, self.prior):
            part.requires_grad_(False)
        decoder_of(network).requires_grad_(True)
        self.weight, self.rebuilt = weight, rebuilt
        self.optimizer_factories = (discriminator_optimizer, network_optimizer)

    def trained_parts(self) -> Iterable[nn.Module]:
        return *self.network.children(), self.discriminator

    def configure_optimizers(self) -> list[optim.Optimizer]:
        make_discriminators, make_networks = self.optimizer_factories
        return [
            make_discriminators(self.discriminator.parameters()),
            make_networks(decoder_of(self.network).parameters()),
        ]

    def settings(self) -> Mapping[str, float | Schedule]:
        return {**super().settings(), "weight": self.weight}

    def training_step(self, batch: Batch) -> None:
        fake, distortion = self.developed(batch)
        terms = self.discriminator_step(batch, fake.detach())
        terms |= self.decoder_step(batch, fake, distortion)
        self.count(batch)
        self.averaged.update(self.network, self.images_seen)
        self.record(terms)

    def developed(self, batch: Batch) -> tuple[Images, PerImage]:
        """The fakes of a batch, and the distortion of its images."""
        network = cast(LatentModel, self.network)
        images = self.likelihood.shown(batch.images, self.noise("shown", batch))
        inference = network.infer(images, self.noise("posterior", batch), batch.labels)
        z = self.noise("latents", batch).normal(self.latent_dim).to(batch.images)
        with torch.no_grad():
            latents = cast(Prior, self.prior)(z, batch.labels)
        new = self.likelihood.mean(network.decode(latents, batch.labels))
        rebuilt = self.likelihood.mean(inference.parameters)
        chosen = self.noise("rebuilt", batch).uniform(1, 1, 1).to(batch.images) < self.rebuilt
        distortion = -self.likelihood.log_prob(inference.parameters, images)
        return torch.where(chosen, rebuilt, new), distortion

    def decoder_step(self, batch: Batch, fake: Images, distortion: PerImage) -> dict[str, Tensor]:
        """One step of the decoder, on the same fakes through the updated discriminator."""
        _, optimizer = cast(list[LightningOptimizer], self.optimizers())
        with frozen(self.discriminator):
            loss, terms = self.persuasion(batch, fake)
            self.descend(optimizer, distortion.mean() + at(self.weight, self.images_seen) * loss)
        return {**terms, "distortion": distortion}


def decoder_of(network: nn.Module) -> nn.Module:
    """The part of a latent model that alone decodes.

    Raises:
        ValueError: If it has none, so that with the decoder the encoder would change.
    """
    decoder = getattr(network, "decoder", None)
    if decoder is None:
        raise ValueError(
            f"model.network._target_={type(network).__name__} has no decoder of its own that could "
            "be trained while the encoder stays. Finish a run of model=vae, sigma_vae or vq_vae."
        )
    return cast(nn.Module, decoder)
