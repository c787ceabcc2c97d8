"""The adversarial finish of a VAE: what moves, what stays, and where it begins."""

import math
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn.functional import softplus

from darkroom import beginning, checkpoint, config, randomness
from darkroom.beginning import Beginning
from darkroom.callbacks import Checkpoints
from darkroom.checkpoint import CheckpointIO
from darkroom.images import Batch
from darkroom.sampling import latents_of
from darkroom.systems import VAEGAN, System
from tests.composed import composed
from tests.conftest import ADAM, BATCH_SIZE, SHAPE, SYSTEMS, tiny_system
from tests.systems.test_resume import everything

FINISH = {
    "_target_": "darkroom.systems.VAEGAN",
    "origin": "outputs/vae",
    "network": {"_target_": "darkroom.networks.ConvVAE", "latent_dim": 8, **SHAPE},
    "objective": {
        "_target_": "darkroom.objectives.ELBO",
        "likelihood": {"_target_": "darkroom.objectives.OptimalGaussian"},
    },
    "prior": {
        "_target_": "darkroom.priors.FlowMatching",
        "latent_dim": 8,
        "width": 8,
        "blocks": 1,
        "steps": 2,
    },
    "discriminator": {
        "_target_": "darkroom.networks.DCGANDiscriminator",
        "normalisation": "none",
        **SHAPE,
    },
    "game": {"_target_": "darkroom.objectives.Relativistic"},
    "penalties": {
        "r1": {"_target_": "darkroom.objectives.R1", "weight": 0.5},
        "r2": {"_target_": "darkroom.objectives.R2", "weight": 0.25},
    },
    "network_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "weight": 30.0,
    "rebuilt": 0.5,
    "half_life": 100,
}
STEPS = 4


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SYSTEMS, "vae_gan", FINISH)


def built(**options: Any) -> VAEGAN:
    system = config.build(OmegaConf.create(FINISH | options))
    assert isinstance(system, VAEGAN)
    return system


class Spy(Callback):
    """Keeps what went into each step and what came out."""

    def on_train_start(self, trainer: Any, system: VAEGAN) -> None:
        self.before = {k: v.clone() for k, v in tensors(system).items()}
        self.system, self.batches, self.noise, self.terms = deepcopy(system), [], [], []
        record = system.record

        def spied(terms: dict[str, Tensor]) -> None:
            self.terms.append({name: term.detach().mean() for name, term in terms.items()})
            record(terms)

        system.record = spied

    def on_train_batch_start(self, trainer: Any, system: VAEGAN, batch: Batch, _: int) -> None:
        self.batches.append(batch)
        eps, z = (
            system.noise(purpose, batch).normal(8).double() for purpose in ("posterior", "latents")
        )
        chosen = system.noise("rebuilt", batch).uniform(1, 1, 1) < system.rebuilt
        self.noise.append((eps, z, chosen))


def tensors(system: System) -> dict[str, Tensor]:
    return {name: t for name, t in system.state_dict().items() if torch.is_tensor(t)}


def test_the_decoder_learns_and_all_that_settles_the_latents_stays_bit_for_bit(run: Any) -> None:
    spy = Spy()
    system = run("vae_gan", images=STEPS * BATCH_SIZE, callbacks=(spy,)).system
    after = tensors(system)
    assert all(bool(t.isfinite().all()) for t in after.values())
    moved = {name for name, t in after.items() if not torch.equal(t, spy.before[name])}
    learns = ("network.decoder.", "averaged.module.decoder.", "discriminator.", "averaged.n_")
    assert {name for name in after if name.startswith(learns[:3])} <= moved
    assert not {name for name in moved if not name.startswith(learns)}
    assert {"weight", "penalty/r1", "half_life"} <= set(system.settings())


