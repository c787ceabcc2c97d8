"""Illnesses that any model can have."""

import math

import numpy as np

from darkroom.curves import Curve
from darkroom.diagnosis.finding import Case, Finding
from darkroom.diagnosis.progress import RESOLUTION, progress
from darkroom.diagnosis.remedies import (
    GENERATOR_WIDTHS,
    LEARNING_RATES,
    all_scaled,
    longer,
    more_data,
)

WIDTHS = ("model.discriminator.width", *GENERATOR_WIDTHS)
BOUND = "validation/negative_elbo"
MEASUREMENTS = 4  # vitals before their last third is believed
STEPS = 20  # logged steps before their median is believed

GUESS = 2 * math.log(2)  # the discriminator's loss where it says 1/2 to everything
EXPLODED = 50  # nats
OFTEN = 0.1  # of the logged steps
DEAD = 0.2  # of vitals/dead_units
MOSTLY_DEAD = 0.75
MEMORISED = 0.06  # of what was learned, in nats, does not hold for held-out images
RISEN = 0.02  # of what was learned, in nats, is lost again on held-out images
STILL_GAINING = 0.2  # share of a quality
STILL_LEARNING = 0.02  # share of what was learned, in nats


def non_finite(case: Case) -> Finding | None:
    """Something has become infinite or no number; no weight recovers from that.

    Looks at vitals/non_finite/<module>, where a module is named as soon as it makes such values,
    and at the losses. There is no threshold: healthy training never does this.
    """
    prefix = "vitals/non_finite/"
    modules = {
        name: int(curve.images[curve.values > 0][0])
        for name, curve in case.curves.items()
        if name.startswith(prefix) and (curve.values > 0).any()
    }
    losses = {
        name: int(curve.images[~np.isfinite(curve.values)][0])
        for name, curve in case.curves.items()
        if name.startswith(("loss/", "rate", "distortion")) and len(curve.finite) < len(curve)
    }
    found = modules or losses
    if not found:
        return None
    first = min(found, key=lambda name: found[name])
    what = first.removeprefix(prefix)
    return Finding(
        "non-finite values",
        f"{what} is the first to be infinite or no number, seen at {found[first]} images.",
        "A step was so large, or a number so far out of the range of its type, that it overflowed.",
        {
            **all_scaled(case, LEARNING_RATES, 0.1, "takes smaller steps"),
            **_precise(case),
            **_clipped(case, "bounds the length of a step"),
            "trainer.detect_anomaly=true": "names the operation, slowly",
        },
        curves=tuple(found),
        severity=3,
    )


def learning_rate_too_high(case: Case) -> Finding | None:
    """Steps overshoot: what was learned is lost again, or nothing is learned.

    Looks at a latent model's loss: it is now no lower than before the first step, or has jumped
    back by half of what it gained at a tenth of the steps. And at a game's: the discriminator's
    loss is twice that of a guess at a tenth of the steps, though it can tell samples from real
    images at others; or the generator's is beyond 50, a chance of e^-50 for its samples.

    Threshold: the VAE on digits ends with 340 nats after 176 at a learning rate of 0.3, and is well
    at 0.03; a discriminator that is too strong gives a generator's loss of 11, exploded weights
    370. A game with a rate that is not that high shows it as oscillation or divergence.
    """
    shown = _overshooting_bound(case) or _losing_discriminator(case) or _exploded_logits(case)
    if shown is None:
        return None
    evidence, is_lost = shown
    return Finding(
        "learning rate too high",
        evidence,
        "Steps are so large that they overshoot what they aim at.",
        {
            **all_scaled(case, LEARNING_RATES, 0.1, "takes smaller steps"),
            **_clipped(case, "bounds the length of a step"),
        },
        curves=case.logged("loss/vae", "loss/discriminator", "loss/generator"),
        severity=3 if is_lost else 2,
    )


def dead_units(case: Case) -> Finding | None:
    """Channels say the same whatever they are shown: the networks are smaller than they look.

    Looks at vitals/dead_units over the last third.

    Threshold: healthy runs on digits have none; with a learning rate of 0.1 a quarter.
    """
    name = "vitals/dead_units"
    share = case.level(name, MEASUREMENTS)
    if share is None or share < DEAD:
        return None
    return Finding(
        "dead units",
        f"{name} is {share:.2f}: {share:.0%} of the channels never change.",
        "A large step has pushed them to where their gradient is zero, or nothing needs them.",
        {
            **all_scaled(case, LEARNING_RATES, 0.5, "pushes fewer of them over the edge"),
            **all_scaled(case, WIDTHS, 0.5, "leaves out what is not used, and is faster"),
        },
        curves=(name,),
        severity=3 if share > MOSTLY_DEAD else 2,
    )


