"""Illnesses of models with latents: a VAE, and what is like it."""

import math

from darkroom.diagnosis.finding import Case, Finding
from darkroom.diagnosis.remedies import Remedies, scaled

BETA = "model.objective.beta"
LIKELIHOOD = "model.objective.likelihood"
ONE_BIT = math.log(2)  # nats
LITTLE = 0.04  # of what the model has learned, in nats, goes through its latents
UNUSED = 0.25  # share of the latents in use below which most are not


def posterior_collapse(case: Case) -> Finding | None:
    """The decoder ignores the latents, and draws the mean image.

    Looks at the rate, of held-out images where it is measured, over the last third. Under ln 2
    nats, one bit, the latents cannot even tell two halves of the images apart.

    Source: Bowman et al. 2015, arXiv 1511.06349, section 3: the KL term goes to zero; Burda et al.
    2015, arXiv 1509.00519, section 5: active units.
    """
    rate = _rate(case)
    if rate is None or rate[1] >= ONE_BIT:
        return None
    name, nats = rate
    return Finding(
        "posterior collapse",
        f"{name} is {nats:.2g} nats{_active(case)}: the latents say less than one bit about an "
        "image.",
        "What latents cost is more than what they save, so the encoder says nothing and the "
        "decoder draws the mean.",
        {
            **_lighter(case),
            **_sharper(case),
            **scaled(case, "model.optimizer.lr", 0.3, "gives the encoder time to be listened to"),
        },
        curves=case.logged(name, "vitals/active_units"),
        severity=3,
    )


def over_regularised(case: Case) -> Finding | None:
    """The latents say too little of an image, so that what is drawn is blurred.

    Looks over the last third at the rate, as a share of all nats that the loss has gained since
    the first step; that takes out the part of the distortion that nothing can explain. And only
    where a reason is in sight: beta above 1, or, less serious, latents of which most are unused.

    Threshold: on digits 9% with a beta of 1; with 3, whose samples are blurred to two thirds of
    the diversity, 2.9%.

    Source: Alemi et al. 2018, arXiv 1711.00464: beta chooses the rate; Higgins et al. 2017.
    """
    rate, loss = _rate(case), case.curve("loss/vae", 20)
    if rate is None or rate[1] < ONE_BIT or loss is None:
        return None
    name, nats = rate
    learned = float(loss.values[0]) - loss.tail(1 / 3).level()
    active = case.level("vitals/active_units", 3)
    is_weighted = (case.number(BETA) or 1) > 1
    is_unused = active is not None and active < UNUSED
    if learned <= 0 or nats > LITTLE * learned or not (is_weighted or is_unused):
        return None
    cause = (
        "beta makes the latents dearer than what they save"
        if is_weighted
        else "The likelihood gives little for details"
    )
    return Finding(
        "over-regularised latents",
        f"{name} is {nats:.2g} of the {learned:.3g} nats that the loss has gained{_active(case)}.",
        f"{cause}, so details are left out and images are blurred.",
        {**_lighter(case), **_sharper(case)},
        curves=case.logged(name, "loss/vae", "vitals/active_units"),
        severity=2 if is_weighted else 1,
    )


def _active(case: Case) -> str:
    active = case.level("vitals/active_units", 3)
    return "" if active is None else f", and {active:.0%} of the latents are in use"


def _lighter(case: Case) -> Remedies:
    """A lower weight of the rate: the bound itself if it was above, else less."""
    beta = case.number(BETA)
    if beta is not None and beta > 1:
        return {f"{BETA}=1": "weighs the rate as the bound itself does"}
    return scaled(case, BETA, 0.5, "makes latents half as dear")


def _sharper(case: Case) -> Remedies:
    """A likelihood that weighs errors of pixels more."""
    target = f"{LIKELIHOOD}._target_"
    if str(case.options.get(target)).endswith(".Bernoulli"):
        reason = "weighs errors by how large they are, if images are more than black and white"
        return {"model/likelihood=optimal_gaussian": reason}
    reason = "weighs an error four times, so details are worth latents"
    return scaled(case, f"{LIKELIHOOD}.sigma", 0.5, reason)


def _rate(case: Case) -> tuple[str, float] | None:
    for name, points in (("validation/rate", 3), ("rate", 20)):
        nats = case.level(name, points)
        if nats is not None:
            return name, nats
    return None
