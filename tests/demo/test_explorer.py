"""The page has no model logic of its own: its images are those of sampling and evaluation."""

import pytest
import torch

from darkroom.data.datasets import ArraySet
from darkroom.demo.explorer import Manner, names_of
from darkroom.demo.watching import watched
from darkroom.evaluation.anomaly import scores_of
from darkroom.sampling import Directions, Inversion, drawn
from darkroom.sampling.seeds import latents_of
from tests.demo import strange_files
from tests.demo.explored import explorer

PLAIN = Manner()
MODELS = ("gan", "vae", "mixture", "modern")


@pytest.mark.parametrize("model", MODELS)
def test_samples_are_those_of_sample(model: str) -> None:
    run = explorer(model)
    expected = torch.cat(list(drawn(run.system, range(5, 11), 16, truncation=1.5)))
    assert torch.equal(run.samples(5, 6, Manner(truncation=1.5)), expected)


def test_a_class_is_asked_for_by_its_name() -> None:
    run = explorer("modern", names=tuple("abcdefghij"))
    expected = torch.cat(list(drawn(run.system, range(4), 16, label=2)))
    assert torch.equal(run.samples(0, 4, Manner(label="c")), expected)
    assert run.label_of(run.place(0, Manner(label="c"))) == "c"


def test_the_standard_prior_takes_the_place_of_a_learned_one() -> None:
    run = explorer("mixture")
    standard = run.system.with_standard_prior()
    expected = torch.cat(list(drawn(standard, range(4), 16)))
    assert run.has_priors
    assert torch.equal(run.samples(0, 4, Manner(prior="standard")), expected)
    assert not torch.equal(run.samples(0, 4, PLAIN), expected)


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_who_learned_no_prior_draws_the_same_with_both(model: str) -> None:
    run = explorer(model)
    assert not run.has_priors
    assert torch.equal(run.samples(0, 4, Manner(prior="standard")), run.samples(0, 4, PLAIN))


@pytest.mark.parametrize("model", MODELS)
def test_a_walk_leads_from_one_seed_to_the_other(model: str) -> None:
    run = explorer(model)
    label = run.label_of(run.place(3, PLAIN)) or None
    manner = Manner(label=label)
    walk = run.walk(3, 9, 5, manner).int()
    ends = torch.cat([run.samples(seed, 1, manner) for seed in (3, 9)]).int()
    assert len(walk) == 5
    assert (walk[[0, -1]] - ends).abs().max() <= 1  # a batch of another size rounds otherwise


def test_a_walk_to_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="both seed 3"):
        explorer("gan").walk(3, 3, 5, PLAIN)


def test_directions_are_those_of_sample() -> None:
    run = explorer("gan")
    ways = run.ways("direction", PLAIN, lambda share: None)
    sheet = Directions(n=2, seeds=1, first_seed=4, steps=3)(
        run.system, lambda n: torch.empty(0), 16
    )
    place = run.place(4, PLAIN)
    before, after = run.moved(place, 3.0 * ways.axes[1:2])
    assert (before.int() - sheet.pixels[4].int()).abs().max() <= 1
    assert (after.int() - sheet.pixels[5].int()).abs().max() <= 1
    assert float(ways.shares.sum()) == pytest.approx(100)


def test_single_latents_come_by_how_much_they_do() -> None:
    ways = explorer("vae").ways("latent", PLAIN, lambda share: None)
    assert (ways.axes.count_nonzero(dim=1) == 1).all()
    assert (ways.shares.diff() <= 0).all()


def test_an_inversion_reports_and_finds_what_sample_finds() -> None:
    run = explorer("gan")
    original = run.fitted(strange_files.good())
    shares: list[float] = []
    sheet, place = run.inverted(original, 60, shares.append)
    expected = Inversion(1, 2, 60)(run.system, lambda n: original, 16)
    assert torch.equal(sheet.pixels, expected.pixels)
    assert torch.equal(run.moved(place, torch.zeros(1, 8))[:1], sheet.pixels[1:])
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.promise(
    "A search on the page takes longer than its time",
    "It is stopped with a sentence, and the next one waiting has its turn.",
)
def test_what_takes_too_long_is_stopped() -> None:
    run = explorer("gan")
    latents = latents_of([0], 8)
    with (
        pytest.raises(ValueError, match="Choose fewer steps"),
        watched(run.system, 10, lambda share: None, seconds=-1),
    ):
        run.system(latents)
    run.system(latents)  # and nobody watches any more


def test_a_score_is_that_of_score_beside_what_is_usual() -> None:
    run = explorer("mixture")
    original = run.fitted(strange_files.good())
    expected = scores_of(run.system, ArraySet(original, torch.zeros(1).long()), progress=False)
    found = {score.name: score for score in run.scored(original)}
    assert found["rate"].value == pytest.approx(float(expected.rate[0]))
    assert found["rate"].usual == 7.0
    assert found["excess"].usual is None


def test_a_gan_scores_nothing() -> None:
    run = explorer("gan")
    with pytest.raises(ValueError, match="no VAE"):
        run.scored(run.fitted(strange_files.good()))


def test_each_run_has_a_name_of_its_own() -> None:
    assert names_of(["/a/gan", "/a/vae"]) == ["gan", "vae"]
    assert names_of(["/a/x/run", "/a/y/run"]) == ["x/run", "y/run"]
    assert len(set(names_of(["/a/run", "/a/run"]))) == 2
