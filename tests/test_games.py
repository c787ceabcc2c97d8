"""Every game teaches every pair of networks, and a wrong sign in it is noticed."""

import pytest

from darkroom import config
from darkroom.metrics import kernel_distance, thumbnails
from darkroom.metrics.features import Classifier, FeatureNetwork, Lesson
from darkroom.objectives import (
    Hinge,
    LeastSquares,
    MinMax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from tests.composed import composed
from tests.test_learning import drawn, trained

pytestmark = pytest.mark.slow

SMALL = {
    "gan": {"generator.width": 16, "discriminator.width": 16},
    "rpgan": {"generator.width": 16, "discriminator.width": 16},
    "sngan": {"generator.width": 8, "discriminator.width": 8, "discriminator_steps": 1},
    "r3gan": {
        "generator.width": 32,
        "generator.wide_levels": 1,
        "discriminator.wide_levels": 1,
    },
}
GAMES = MinMax, NonSaturating, LeastSquares, Hinge, Wasserstein, Relativistic
IMAGES = 4000
RATES = ("generator_optimizer.lr", "discriminator_optimizer.lr")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> FeatureNetwork:
    data = config.build(composed("train", "data=digits").data)
    data.setup()
    part = data.training
    lesson = Lesson(part.pixels, part.labels, part.class_names, part.fingerprint())
    return Classifier(cache=str(tmp_path_factory.mktemp("cache")), device="cpu").fitted(lesson)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("model", SMALL)
def test_any_game_teaches_any_networks_and_notices_a_flipped_sign(
    model, game, classifier, tmp_path
):
    class Flipped(game):
        def generator(self, real, fake):
            return -super().generator(real, fake)

    options = SMALL[model] | dict.fromkeys(RATES, 1e-3)
    options["objective._target_"] = f"darkroom.objectives.{game.__name__}"
    overrides = [f"++model.{name}={value}" for name, value in options.items()]

    def played(images: int, objective=None) -> tuple[float, float]:
        """Kernel distances to digits that were never seen: by the classifier, of thumbnails."""
        typed = (f"model={model}", "recipe=none", *overrides, f"trainer.max_images={images}")
        system, data = trained(tmp_path, *typed, objective=objective)
        pairs = data.held_out.pixels, drawn(system)
        return tuple(kernel_distance(*map(look, pairs)) for look in (classifier, thumbnails))

    start, learned, flipped = played(64), played(IMAGES), played(IMAGES, Flipped())
    print(model, game.__name__, "start", start, "learned", learned, "flipped", flipped)
    assert learned[1] < start[1] / 2
    if model != "r3gan":  # a slow learner: within so few images the classifier sees no digits yet
        assert learned[0] < 0.7 * start[0]
    assert flipped[1] > 2 * learned[1]