def too_few_images(case: Case) -> Finding | None:
    """A latent model knows its training images by heart.

    Looks at how much worse the bound of held-out images is, as a share of the nats that the loss
    has gained since the first step; and whether it rises again while the loss falls on. What a
    discriminator remembers is another illness of the same root.

    Threshold: on 1,438 digits 2%, on 64 of them 12%.
    """
    loss, bound = case.curve("loss/vae", STEPS), case.curve(BOUND, MEASUREMENTS)
    if loss is None or bound is None or loss.tail(1 / 3).level() >= loss.values[0]:
        return None
    learned = float(loss.values[0]) - loss.tail(1 / 3).level()
    level = bound.tail(1 / 3).level()
    gap = (case.level("vitals/overfitting", MEASUREMENTS) or 0) * abs(level)
    risen = _risen_again(loss, bound, learned)
    if gap < MEMORISED * learned and not risen:
        return None
    return Finding(
        "too few images",
        f"Of {learned:.3g} nats learned {gap:.2g} hold for training images only{risen}.",
        f"{case.parameters:,} weights have learned {case.training_images:,} images by heart.",
        {
            **more_data(case),
            **all_scaled(case, WIDTHS, 0.5, "leaves less room for memories"),
        },
        curves=case.logged("vitals/overfitting", BOUND, "loss/vae"),
    )


def undertraining(case: Case) -> Finding | None:
    """The run ended while it was still getting better.

    Looks at the last third: the quality has gained a fifth over the third before, beyond its noise,
    and can be told from a perfect one; or the bound of held-out images two hundredths of all that
    the loss has gained.
    """
    shown = {}
    course = progress(case)
    if course is not None and course.gain > STILL_GAINING and course.level > RESOLUTION:
        shown[course.name] = str(course)
    bound = case.curve(BOUND, 6)
    loss = case.curve("loss/vae", 20)
    if bound is not None and loss is not None:
        before, now = bound.head(2 / 3).tail(1 / 2).level(), bound.tail(1 / 3).level()
        learned = float(loss.values[0]) - loss.tail(1 / 3).level()
        if before - now > max(STILL_LEARNING * learned, 2 * bound.noise()) > 0:
            shown[BOUND] = f"{BOUND} went from {before:.4g} to {now:.4g} in the last third"
    if not shown or not all(_ends_finite(case, name) for name in shown):
        return None
    return Finding(
        "undertraining",
        "; ".join(shown.values()) + ".",
        "The training ended before the model had learned what it can.",
        longer(case),
        curves=tuple(shown),
        severity=1,
    )


def _overshooting_bound(case: Case) -> tuple[str, bool] | None:
    loss = case.curve("loss/vae", STEPS)
    if loss is None:
        return None
    first, level = float(loss.values[0]), loss.tail(1 / 3).level()
    if level >= first:
        return f"The loss was {first:.4g} before the first step, and is {level:.4g} now.", True
    jumps = int((loss.tail(0.9).values > (first + level) / 2).sum())
    if jumps < OFTEN * len(loss):
        return None
    highest = loss.tail(0.9).values.max()
    return f"The loss has jumped up to {highest:.4g} from {level:.4g}, {jumps} times.", False


def _exploded_logits(case: Case) -> tuple[str, bool] | None:
    level = case.level("loss/generator", STEPS)
    if level is None or level < EXPLODED:
        return None
    return f"The generator's loss is {level:.3g}: the weights have exploded.", True


def _losing_discriminator(case: Case) -> tuple[str, bool] | None:
    names = ("loss/discriminator", "probability/real", "probability/fake_before")
    loss, real, fake = (case.curve(name, STEPS) for name in names)
    if loss is None or real is None or fake is None or real.level() < fake.level():
        return None
    share = float((loss.tail(2 / 3).values > 2 * GUESS).mean())
    if share < OFTEN:
        return None
    highest = loss.tail(2 / 3).values.max()
    return (
        f"The discriminator's loss is up to {highest:.3g}, and at {share:.0%} of the steps twice "
        f"that of a guess, {GUESS:.2f}.",
        False,
    )


def _risen_again(loss: Curve, bound: Curve, learned: float) -> str:
    """In words, that the bound has risen since its best while the loss fell; empty if not so."""
    best = int(np.argmin(bound.values))
    lowest, at = float(bound.values[best]), int(bound.images[best])
    now, since = bound.tail(1 / 6).level(), loss.values[loss.images > at]
    if now - lowest <= max(RISEN * learned, 3 * bound.noise()) or len(since) < 6:
        return ""
    if np.median(since[-(len(since) // 3) :]) >= np.median(since[: len(since) // 3]):
        return ""
    return f", and {BOUND} has risen from {lowest:.4g} at {at} images to {now:.4g}"


def _ends_finite(case: Case, name: str) -> bool:
    return bool(np.isfinite(case.curves[name].values[-1]))


def _clipped(case: Case, reason: str) -> dict[str, str]:
    rates = ("model.optimizer.lr", "model.generator_optimizer.lr")
    is_known = any(case.number(rate) is not None for rate in rates)
    return {"model.max_gradient_norm=1": reason} if is_known else {}


def _precise(case: Case) -> dict[str, str]:
    precision = str(case.options.get("trainer.precision", "32-true"))
    if not precision.startswith("16"):
        return {}
    return {"trainer.precision=bf16-mixed": "has the range of 32 bits, where 16 end at 65,504"}
