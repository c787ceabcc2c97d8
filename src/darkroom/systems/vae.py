"""One system for every latent model: a VAE, a ladder of latents, a vector-quantised model."""

from collections.abc import Iterable
from typing import Any, cast

from torch import Tensor, nn, optim

from darkroom.images import Batch, Images, Labels, Latents
from darkroom.networks import LatentModel
from darkroom.objectives import ELBO, Bound, bits_per_dim
from darkroom.randomness import Noise, key
from darkroom.schedules import Schedule
from darkroom.systems.averaging import AveragedNetwork
from darkroom.systems.optimizers import OptimizerFactory
from darkroom.systems.system import System


class VAE(System):
    """A latent model trained on the evidence lower bound.

    Args:
        network: A `networks.LatentModel`.
        objective: The bound, with its likelihood.
        optimizer: Makes an optimizer from parameters.
        half_life: Half-life of the averaged network, in images.
        seed: The run's seed.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: ELBO,
        optimizer: OptimizerFactory,
        half_life: float | Schedule = 10_000,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.network = network
        self.averaged = AveragedNetwork(network, half_life)
        self.objective = objective
        self.optimizer_factory = optimizer
        self.latent_dim = self.developer.latent_dim

    @property
    def developer(self) -> LatentModel:
        """The averaged network, which makes all images that anybody sees."""
        return cast(LatentModel, self.averaged.module)

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        parameters = self.developer.decode(latents.to(next(self.parameters())))
        return self.objective.likelihood.mean(parameters)

    def reconstruct(self, images: Images) -> Images:
        """Images through the latents and back, without noise."""
        return self(self.developer.encode(images.to(next(self.parameters()))))

    def trained_parts(self) -> Iterable[nn.Module]:
        return self.network.children()

    def configure_optimizers(self) -> optim.Optimizer:
        return self.optimizer_factory(self.network.parameters())

    def training_step(self, batch: Batch) -> Tensor:
        bound = self.bound(
            cast(LatentModel, self.network), batch.images, self.noise("posterior", batch)
        )
        self.count(batch)
        self.record({"loss/vae": bound.loss, "rate": bound.rate, "distortion": bound.distortion})
        return bound.loss.mean()

    def optimizer_step(self, *args: Any, **options: Any) -> None:
        """The optimizer's step, and then the average's: once for each accumulated batch."""
        super().optimizer_step(*args, **options)
        self.averaged.update(self.network, self.images_seen)

    def validation_step(self, batch: Batch) -> None:
        """The bound of images that were never trained on, with the averaged weights."""
        noise = Noise(key(self.seed, "validation"), batch.indices)
        bound = self.bound(self.developer, batch.images, noise)
        terms = {
            "validation/negative_elbo": bound.negative_elbo,
            "validation/rate": bound.rate,
            "validation/distortion": bound.distortion,
            "validation/bits_per_dim": bits_per_dim(bound.negative_elbo, batch.images[0].numel()),
        }
        self.log_dict(
            {name: term.mean() for name, term in terms.items()},
            logger=False,  # System.write does it, with the right clock
            on_epoch=True,
            sync_dist=True,
            batch_size=len(batch.images),
        )

    def bound(self, network: LatentModel, images: Images, noise: Noise) -> Bound:
        inference = network.infer(images, noise)
        return self.objective(
            images,
            inference.parameters,
            inference.rates,
            inference.log_ratios,
            inference.auxiliary,
        )
