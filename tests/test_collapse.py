"""Posterior collapse, provoked, is named by the diagnosis and mended by its first remedy."""

from pathlib import Path

import pytest

from darkroom.diagnosis import Finding, diagnose
from darkroom.evaluation.run import Run
from tests.commands import train

pytestmark = pytest.mark.slow

COLLAPSE = "posterior collapse"
TYPED = ("model=vae", "recipe=none", "model.network.width=16", "trainer.max_images=12000")
PROVOKED = "model.objective.beta=60"


def trained(run: Path, *options: str) -> tuple[dict[str, Finding], float]:
    """What is wrong with a run, by name, and the nats that its latents say of an image at last."""
    train(run, *TYPED, "trainer.validate_every=2000", *options)
    case = Run(run).case()
    nats = case.level("validation/rate")
    assert nats is not None
    return {finding.name: finding for finding in diagnose(case)}, nats


def test_a_collapse_is_named_and_the_first_remedy_mends_it(tmp_path):
    findings, nats = trained(tmp_path / "provoked", PROVOKED)
    assert nats < 0.1
    remedy = next(iter(findings[COLLAPSE].remedies))
    findings, mended = trained(tmp_path / "mended", PROVOKED, remedy)
    print(remedy, nats, "->", mended)
    assert COLLAPSE not in findings
    assert mended > 3
