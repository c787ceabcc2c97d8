"""Each rule sees its illness in a made-up run, and none in healthy, short or silent ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from darkroom import config
from darkroom.curves import Curve
from darkroom.diagnosis import Case, Finding, diagnose
from darkroom.diagnosis.adversarial import (
    discriminator_overfitting,
    discriminator_too_strong,
    discriminator_too_weak,
    divergence,
    mode_collapse,
    oscillation,
)
from darkroom.diagnosis.finding import Rule
from darkroom.diagnosis.latent import over_regularised, posterior_collapse
from darkroom.diagnosis.rules import RULES
from darkroom.diagnosis.training import (
    dead_units,
    learning_rate_too_high,
    non_finite,
    too_few_images,
    undertraining,
)
from tests.composed import composed
from tests.diagnosis.cases import Series, case, noisy, shortened

KID = "quality/kid_thumbnail"
BOUND = "validation/negative_elbo"
NAN = float("nan")

GAME: Series = {
    "loss/discriminator": [1.4, 0.7, 0.7],
    "loss/generator": [0.8, 1.5, 1.5],
    "probability/real": [0.45, 0.75, 0.75],
    "probability/fake_before": [0.45, 0.25, 0.25],
    "probability/fake_after": [0.4, 0.2, 0.2],
    "vitals/accuracy": [0.9, 0.98, 0.98],
    "vitals/overfitting": [0.0, 0.05, 0.05],
    "vitals/diversity": [0.4, 0.8, 0.8],
    "vitals/drift": [0.5, 0.15, 0.08],
    "vitals/dead_units": 0.0,
    "vitals/gradient_norm/generator": [3, 20, 20],
    KID: [0.3, 0.03, 0.02, 0.02, 0.02],
}
LATENTS: Series = {
    "loss/vae": [180, 110, 105, 105, 105],
    "rate": [1.5, 7, 7, 7],
    "distortion": [178, 103, 98, 98, 98],
    BOUND: [135, 106, 105.5, 105.5, 105.5],
    "validation/rate": [4, 7, 7, 7],
    "validation/distortion": [131, 99, 98.5, 98.5, 98.5],
    "vitals/active_units": 0.9,
    "vitals/overfitting": 0.012,
    "vitals/diversity": 0.75,
    "vitals/drift": [0.3, 0.05, 0.03],
    "vitals/dead_units": 0.0,
    KID: [0.3, 0.02, 0.005, 0.005, 0.005],
}
PLAIN = ("recipe=none",)  # no augmentation
MIN_MAX = "model.objective._target_=darkroom.objectives.MinMax"
HEAVY = "model.generator_optimizer.betas=[0.9,0.999]"


@dataclass(frozen=True)
class Illness:
    """A rule, what it has to see it by, and what it has to offer then."""

    rule: Rule
    healthy: Series
    signs: Series
    overrides: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    severity: int = 2

    @property
    def well(self) -> Case:
        return case(self.healthy, *self.model, *self.overrides)

    @property
    def ill(self) -> Case:
        return case({**self.healthy, **self.signs}, *self.model, *self.overrides)

    @property
    def model(self) -> tuple[str, ...]:
        return ("model=gan",) if self.healthy is GAME else ("model=vae",)


SURE: Series = {
    "probability/real": [0.5, 0.99, 0.99],
    "probability/fake_before": [0.4, 0.02, 0.01],
    "probability/fake_after": [0.4, 0.02, 0.01],
    KID: [0.3, 0.25, 0.25],
}
UNSURE: Series = {
    "probability/real": 0.5,
    "probability/fake_before": [0.45, 0.55],
    "vitals/accuracy": [0.5, 0.3],
    KID: [1.5, 0.7, 0.65, 0.65],
}
ILLNESSES = {
    "remembers": Illness(
        discriminator_overfitting,
        GAME,
        {"vitals/overfitting": [0.0, 0.3, 0.6, 0.7]},
        (*PLAIN, "data.limit=80"),
        (
            "data.limit=null",
            "augmentation=flip",
            "augmentation=wobble",
            "model.discriminator_optimizer.lr=0.0001",
            "model.discriminator.width=32",
        ),
    ),
    "remembers, although its images wobble": Illness(
        discriminator_overfitting,
        GAME,
        {"vitals/overfitting": [0.0, 0.3, 0.6, 0.7]},
        remedies=("model.discriminator_optimizer.lr=5e-05", "model.discriminator.width=32"),
    ),
    "is sure": Illness(
        discriminator_too_strong,
        GAME,
        SURE,
        ("model.discriminator_optimizer.lr=0.004",),
        (
            "model.discriminator_optimizer.lr=0.001",
            "model.generator_optimizer.lr=0.004",
            "model.discriminator.width=32",
        ),
        severity=3,
    ),
    "is sure, and the loss saturates": Illness(
        discriminator_too_strong,
        GAME,
        SURE | {KID: [0.3, 0.1, 0.1, 0.1]},
        (MIN_MAX,),
        (
            "model.objective._target_=darkroom.objectives.NonSaturating",
            "model.discriminator_optimizer.lr=2.5e-05",
            "model.discriminator.width=32",
        ),
    ),
    "sees nothing": Illness(
        discriminator_too_weak,
        GAME,
        UNSURE,
        remedies=(
            "model.discriminator_optimizer.lr=0.001",
            "model.discriminator_optimizer.lr=0.0004",
            "model.discriminator.width=128",
        ),
        severity=3,
    ),
    "draws one image": Illness(
        mode_collapse,
        GAME,
        {"vitals/diversity": [0.7, 0.2, 0.1, 0.1]},
        (HEAVY, MIN_MAX),
        (
            "model.objective._target_=darkroom.objectives.NonSaturating",
            "model.generator_optimizer.lr=0.00025",
            "data.batch_size=128",
            "model.generator_optimizer.betas=[0.5,0.999]",
        ),
        severity=3,
    ),
    "was better once": Illness(
        divergence,
        GAME,
        {KID: [0.3, 0.02, 0.05, 0.1, 0.15]},
        remedies=(
            "model.discriminator_optimizer.lr=5e-05",
            "model.generator_optimizer.lr=0.0005",
            "trainer.max_images=80000",
        ),
    ),
    "turns in circles": Illness(
        oscillation,
        GAME,
        {"vitals/drift": 0.6, KID: [0.3, *(0.1, 0.25) * 5, 0.1]},
        (HEAVY,),
        (
            "model.discriminator_optimizer.lr=5e-05",
            "model.generator_optimizer.lr=0.0005",
            "model.generator_optimizer.betas=[0.5,0.999]",
            "model.half_life=80000",
            "data.batch_size=128",
        ),
    ),
    "says nothing": Illness(
        posterior_collapse,
        LATENTS,
        {"rate": 0.1, "validation/rate": 0.1, "vitals/active_units": 0.0},
        ("model.objective.beta=5",),
        (
            "model.objective.beta=1",
            "model/likelihood=optimal_gaussian",
            "model.optimizer.lr=0.0003",
        ),
        severity=3,
    ),
    "says nothing, by its likelihood": Illness(
        posterior_collapse,
        LATENTS,
        {"rate": 0.1, "validation/rate": 0.1, "vitals/active_units": 0.0},
        ("model/likelihood=gaussian", "model.objective.likelihood.sigma=1.0"),
        (
            "model.objective.beta=0.5",
            "model.objective.likelihood.sigma=0.5",
            "model.optimizer.lr=0.0003",
        ),
        severity=3,
    ),
    "says little": Illness(
        over_regularised,
        LATENTS,
        {"rate": 1.9, "validation/rate": 1.9, "vitals/active_units": 0.4},
        ("model.objective.beta=3",),
        (
            "model.objective.beta=1",
            "model/likelihood=optimal_gaussian",
        ),
    ),
    "says little, and beta is 1": Illness(
        over_regularised,
        LATENTS,
        {"rate": 1.9, "validation/rate": 1.9, "vitals/active_units": 0.1},
        remedies=(
            "model.objective.beta=0.5",
            "model/likelihood=optimal_gaussian",
        ),
        severity=1,
    ),
    "has overflowed": Illness(
        non_finite,
        GAME,
        {"vitals/non_finite/generator.layers.3": [1.0] * 12, "loss/generator": [1, 1, NAN, NAN]},
        ("trainer.precision=16-mixed",),
        (
            "model.discriminator_optimizer.lr=1e-05",
            "model.generator_optimizer.lr=0.0001",
            "trainer.precision=bf16-mixed",
            "model.max_gradient_norm=1",
            "trainer.detect_anomaly=true",
        ),
        severity=3,
    ),
    "has overflowed, and only the loss tells": Illness(
        non_finite,
        LATENTS,
        {"loss/vae": [180, 110, NAN, NAN]},
        remedies=(
            "model.optimizer.lr=0.0001",
            "model.max_gradient_norm=1",
            "trainer.detect_anomaly=true",
        ),
        severity=3,
    ),
    "learns nothing": Illness(
        learning_rate_too_high,
        LATENTS,
        {"loss/vae": [180, 700, 400, 350]},
        ("model.optimizer.lr=0.3",),
        ("model.optimizer.lr=0.03", "model.max_gradient_norm=1"),
        severity=3,
    ),
    "loses what it learned": Illness(
        learning_rate_too_high,
        LATENTS,
        {"loss/vae": [180, *(105, 105, 190, 105, 105) * 4]},
        remedies=("model.optimizer.lr=0.0001", "model.max_gradient_norm=1"),
    ),
    "is wrong more often than a guess": Illness(
        learning_rate_too_high,
        GAME,
        {"loss/discriminator": [1.4, *(1, 1, 5, 1) * 5]},
        remedies=(
            "model.discriminator_optimizer.lr=1e-05",
            "model.generator_optimizer.lr=0.0001",
            "model.max_gradient_norm=1",
        ),
    ),
    "has exploded": Illness(
        learning_rate_too_high,
        GAME,
        {"loss/generator": [1, 370, 370, 370]},
        remedies=(
            "model.discriminator_optimizer.lr=1e-05",
            "model.generator_optimizer.lr=0.0001",
            "model.max_gradient_norm=1",
        ),
        severity=3,
    ),
    "is half dead": Illness(
        dead_units,
        GAME,
        {"vitals/dead_units": [0, 0.5, 0.5]},
        remedies=(
            "model.discriminator_optimizer.lr=5e-05",
            "model.generator_optimizer.lr=0.0005",
            "model.discriminator.width=32",
            "model.generator.width=32",
        ),
    ),
    "knows its images by heart": Illness(
        too_few_images,
        LATENTS,
        {"vitals/overfitting": [0.02, 0.1, 0.12]},
        (*PLAIN, "data.limit=80"),
        ("data.limit=null", "augmentation=flip", "augmentation=wobble", "model.network.width=16"),
    ),
    "forgets the others": Illness(
        too_few_images,
        LATENTS,
        {BOUND: [135, 106, 110, 114, 118], "loss/vae": [180, 110, 100, 95, 90]},
        remedies=("model.network.width=16",),
    ),
    "has not finished": Illness(
        undertraining,
        GAME,
        {KID: [0.3, 0.2, 0.1]},
        ("trainer.max_epochs=7",),
        ("trainer.max_images=540000", "trainer.max_epochs=-1"),
        severity=1,
    ),
    "has not finished with its bound": Illness(
        undertraining,
        LATENTS,
        {BOUND: [135, 120, 110]},
        remedies=("trainer.max_images=540000",),
        severity=1,
    ),
}
named = pytest.mark.parametrize("illness", ILLNESSES.values(), ids=ILLNESSES)


def seen(illness: Illness) -> Finding:
    found = illness.rule(illness.ill)
    assert found is not None
    return found


def test_every_rule_has_an_illness() -> None:
    assert {illness.rule for illness in ILLNESSES.values()} == set(RULES)


@named
def test_an_ill_run_is_found_out(illness: Illness) -> None:
    found = seen(illness)
    assert found.severity == illness.severity
    assert found in diagnose(illness.ill) or found.severity == 1
    assert set(found.curves) <= set(illness.ill.curves)
    assert found.curves
    for sentence in (found.evidence, found.cause):
        assert sentence.endswith(".")
        assert sentence == sentence.strip()


@named
def test_it_is_found_out_through_noise_too(illness: Illness) -> None:
    seeds = range(20)
    missed = [seed for seed in seeds if illness.rule(noisy(illness.ill, seed)) is None]
    assert missed == []


@named
def test_remedies_are_those_of_its_options(illness: Illness) -> None:
    assert tuple(seen(illness).remedies) == illness.remedies
    assert all(seen(illness).remedies.values())


@named
def test_remedies_can_be_typed_and_change_something(illness: Illness) -> None:
    before = composed("train", *illness.model, *illness.overrides)
    for remedy in seen(illness).remedies:
        after = composed("train", *illness.model, *illness.overrides, remedy)
        assert config.problems(after) == [], remedy
        assert after != before, remedy


@named
def test_nothing_is_said_of_a_healthy_run(illness: Illness) -> None:
    assert illness.rule(illness.well) is None


@named
def test_nothing_is_said_before_there_is_enough(illness: Illness) -> None:
    if illness.rule is not non_finite:  # which is never too early to say
        assert illness.rule(shortened(illness.ill, 0.2)) is None
    nothing = Case({}, illness.ill.options, 1438, 500_000)
    assert diagnose(nothing) == []


@named
def test_any_series_and_any_option_may_be_missing(illness: Illness) -> None:
    ill = illness.ill
    for missing in ill.curves:
        curves = {name: each for name, each in ill.curves.items() if name != missing}
        diagnose(Case(curves, ill.options, 64, 1000))
    found = illness.rule(Case(ill.curves, {}, 64, 1000))
    options = ("model.", "data.", "augmentation")
    remedies = {} if found is None else found.remedies
    assert [remedy for remedy in remedies if remedy.startswith(options)] == []


@named
def test_series_may_break_off_in_what_is_no_number(illness: Illness) -> None:
    for name, whole in illness.ill.curves.items():
        for kept in (0, 1, len(whole) // 2):
            values = np.where(np.arange(len(whole)) < kept, whole.values, NAN)
            diagnose(
                Case(
                    {**illness.ill.curves, name: Curve(whole.images, values)},
                    illness.ill.options,
                    64,
                    1000,
                )
            )


@pytest.mark.parametrize(("healthy", "model"), [(GAME, "model=gan"), (LATENTS, "model=vae")])
def test_a_good_run_gets_an_empty_list(healthy: Series, model: str) -> None:
    assert diagnose(case(healthy, model)) == []
    for seed in range(50):
        assert diagnose(noisy(case(healthy, model), seed)) == []


@pytest.mark.parametrize(("signs", "rule"), [(SURE, discriminator_too_strong)])
def test_sureness_with_good_images_is_no_illness(
    signs: Mapping[str, list[float]], rule: Rule
) -> None:
    assert rule(case({**GAME, **signs, KID: [0.3, 0.01, 0.005, 0.005]}, "model=gan")) is None


def test_the_equilibrium_is_no_weakness() -> None:
    at_rest = case({**GAME, **UNSURE, KID: [0.3, 0.03, 0.03, 0.03]}, "model=gan")
    assert discriminator_too_weak(at_rest) is None
    assert discriminator_too_weak(case({**GAME, **UNSURE}, "model=gan")) is not None


def test_sureness_that_is_memory_is_called_so() -> None:
    remembers = case({**GAME, **SURE, "vitals/overfitting": 0.8}, "model=gan")
    assert [finding.name for finding in diagnose(remembers)] == ["discriminator overfitting"]


def test_logits_are_no_chances() -> None:
    logits = {name.replace("probability/", "logit/"): levels for name, levels in SURE.items()}
    game = {name: levels for name, levels in GAME.items() if "probability/" not in name}
    assert discriminator_too_strong(case({**GAME, **SURE}, "model=gan")) is not None
    assert discriminator_too_strong(case({**game, **logits}, "model=gan")) is None


def test_a_generator_that_nobody_teaches_has_not_collapsed() -> None:
    untaught = case({**GAME, **UNSURE, "vitals/diversity": 0.2}, "model=gan")
    assert [finding.name for finding in diagnose(untaught)] == ["discriminator too weak"]


def test_without_vitals_a_collapse_is_called_possible() -> None:
    worse = {**GAME, KID: [0.3, 0.02, 0.1, 0.15]}
    measured = divergence(case(worse, "model=gan"))
    unmeasured = divergence(
        case({n: v for n, v in worse.items() if n != "vitals/diversity"}, "model=gan")
    )
    assert measured is not None
    assert unmeasured is not None
    assert "collapse" not in measured.cause
    assert "collapse" in unmeasured.cause


def test_the_first_module_that_broke_is_named() -> None:
    def at(*images: int) -> Curve:
        return Curve(np.array(images, np.int64), np.ones(len(images)))

    series = {
        "vitals/non_finite/generator": at(900, 1000),
        "vitals/non_finite/discriminator.layers.2": at(800),
    }
    found = non_finite(Case(series, {}, 64, 1000))
    assert found is not None
    assert "discriminator.layers.2 is the first" in found.evidence
    assert "800 images" in found.evidence


def test_the_most_serious_comes_first_and_a_lost_run_is_not_told_to_go_on() -> None:
    signs = {"rate": 0.1, "validation/rate": 0.1, BOUND: [135, 120, 110], "vitals/dead_units": 0.5}
    lost = case({**LATENTS, **signs}, "model=vae")
    assert undertraining(lost) is not None
    assert [finding.name for finding in diagnose(lost)] == ["posterior collapse", "dead units"]


def test_other_features_are_judged_as_the_best_checkpoint_is() -> None:
    learned = "quality/kid_learned"
    made = case(
        {**GAME, KID: [0.3, 0.2, 0.1], learned: [0.3, 0.02, 0.02, 0.02]},
        "model=gan",
        f"callbacks.checkpoints.monitor={learned}",
    )
    assert undertraining(made) is None
    assert undertraining(case({**GAME, KID: [0.3, 0.2, 0.1]}, "model=gan")) is not None
