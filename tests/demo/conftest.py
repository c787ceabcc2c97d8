"""Two runs, trained once for all tests of the page, and the page about them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import train
from tests.demo.served import Served, served


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A GAN that was told of classes, and a VAE with a density and a prior that learned."""
    folder = tmp_path_factory.mktemp("runs")
    gan, vae = folder / "gan", folder / "vae"
    train(gan, "model=gan", "data.num_classes=auto")
    train(vae, "model=vae", "model/likelihood=gaussian", "model/prior=flow_matching")
    return gan, vae


@pytest.fixture(scope="session")
def page_of_gan(
    runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("one"), f"run={runs[0]}") as page:
        yield page


@pytest.fixture(scope="session")
def page_of_both(
    runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("two"), f"runs=[{runs[0]},{runs[1]}]") as page:
        yield page
