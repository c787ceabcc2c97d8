"""Illnesses of the game between a generator and a discriminator."""

import numpy as np

from darkroom.diagnosis.finding import Case, Finding
from darkroom.diagnosis.progress import RESOLUTION, progress
from darkroom.diagnosis.remedies import (
    LEARNING_RATES,
    Remedies,
    all_scaled,
    more_data,
    replaced,
    scaled,
)

DISCRIMINATOR_RATE, GENERATOR_RATE, _ = LEARNING_RATES
NON_SATURATING = "darkroom.objectives.NonSaturating"
MEASUREMENTS = 4  # vitals before their last third is believed
STEPS = 20  # logged steps before their median is believed

OVERFIT = 0.4  # of vitals/overfitting
SURE = 0.95  # chance that a real image is real, where a discriminator is too sure
UNSURE = 0.1  # by which real images have to look more real than samples
BAD = 0.2  # a kernel distance
UNIFORM = 0.5  # of vitals/diversity
RESTLESS = 0.3  # of vitals/drift


def discriminator_overfitting(case: Case) -> Finding | None:
    """The discriminator knows its training images by heart.

    Looks at r_v = (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(fake)]) over the last third:
    0 where held-out images look as real as training images, 1 where they look as false as samples.

    Threshold: on 1,438 digits 0.03 to 0.06, on 64 of them 0.45 to 0.6.

    Source: Karras et al. 2020 (StyleGAN2-ADA), arXiv 2006.06676, equation 1; there its sibling
    r_t is held at 0.6.
    """
    name = "vitals/overfitting"
    overfitting = case.level(name, MEASUREMENTS)
    if "loss/discriminator" not in case.curves or overfitting is None or overfitting < OVERFIT:
        return None
    first = case.curves[name].finite.values[0]
    return Finding(
        "discriminator overfitting",
        f"{name} is {overfitting:.2f} (at first {first:.2f}): held-out images look "
        f"{overfitting:.0%} as false to the discriminator as samples do.",
        f"It has learned the {case.training_images} training images by heart, and teaches the "
        "generator its memories.",
        {
            **more_data(case),
            **scaled(case, DISCRIMINATOR_RATE, 0.5, "learns them by heart more slowly"),
            **scaled(case, "model.discriminator.width", 0.5, "leaves less room for memories"),
        },
        curves=(name,),
    )


def discriminator_too_strong(case: Case) -> Finding | None:
    """The discriminator is sure of every image, so the generator learns little from it.

    Looks at the last third: real images above 0.95, samples below 0.05 before and after the
    discriminator's step, while the quality is stuck. Sureness alone is no illness, and where it
    comes from memory or from samples that are all the same, that is another one. vitals/accuracy
    cannot tell: it looks at batches of one kind, which batch norm gives away, and is 0.92 to 1 in
    healthy runs too.

    Threshold: healthy runs on digits give real images 0.6 to 0.8, and samples 0.2 to 0.3.

    Source: Arjovsky and Bottou 2017, arXiv 1701.04862, theorem 2.4: the gradient of the generator
    vanishes as the discriminator becomes perfect.
    """
    course = progress(case)
    if course is None or not course.is_stuck or course.level < 2 * RESOLUTION:
        return None
    names = ("probability/real", "probability/fake_before", "probability/fake_after")
    real, before, after = (case.level(name, STEPS) for name in names)
    if real is None or before is None or after is None:
        return None
    is_sure = real > SURE and before < 1 - SURE and after < 1 - SURE
    if not is_sure or discriminator_overfitting(case) or mode_collapse(case):
        return None
    return Finding(
        "discriminator too strong",
        f"The discriminator gives real images {real:.3f} and samples {before:.3f}: it is sure of "
        f"all of them, and {course}.",
        "It learns so much faster than the generator that its judgement says only no, and not what "
        "would be better.",
        {
            **_with_gradient(case),
            **scaled(case, DISCRIMINATOR_RATE, 0.25, "slows the discriminator down"),
            **_caught_up(case, GENERATOR_RATE, DISCRIMINATOR_RATE, "lets the generator follow"),
            **scaled(case, "model.discriminator.width", 0.5, "makes a simpler discriminator"),
        },
        curves=case.logged(*names, course.name),
        severity=3 if course.is_at_start else 2,
    )