def test_it_follows_a_plain_loop_to_rounding(run: Any) -> None:
    spy = Spy()
    trained = run("vae_gan", images=STEPS * 16, callbacks=(spy,), precision="64-true").system
    E, G, D = spy.system.network.encoder, spy.system.network.decoder, spy.system.discriminator
    flow = spy.system.prior
    optimizer_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    assert len(spy.batches) == len(spy.terms) == STEPS
    for batch, (eps, noise, chosen), terms in zip(spy.batches, spy.noise, spy.terms, strict=True):
        x = batch.images
        with torch.no_grad():
            mu, logvar = E(x).chunk(2, dim=1)
            z_q, z_p = mu + (0.5 * logvar).exp() * eps, flow(noise)
        x_q = G(z_q)
        fake = torch.where(chosen, x_q.clamp(-1, 1), G(z_p).clamp(-1, 1))

        real, shown = x.clone().requires_grad_(), fake.detach().requires_grad_()
        d_real, d_fake = D(real), D(shown)
        r1, r2 = (
            torch.autograd.grad(d.sum(), at, create_graph=True)[0].square().sum((1, 2, 3)) / 2
            for d, at in ((d_real, real), (d_fake, shown))
        )
        loss_d = softplus(d_fake - d_real).mean()
        optimizer_d.zero_grad()
        (loss_d + 0.5 * r1.mean() + 0.25 * r2.mean()).backward()
        optimizer_d.step()

        log_density = -0.5 * (x - x_q) ** 2 - 0.5 * math.log(2 * math.pi)  # sigma is still 1
        distortion = -log_density.sum((1, 2, 3)).mean()
        judged = D(fake)
        loss_g = softplus(D(x) - judged).mean()
        optimizer_g.zero_grad()
        (distortion + 30 * loss_g).backward()
        optimizer_g.step()
        expected = {
            "loss/discriminator": loss_d,
            "logit/real": d_real.mean(),
            "logit/fake_before": d_fake.mean(),
            "penalty/r1": r1.mean(),
            "penalty/r2": r2.mean(),
            "loss/generator": loss_g,
            "logit/fake_after": judged.mean(),
            "distortion": distortion,
        }
        assert terms.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(terms[name], value.detach(), rtol=1e-7, atol=1e-10)
    for ours, theirs in ((trained.network.decoder, G), (trained.discriminator, D)):
        for name, weight in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], weight, rtol=1e-6, atol=1e-9)


def test_a_run_stopped_after_any_step_ends_bit_equal(run: Any, tmp_path: Path) -> None:
    whole = everything(run("vae_gan", images=STEPS * BATCH_SIZE))
    for stop in range(1, STEPS):
        run("vae_gan", images=stop * BATCH_SIZE, callbacks=(Checkpoints(every=1),))
        last = tmp_path / "checkpoints" / "last.ckpt"
        got = everything(run("vae_gan", images=STEPS * BATCH_SIZE, resume=last))
        assert got.keys() == whole.keys()
        assert [name for name in whole if not torch.equal(got[name], whole[name])] == []


def test_what_is_seen_is_drawn_by_the_averaged_decoder_and_the_bound_is_logged(run: Any) -> None:
    finished = run("vae_gan", images=64, validate_every=32)
    logged = finished.trainer.callback_metrics
    assert {"validation/negative_elbo", "validation/bits_per_dim"} <= logged.keys()
    system = finished.system
    z = latents_of(range(8), 8)
    latents = system.averaged_prior.module(z)
    expected = system.averaged.module.decoder(latents).clamp(-1, 1)
    assert torch.equal(system(z), expected)
    assert not torch.equal(system.network.decoder(latents).clamp(-1, 1), expected)


def test_fakes_are_of_both_kinds(run: Any) -> None:
    system = run("vae_gan", images=16).system
    images = torch.linspace(-1, 1, 64 * 256).reshape(64, 1, 16, 16)
    batch = Batch(images, torch.zeros(64).long(), torch.zeros(64).long(), torch.arange(64))
    kinds = []
    for share in (1.0, 0.0, 0.5):
        system.rebuilt = share
        kinds.append(system.developed(batch)[0])
    rebuilt, new, both = kinds
    of_first, of_second = ((both == kind).flatten(1).all(1) for kind in (rebuilt, new))
    assert bool((of_first ^ of_second).all())
    assert 16 < int(of_first.sum()) < 48


