"""Every latent model learns under every likelihood, and a wrong sign is noticed."""

from pathlib import Path

import pytest
import yaml

from darkroom.evaluation.latents import terms_of
from darkroom.objectives import ELBO
from tests.test_learning import CONF, drawn, trained

pytestmark = pytest.mark.slow

MODELS = [
    path.stem
    for path in sorted(Path(CONF, "model").glob("*.yaml"))
    if yaml.safe_load(path.read_text()).get("_target_") == "darkroom.systems.VAE"
]
LIKELIHOODS = [path.stem for path in sorted(Path(CONF, "model/likelihood").glob("*.yaml"))]
IMAGES = 8000


class Flipped(ELBO):
    """Rewards unlikely images."""

    def loss(self, bound, images_seen=0):
        return bound.rate - bound.distortion


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("model", MODELS)
def test_any_network_learns_under_any_likelihood_and_notices_a_flipped_sign(
    model, likelihood, tmp_path
):
    def bound(images: int, is_flipped: bool = False) -> float:
        """Nats per image of digits that were never seen."""
        typed = (f"model={model}", f"model/likelihood={likelihood}", "++model.network.width=16")
        system, data = trained(
            tmp_path,
            *typed,
            "recipe=none",
            f"trainer.max_images={images}",
            prepared=flip if is_flipped else None,
        )
        if not is_flipped:
            assert drawn(system, 64).float().std() > 0
        terms = terms_of(system, data.held_out.some(100), progress=False)
        return float((terms.distortion + sum(terms.rates)).mean())

    start, learned, flipped = bound(64), bound(IMAGES), bound(IMAGES, is_flipped=True)
    print(model, likelihood, "start", start, "learned", learned, "flipped", flipped)
    assert learned < start - 20  # nats per image of 256 values
    assert not flipped < start  # worse, or no number at all


def flip(system) -> None:
    system.objective = Flipped(system.likelihood)
