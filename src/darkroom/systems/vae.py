"""One system for every latent model: a VAE, a ladder of latents, a vector-quantised model."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn, optim

from darkroom.images import Batch, Images, Labels, Latents, PerImage
from darkroom.networks import Inference, LatentModel
from darkroom.objectives import Bound, Objective, bits_per_dim
from darkroom.priors import Prior, Standard
from darkroom.randomness import Noise, key
from darkroom.schedules import Schedule
from darkroom.systems.averaging import AveragedNetwork
from darkroom.systems.optimizers import OptimizerFactory
from darkroom.systems.system import System


class VAE(System):
    """A latent model trained on a bound of the evidence, and a prior that learns its latents.

    Both learn side by side, from the same images: the prior from latents that carry no gradient,
    so that it follows the encoder and never leads it.

    Args:
        network: A `networks.LatentModel`.
        objective: The bound, with its likelihood.
        optimizer: Makes an optimizer from parameters.
        prior: Where latents of new images come from; N(0, I) if it is not given.
        frozen: Whether the network stays as it is and the prior alone learns.
        max_gradient_norm: Longer gradients of all weights together are shortened to this.
        half_life: Half-life of the averaged network and prior, in images.
        seed: The run's seed.

    Raises:
        ValueError: If the parts do not fit one another, or an option makes no sense.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        optimizer: OptimizerFactory,
        prior: nn.Module | None = None,
        frozen: bool = False,
        max_gradient_norm: float | None = None,
        half_life: float | Schedule = 10_000,
        seed: int = 0,
    ) -> None:
        model = cast(LatentModel, network)
        super().__init__(seed, model.num_classes, max_gradient_norm)
        self.network = network.requires_grad_(not frozen)
        self.objective = objective
        self.likelihood = objective.likelihood.requires_grad_(not frozen)
        self.prior = prior or Standard(model.latent_dim)
        check_fit(model, objective, cast(Prior, self.prior), frozen)
        self.averaged = AveragedNetwork(network, half_life)
        self.averaged_prior = AveragedNetwork(self.prior, half_life)
        self.optimizer_factory = optimizer
        self.latent_dim = cast(Prior, self.prior).noise_dim

    @property
    def developer(self) -> LatentModel:
        """The averaged network, which makes all images that anybody sees."""
        return cast(LatentModel, self.averaged.module)

    @property
    def guide(self) -> Prior:
        """The averaged prior, which chooses the latents of new images."""
        return cast(Prior, self.averaged_prior.module)

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        noise, labels = self.here(latents, labels)
        return self.decoded(self.guide(noise, labels), labels)

    def encode(self, images: Images, labels: Labels | None = None) -> Latents:
        """What `forward` makes images like these of, by the encoder's means."""
        images, labels = self.here(images, labels)
        return self.guide.noise_of(self.developer.encode(images, labels), labels)

    def reconstruct(self, images: Images, labels: Labels | None = None) -> Images:
        """Images through the latents and back, without noise.

        Args:
            images: The images.
            labels: Their classes; where they are not given, those that explain them best.
        """
        images, labels = self.here(images, self.likeliest(images) if labels is None else labels)
        return self.decoded(self.developer.encode(images, labels), labels)

    def decoded(self, latents: Latents, labels: Labels | None = None) -> Images:
        """The images of latents as the encoder makes them, past the prior."""
        return self.likelihood.mean(self.developer.decode(latents, labels))

    def with_standard_prior(self) -> "VAE":
        """The same model with N(0, I) in the place of a prior that learned; itself if none did.

        Its latents are the encoder's own: `encode` and `forward` pass no prior.
        """
        if isinstance(self.guide, Standard):
            return self
        other = deepcopy(self)
        other.prior = Standard(self.developer.latent_dim)
        other.averaged_prior = AveragedNetwork(other.prior, self.averaged_prior.half_life)
        other.latent_dim = other.prior.noise_dim
        return other

    def likeliest(self, images: Images) -> Labels | None:
        """The class with which the model explains each image best; None if it knows none."""
        if self.class_shares is None:
            return None
        of_classes = []
        for label in range(len(self.class_shares)):
            x, y = self.here(images, torch.full((len(images),), label))
            parameters = self.developer.decode(self.developer.encode(x, y), y)
            of_classes.append(self.likelihood.log_prob(parameters, x))
        return torch.stack(of_classes).argmax(0)

    def here(self, values: Tensor, labels: Labels | None) -> tuple[Tensor, Labels | None]:
        """Both as, and where, the weights are."""
        weight = next(self.parameters())
        return values.to(weight), None if labels is None else labels.to(weight.device)

    def trained_parts(self) -> Iterable[nn.Module]:
        return chain(self.network.children(), self.prior.children())

    def configure_optimizers(self) -> optim.Optimizer:
        parts = (self.network, self.likelihood, self.prior)
        weights = chain.from_iterable(part.parameters() for part in parts)
        return self.optimizer_factory(weight for weight in weights if weight.requires_grad)

    def settings(self) -> Mapping[str, float | Schedule]:
        return {**super().settings(), **self.objective.settings()}

    def training_step(self, batch: Batch) -> Tensor:
        samples = self.objective.samples
        shown = self.likelihood.shown(batch.images, self.noise("shown", batch))
        images, labels = (part.repeat_interleave(samples, 0) for part in (shown, batch.labels))
        inference = cast(LatentModel, self.network).infer(
            images, self.noise("posterior", batch).repeated(samples), labels
        )
        bound = self.bound_of(images, inference)
        loss = self.objective.loss(bound, self.images_seen)
        prior_terms = self.prior_terms(inference.latents.detach(), labels)
        self.count(batch)
        self.likelihood.observe(
            inference.parameters.detach(), images, self.images_seen, self.mean_over_devices
        )
        self.record(
            {
                "loss/vae": loss,
                **prior_terms,
                "rate": bound.rate,
                "distortion": bound.distortion,
                **bound.auxiliary,
            }
        )
        return sum((term.mean() for term in prior_terms.values()), loss.mean())

    def prior_terms(self, latents: Latents, labels: Labels) -> dict[str, PerImage]:
        """The loss of the prior, which learns from the latents of all devices on each of them.

        So what it counts is the same everywhere, and what one device would have counted. N(0, I)
        has nothing to learn.
        """
        if isinstance(self.prior, Standard):
            return {}
        everyones = self.everywhere(latents)
        first = self.images_seen * self.objective.samples
        numbers = torch.arange(first, first + len(everyones), device=self.device)
        noise = Noise(key(self.seed, "prior"), numbers)
        loss = cast(Prior, self.prior).loss(everyones, noise, self.everywhere(labels))
        return {"loss/prior": loss}

    def optimizer_step(self, *args: Any, **options: Any) -> None:
        """The optimizer's step, and then the averages': once for each accumulated batch."""
        super().optimizer_step(*args, **options)
        self.averaged.update(self.network, self.images_seen)
        self.averaged_prior.update(self.prior, self.images_seen)

    def validation_step(self, batch: Batch) -> None:
        """The bound of images that were never trained on, with the averaged weights."""
        noise = Noise(key(self.seed, "validation"), batch.indices)
        images = self.likelihood.dequantised(
            batch.images, Noise(key(self.seed, "dequantisation"), batch.indices)
        )
        bound = self.bound(self.developer, images, noise, batch.labels)
        terms = {
            "validation/negative_elbo": bound.negative_elbo,
            "validation/rate": bound.rate,
            "validation/distortion": bound.distortion,
        }
        if self.likelihood.level_width is not None:
            terms["validation/bits_per_dim"] = bits_per_dim(
                bound.negative_elbo, images[0].numel(), self.likelihood.level_width
            )
        self.log_dict(
            {name: term.mean() for name, term in terms.items()},
            logger=False,  # System.write does it, with the right clock
            on_epoch=True,
            sync_dist=True,
            batch_size=len(batch.images),
        )

    def bound(
        self, network: LatentModel, images: Images, noise: Noise, labels: Labels | None = None
    ) -> Bound:
        """The bound's terms of each image, from one sample of its latents."""
        return self.bound_of(images, network.infer(images, noise, labels))

    def bound_of(self, images: Images, inference: Inference) -> Bound:
        """The same of what has been inferred."""
        return self.objective.bound(
            images,
            inference.parameters,
            inference.rates,
            inference.log_ratios,
            inference.auxiliary,
        )

    def mean_over_devices(self, value: Tensor) -> Tensor:
        """The mean of what each device has."""
        return cast(Tensor, self.all_gather(value)).mean()

    def everywhere(self, rows: Tensor) -> Tensor:
        """The rows of all devices, in the order that one device would have had them."""
        return cast(Tensor, self.all_gather(rows)).reshape(-1, *rows.shape[1:])


def check_fit(network: LatentModel, objective: Objective, prior: Prior, frozen: bool) -> None:
    """Refuses parts that do not fit one another.

    Raises:
        ValueError: With what to type instead.
    """
    wanted = objective.likelihood.parameters_per_value
    if network.parameters_per_value != wanted:
        raise ValueError(
            f"model.network.parameters_per_value={network.parameters_per_value}: a "
            f"{type(objective.likelihood).__name__} needs {wanted} for each value of an image. "
            f"Type model.network.parameters_per_value={wanted}."
        )
    if prior.latent_dim != network.latent_dim:
        raise ValueError(
            f"model.prior.latent_dim={prior.latent_dim}: the network has {network.latent_dim} "
            f"latents. Type model.prior.latent_dim={network.latent_dim}."
        )
    if frozen and not list(cast(nn.Module, prior).parameters()):
        raise ValueError(
            "model.frozen=true leaves nothing to train. Type model/prior=flow_matching for a prior "
            "that learns, or model.frozen=false."
        )