def test_a_compiled_finish_compiles_what_computes(run: Any, monkeypatch: Any) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    system = run("vae_gan", images=16, compile=True).system
    network = system.network
    assert compiled == [*network.children(), system.discriminator]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"origin": None}, "Type init_from=<folder of the VAE's run>"),
        ({"weight": -1.0}, "model.weight=-1.0 rewards what the discriminator sees through"),
        ({"rebuilt": 1.5}, "model.rebuilt=1.5 is a share: type a number within 0..1"),
        ({"max_gradient_norm": 0.0}, "model.max_gradient_norm=0.0: type a positive number"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        built(**options)


def test_a_network_without_a_decoder_of_its_own_is_refused() -> None:
    parts = config.build(OmegaConf.create({k: v for k, v in FINISH.items() if k != "_target_"}))
    del parts["network"].decoder
    with pytest.raises(ValueError, match="ConvVAE has no decoder of its own"):
        VAEGAN(**parts)


# --- a run that begins with another's weights

FLOW = ("model/prior=flow_matching", "model.prior.width=8", "model.prior.blocks=1")
NARROW = ("model.network.width=4", *FLOW)
SIGMA_VAE = ("model=sigma_vae", *NARROW)


def saved(folder: Path, *arguments: str) -> Path:
    """A run whose averaged weights are not those that it trains."""
    tree = composed("train", "experiment=smoke", *arguments)
    with randomness.initialisation(3):
        system = config.build(tree.model)
    if hasattr(system, "averaged_prior"):
        for average in (system.averaged, system.averaged_prior):
            for tensor in average.module.state_dict().values():
                tensor.mul_(1.5).add_(0.01)
        for tensor in system.likelihood.state_dict().values():
            if torch.is_tensor(tensor):
                tensor.mul_(0.5)
    content = {
        "config": OmegaConf.to_yaml(tree),
        "state_dict": system.state_dict(),
        "images_seen": 48,
    }
    CheckpointIO().save_checkpoint(content, folder / "checkpoints" / "last.ckpt")
    return folder


def begun(origin: Path, *arguments: str) -> tuple[Any, Beginning]:
    """A new system of other initial weights, and what it took over."""
    tree = composed("train", "experiment=smoke", f"init_from={origin}", *arguments)
    assert config.problems(tree) == []
    with randomness.initialisation(4):
        system = config.build(tree.model)
    return system, beginning.begin(system, tree, beginning.load_origin(origin))


@pytest.mark.parametrize("model", ["sigma_vae", "vae_gan"])
def test_network_prior_and_scale_of_a_run_are_taken_over(model: str, tmp_path: Path) -> None:
    origin = checkpoint.load(saved(tmp_path, *SIGMA_VAE)).system
    system, taken = begun(tmp_path, f"model={model}", *NARROW)
    for mine, theirs in (
        (system.network, origin.averaged.module),
        (system.averaged.module, origin.averaged.module),
        (system.prior, origin.averaged_prior.module),
        (system.averaged_prior.module, origin.averaged_prior.module),
    ):
        assert all(torch.equal(t, theirs.state_dict()[k]) for k, t in mine.state_dict().items())
    assert float(system.likelihood.variance) == 0.5
    assert system.likelihood.images_seen == 0  # the clock begins anew
    z = latents_of(range(8), origin.latent_dim)
    assert torch.equal(system.eval()(z), origin(z))
    assert [each.network for each in taken.networks] == ["network", "prior", "likelihood"]
    assert [each.share for each in taken.networks] == [1, 1, 1]
    assert "prior " in str(taken)
    learns = {name for name, weight in system.named_parameters() if weight.requires_grad}
    if model == "vae_gan":
        assert {name.partition(".")[0] for name in learns} == {"network", "discriminator"}
        assert all(".decoder." in name for name in learns if name.startswith("network"))


def test_a_finish_can_be_finished_further(tmp_path: Path) -> None:
    origin = checkpoint.load(
        saved(tmp_path, "model=vae_gan", *NARROW, "init_from=outputs/any")
    ).system
    system, taken = begun(tmp_path, "model=vae_gan", *NARROW)
    theirs = origin.discriminator.state_dict()
    assert all(torch.equal(t, theirs[k]) for k, t in system.discriminator.state_dict().items())
    assert taken.networks[-1].network == "discriminator"


def test_a_vae_may_go_on_with_another_prior_and_likelihood(tmp_path: Path) -> None:
    saved(tmp_path, *SIGMA_VAE)
    other = ("model/prior=standard", "model/likelihood=learned_gaussian")
    _, taken = begun(tmp_path, "model=sigma_vae", "model.network.width=4", *other)
    assert [each.network for each in taken.networks] == ["network"]


@pytest.mark.parametrize(
    "before",
    [
        ("model=vae", "model.network.width=4"),
        ("model=sigma_vae", "model.network.width=8", "model.network.blocks=2", *FLOW),
        ("model=sigma_vae", *NARROW, "model.prior.width=4"),
        (*SIGMA_VAE, "model/likelihood=logistic_mixture"),
    ],
)
def test_what_the_run_was_told_is_what_there_is_to_type(
    before: tuple[str, ...], tmp_path: Path
) -> None:
    saved(tmp_path, *before)
    typed: list[str] = []
    for _ in ("kinds", "sizes"):  # in this order
        typed += told(tmp_path, "model=vae_gan", *typed)
    assert typed
    _, taken = begun(tmp_path, "model=vae_gan", *typed)
    assert {each.share for each in taken.networks} == {1.0}


def told(origin: Path, *arguments: str) -> list[str]:
    """What a refusal says is to be typed."""
    try:
        begun(origin, *arguments)
    except ValueError as refusal:
        return str(refusal).partition(" Type ")[2].removesuffix(".").split()
    return []


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (("model=gan",), (), "holds DCGANGenerator and DCGANDiscriminator, and this model has"),
        (("model=gan",), (), "Type init_from=<folder of a VAE's run>"),
        (SIGMA_VAE, ("data.resolution=32",), "can be taken over. Type data.resolution=16"),
    ],
)
def test_runs_that_cannot_be_finished_are_refused(
    before: tuple[str, ...], now: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    saved(tmp_path, *before)
    with pytest.raises(ValueError, match=re.escape(said)):
        begun(tmp_path, "model=vae_gan", *NARROW, *now)


def test_the_weights_at_the_beginning_are_those_of_seed_0() -> None:
    first, second = tiny_system("vae_gan"), tiny_system("vae_gan")
    assert all(torch.equal(t, tensors(second)[name]) for name, t in tensors(first).items())
