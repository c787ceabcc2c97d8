"""Compiled networks train as the others do, derivatives of derivatives included."""

from collections.abc import Iterator

import pytest
import torch

from tests.conftest import BATCH_SIZE
from tests.systems.models import known


@pytest.fixture(autouse=True)
def small_models() -> Iterator[None]:
    """Every model of conf/, and no compiled code from before."""
    torch.compiler.reset()
    with known():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("model", ["rpgan", "wgan_gp", "r3gan", "sigma_vae"])
def test_compiled_networks_learn_the_same(run, model: str) -> None:
    eager, compiled = (
        run(model, images=3 * BATCH_SIZE, compile=compiles).system.state_dict()
        for compiles in (False, True)
    )
    weights = [name for name, value in eager.items() if torch.is_tensor(value)]
    for name in weights:
        torch.testing.assert_close(compiled[name], eager[name], rtol=1e-3, atol=1e-4, msg=name)
