"""How many codes are in use."""

import pytest
import torch

from darkroom.callbacks import Codes
from darkroom.images import to_float
from tests.conftest import SYSTEMS

LEVELS = (3, 3)


@pytest.fixture
def quantised(run, monkeypatch):
    size = {"resolution": 16, "channels": 1, "downsampling": 4}
    network = {"_target_": "darkroom.networks.VQVAE", "levels": LEVELS, "width": 4, **size}
    prior = {"_target_": "darkroom.priors.Autoregressive", "levels": LEVELS, "width": 4, **size}
    prior |= {"resolution": 16, "blocks": 1, "heads": 1}
    del prior["channels"]
    whole = SYSTEMS["vae"] | {"network": network, "prior": prior}
    monkeypatch.setitem(SYSTEMS, "quantised", whole)
    return run("quantised", images=32, callbacks=(Codes(16, n=20),))


def measured(finished):
    return Codes(16, n=20).measure(finished.trainer, finished.system)


def test_the_codes_of_held_out_images_are_counted(quantised):
    system = quantised.system
    images = to_float(quantised.data.held_out.some(20))
    codes = [tuple(code.tolist()) for code in system.developer.encode(images).reshape(-1, 2)]
    shares = torch.tensor([codes.count(code) / len(codes) for code in set(codes)])
    numbers = measured(quantised)
    assert numbers["vitals/codes_used"] == pytest.approx(len(shares) / 9)
    entropy = torch.special.entr(shares).sum()
    assert numbers["vitals/code_perplexity"] == pytest.approx(entropy.exp().item(), rel=1e-5)
    assert "vitals/codes_used" in quantised.trainer.callback_metrics


def test_one_code_for_everything_is_a_perplexity_of_one(quantised):
    with torch.no_grad():
        for weight in quantised.system.averaged.module.encoder.parameters():
            weight.zero_()
    numbers = measured(quantised)
    assert numbers == {
        "vitals/codes_used": pytest.approx(1 / 9),
        "vitals/code_perplexity": pytest.approx(1),
    }


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_nothing_is_said_of_models_without_codes(model, run):
    assert measured(run(model, images=16)) == {}
