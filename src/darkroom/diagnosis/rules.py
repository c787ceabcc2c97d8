"""All that is known to go wrong, and what of it a run has."""

from collections.abc import Sequence

from darkroom.diagnosis.adversarial import (
    discriminator_overfitting,
    discriminator_too_strong,
    discriminator_too_weak,
    divergence,
    mode_collapse,
    oscillation,
)
from darkroom.diagnosis.finding import Case, Finding, Rule
from darkroom.diagnosis.latent import over_regularised, posterior_collapse
from darkroom.diagnosis.training import (
    dead_units,
    learning_rate_too_high,
    non_finite,
    too_few_images,
    undertraining,
)

RULES: Sequence[Rule] = (  # of equally serious findings, a cause comes before its consequences
    non_finite,
    learning_rate_too_high,
    discriminator_too_weak,
    posterior_collapse,
    mode_collapse,
    discriminator_overfitting,
    too_few_images,
    discriminator_too_strong,
    oscillation,
    divergence,
    over_regularised,
    dead_units,
    undertraining,
)


def diagnose(case: Case) -> list[Finding]:
    """Why the images of a run are bad: what is wrong, the most serious first; empty if nothing is.

    A rule says nothing before it has seen enough, and nothing of series that are not there. So an
    empty list of a short run means little. Where a run is lost, to train it longer is no advice:
    what is only worth knowing is left out.
    """
    findings = [finding for rule in RULES if (finding := rule(case)) is not None]
    is_lost = any(finding.severity == 3 for finding in findings)
    kept = [finding for finding in findings if not is_lost or finding.severity > 1]
    return sorted(kept, key=lambda finding: -finding.severity)
