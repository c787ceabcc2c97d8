"""The network of the Fréchet Inception Distance, as papers use it."""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from darkroom import randomness
from darkroom.images import Features, Pixels
from darkroom.metrics.features import weights as files
from darkroom.metrics.features.applying import Frozen, rgb
from darkroom.metrics.features.contracts import Instrument, Lesson

FILE = "weights-inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
OPTION = "features.weights"


class Inception:
    """2048 features of Inception-v3 with TensorFlow's weights of 2015, through torch-fidelity.

    The resize is that of TensorFlow 1, without antialiasing, as torch-fidelity does it, so that the
    Fréchet distance of these features is the FID of papers for the same images.

    Args:
        weights: The file of weights; if it is not given, the one in PyTorch's cache.
        download: Whether to fetch the file into PyTorch's cache, 96 MB, if it is not there.
        batch_size: Images computed at once.
        device: cpu, cuda, mps; auto takes the accelerator, if there is one.

    Raises:
        ValueError: If something is not installed, or the weights are not there or not these.

    Source: Szegedy et al. 2015, arXiv 1512.00567; Heusel et al. 2017, arXiv 1706.08500.
    """

    def __init__(
        self,
        weights: str | None = None,
        download: bool = False,
        batch_size: int = 32,
        device: str = "auto",
    ) -> None:
        if find_spec("torch_fidelity") is None:
            raise ValueError("features=inception needs `pip install -e '.[inception]'`.")
        path = _found(weights, download)
        content = files.read(path, SHA256, OPTION)
        network = _Pooled(_network(files.tensors(content, path, OPTION)))
        self._look = Frozen(network, batch_size, device)
        form = "299x299 bilinear as TensorFlow 1, RGB, transparency over grey"
        self.instrument = Instrument("inception", files.short(content), form)

    def fitted(self, lesson: Lesson) -> "Inception":
        """Itself: it was taught long ago."""
        return self

    def __call__(self, pixels: Pixels) -> Features:
        """[batch, 2048], float32."""
        return self._look(rgb(pixels))


def at_hand() -> bool:
    """Whether it can be used without fetching or installing anything."""
    return find_spec("torch_fidelity") is not None and _usual_place().is_file()


def _usual_place() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def _found(weights: str | None, download: bool) -> Path:
    if weights is not None:
        return Path(weights).expanduser()
    usual = _usual_place()
    if usual.is_file():
        return usual
    if not download:
        raise ValueError(
            f"{OPTION}: the weights of the FID network are not on this machine. One of these:\n"
            f"  features.download=true      fetches them, 96 MB, from {URL}\n"
            f"  {usual}      is where a copy of that file is found\n"
            f"  {OPTION}=<path>      names a copy anywhere else\n"
            "  features=lite0      are features that need no download, for numbers of their own"
        )
    usual.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(URL, str(usual), hash_prefix=SHA256)
    except (OSError, RuntimeError) as error:  # no network, or another file
        raise ValueError(
            f"features.download=true: {URL} could not be fetched ({error}). Fetch it by other "
            f"means and type {OPTION}=<path>."
        ) from error
    return usual


def _network(state: dict[str, Tensor]) -> nn.Module:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # it insists on unpickling a file by itself; so it gets one that holds these tensors and no more
    file: Any = BytesIO()
    torch.save(state, file)
    file.seek(0)
    with randomness.initialisation(0):
        try:
            return FeatureExtractorInceptionV3("inception", ["2048"], file)
        except RuntimeError as error:
            raise ValueError(f"{OPTION}: these are not the FID network's weights.") from error


class _Pooled(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: UInt8[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 2048"]:
        (features,) = self.network(pixels)
        return features
