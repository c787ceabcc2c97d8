"""Every game teaches every pair of networks, and a wrong sign in it is noticed."""

import pytest

from darkroom.objectives import (
    Hinge,
    LeastSquares,
    MinMax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from tests.test_learning import Judge, drawn, trained

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
IMAGES = {"gan": 4000, "rpgan": 4000, "sngan": 4000, "r3gan": 8000}
RATES = ("generator_optimizer.lr", "discriminator_optimizer.lr")


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("model", SMALL)
def test_any_game_teaches_any_networks_and_notices_a_flipped_sign(model, game, tmp_path):
    class Flipped(game):
        def generator(self, real, fake):
            return -super().generator(real, fake)

    options = SMALL[model] | dict.fromkeys(RATES, 1e-3)
    options["objective._target_"] = f"darkroom.objectives.{game.__name__}"
    overrides = [f"++model.{name}={value}" for name, value in options.items()]

    def play(images: int, objective=None) -> tuple[float, float]:
        budget = f"trainer.max_images={images}"
        composed = (f"model={model}", "recipe=none", *overrides, budget)
        system, data = trained(tmp_path, *composed, objective=objective)
        judge, samples = Judge(data), drawn(system)
        # flat images all pass for one digit, so none counts for more than a tenth
        return float(judge.recognised(samples).clip(max=0.1).sum()), judge.distance(samples)

    images = IMAGES[model]
    start, learned, flipped = play(64), play(images), play(images, Flipped())
    print(model, game.__name__, "start", start, "learned", learned, "flipped", flipped)
    assert learned[0] > start[0] + 0.05
    assert learned[1] < start[1] / 2
    assert flipped[0] < learned[0] / 2
    assert not flipped[1] < start[1]