def discriminator_too_weak(case: Case) -> Finding | None:
    """The discriminator cannot tell samples from real images, although they are far apart.

    Looks at the whole run but its first tenth: real images get hardly more than samples (less than
    0.1 more), or vitals/accuracy is below 0.6, while the quality is bad and stuck. The same numbers
    with a good quality are the equilibrium that training aims at.

    Threshold: the kernel distance of thumbnails of digits is 0.02 to 0.1 where a discriminator
    teaches, and 0.6 to 2.4 where it does not.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, proposition 1: D = 1/2 everywhere is the best
    discriminator only of a perfect generator.
    """
    course = progress(case)
    if course is None or not course.is_stuck or course.level < BAD:
        return None
    names = ("probability/real", "probability/fake_before")
    real, fake = (case.curve(name, STEPS) for name in names)
    accuracy = case.curve("vitals/accuracy", MEASUREMENTS)
    if real is not None and fake is not None:
        ahead = real.tail(0.9).level() - fake.tail(0.9).level()
        is_unsure = ahead < UNSURE
        shown = (
            f"real images get {real.tail(0.9).level():.2f}, samples {fake.tail(0.9).level():.2f}"
        )
    elif accuracy is not None:
        is_unsure = accuracy.tail(0.9).level() < 0.5 + UNSURE
        shown = f"it is right about {accuracy.tail(0.9).level():.0%} of the images"
    else:
        return None
    if not is_unsure:
        return None
    return Finding(
        "discriminator too weak",
        f"The discriminator cannot tell samples from real images ({shown}), and {course}.",
        "It learns too slowly or is too small to see what is wrong with the samples, so nobody "
        "tells the generator.",
        {
            **_caught_up(case, DISCRIMINATOR_RATE, GENERATOR_RATE, "lets it see what is wrong"),
            **scaled(case, DISCRIMINATOR_RATE, 4, "lets it see what is wrong"),
            **scaled(case, "model.discriminator.width", 2, "lets it see more"),
        },
        curves=case.logged(*names, "vitals/accuracy", course.name),
        severity=3,
    )


def mode_collapse(case: Case) -> Finding | None:
    """Many latents give one image.

    Looks at vitals/diversity over the last third: how far samples are from each other, relative to
    real images. A generator that learns nothing has little diversity too, but for another reason.

    Threshold: healthy runs on digits have 0.73 to 0.85.

    Source: Goodfellow 2016, arXiv 1701.00160, section 5.1.1.
    """
    name = "vitals/diversity"
    diversity = case.level(name, MEASUREMENTS)
    if diversity is None or diversity >= UNIFORM or "loss/generator" not in case.curves:
        return None
    if discriminator_too_weak(case):
        return None
    return Finding(
        "mode collapse",
        f"{name} is {diversity:.2f}: samples are only {diversity:.0%} as far from each other as "
        "real images are.",
        "The generator has found a few images that please the discriminator, and draws them for "
        "all latents.",
        _steadier(case),
        curves=(name,),
        severity=3,
    )


def divergence(case: Case) -> Finding | None:
    """The images were better once.

    Looks at the quality: the last third is twice as bad as the best measurement was, and five times
    the noise above it. Collapse and overfitting show themselves so too; where vitals tell of them,
    this rule is silent.
    """
    course = progress(case)
    if course is None or "loss/generator" not in case.curves:
        return None
    if mode_collapse(case) or discriminator_overfitting(case):
        return None
    best = int(np.argmin(course.curve.values))
    lowest, at = float(course.curve.values[best]), int(course.curve.images[best])
    if course.level < max(2 * lowest, lowest + 5 * course.resolution / 2):
        return None
    unmeasured = (
        "" if case.curve("vitals/diversity") else " Without vitals/diversity: or a collapse."
    )
    return Finding(
        "divergence",
        f"{course.name} was best with {lowest:.3g} at {at} images, and is {course.level:.3g} now.",
        f"The two players have lost their balance.{unmeasured}",
        {
            **all_scaled(case, LEARNING_RATES, 0.5, "keeps the players nearer to their balance"),
            f"trainer.max_images={at}": "stops where the images were best",
        },
        curves=(course.name,),
    )


def oscillation(case: Case) -> Finding | None:
    """The generator moves about without getting better.

    Looks at vitals/drift over the last third: how far the image of a seed moves from one
    measurement to the next, relative to how far two real images are apart; while the quality goes
    up and down by more than its noise and is stuck.

    Threshold: healthy runs on digits end with a drift under 0.1; turning ones with 0.5 to 0.8.

    Source: Mescheder et al. 2018, arXiv 1801.04406: unregularised games turn around their
    equilibrium; Radford et al. 2015, arXiv 1511.06434, section 4: a beta1 of 0.9 oscillates.
    """
    course = progress(case)
    drift = case.level("vitals/drift", MEASUREMENTS)
    if course is None or drift is None or drift < RESTLESS or not course.is_stuck:
        return None
    late = course.curve.tail(1 / 2).values
    swing = float(np.abs(np.diff(late)).mean())
    if swing < max(RESOLUTION, 0.1 * course.level) or "loss/generator" not in case.curves:
        return None
    return Finding(
        "oscillation",
        f"From one measurement to the next the image of a seed moves by {drift:.0%} of the "
        f"distance between two real images, {course.name} jumps by {swing:.3g}, and {course}.",
        "Each player answers the other's last move, in large steps, and they turn in circles.",
        {
            **all_scaled(case, LEARNING_RATES, 0.5, "takes smaller steps"),
            **_without_momentum(case),
            **scaled(case, "model.half_life", 4, "averages the circles out of what is drawn"),
            **scaled(case, "data.batch_size", 2, "gives each step a steadier direction"),
        },
        curves=("vitals/drift", course.name),
    )


def _caught_up(case: Case, slow: str, fast: str, reason: str) -> Remedies:
    """The slow player's learning rate as high as the fast one's."""
    lower, higher = case.number(slow), case.number(fast)
    if lower is None or higher is None or lower >= higher:
        return {}
    return {f"{slow}={higher:.3g}": reason}


def _with_gradient(case: Case) -> Remedies:
    """The loss that does not saturate, in the place of the one that does."""
    reason = "keeps a gradient where the discriminator is sure"
    return replaced(case, "model.objective._target_", "MinMax", NON_SATURATING, reason)


def _steadier(case: Case) -> Remedies:
    return {
        **_with_gradient(case),
        **scaled(case, GENERATOR_RATE, 0.25, "keeps the generator from jumping to one image"),
        **scaled(case, "data.batch_size", 2, "shows the discriminator more samples side by side"),
        **_without_momentum(case),
    }


def _without_momentum(case: Case) -> Remedies:
    """Betas of 0.5 for players of Adam that have more."""
    remedies: dict[str, str] = {}
    for player in ("discriminator", "generator"):
        option = f"model.{player}_optimizer"
        is_adam = str(case.options.get(f"{option}._target_")).endswith((".Adam", ".AdamW"))
        betas = case.options.get(f"{option}.betas", [0.9, 0.999])  # Adam's own
        if is_adam and not str(betas).startswith(("[0,", "[0.0,", "[0.5,")):
            remedies[f"{option}.betas=[0.5,0.999]"] = "forgets the other player's old moves sooner"
    return remedies
