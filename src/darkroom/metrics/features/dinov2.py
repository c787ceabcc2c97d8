"""DINOv2: features that agree with people's judgement better than Inception's."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from darkroom import randomness
from darkroom.images import Features, Pixels
from darkroom.metrics.features import weights as files
from darkroom.metrics.features.applying import Frozen, Resized, rgb
from darkroom.metrics.features.contracts import Instrument, Lesson

MEGABYTES = {"small": 88, "base": 346, "large": 1217}
FILE = "model.safetensors"
OPTION = "features.weights"
SIZE = 224  # pixels
MEAN = 123.675, 116.28, 103.53  # of ImageNet's colours, 0..255
STD = 58.395, 57.12, 57.375


class DINOv2:
    """The class token of a vision transformer that was taught without labels, through timm.

    Weights come as safetensors, which hold tensors and cannot hold code.

    Args:
        weights: A safetensors file of timm's; if it is not given, the one in Hugging Face's cache.
        variant: base for tracking (768 features), large for final numbers (1024); or small (384).
        download: Whether to fetch the file into that cache, if it is not there.
        batch_size: Images computed at once.
        device: cpu, cuda, mps; auto takes the accelerator, if there is one.

    Raises:
        ValueError: If something is not installed, or the weights are not there or do not fit.

    Source: Oquab et al. 2023, arXiv 2304.07193; as a metric: Stein et al. 2023, arXiv 2306.04675.
    """

    def __init__(
        self,
        weights: str | None = None,
        variant: Literal["small", "base", "large"] = "base",
        download: bool = False,
        batch_size: int = 32,
        device: str = "auto",
    ) -> None:
        if find_spec("timm") is None:
            raise ValueError("features=dinov2 needs `pip install -e '.[dinov2]'`.")
        path = _found(weights, variant, download)
        content = files.content_of(path, OPTION)
        network = _network(variant, _tensors(content, path))
        look = nn.Sequential(Resized(SIZE, "bicubic", MEAN, STD), network)
        self._look = Frozen(look, batch_size, device)
        form = f"{SIZE}x{SIZE} bicubic antialiased, RGB, transparency over grey, {variant}"
        self.instrument = Instrument("dinov2", files.short(content), form)

    def fitted(self, lesson: Lesson) -> "DINOv2":
        """Itself: it was taught long ago."""
        return self

    def __call__(self, pixels: Pixels) -> Features:
        """[batch, 768] for the base variant, float32."""
        return self._look(rgb(pixels))


def at_hand(variant: str = "base") -> bool:
    """Whether it can be used without fetching or installing anything."""
    return find_spec("timm") is not None and _cached(variant) is not None


def _name(variant: str) -> str:
    return f"vit_{variant}_patch14_dinov2.lvd142m"


def _cached(variant: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(f"timm/{_name(variant)}", FILE)
    return Path(found) if isinstance(found, str) else None  # another object: known to be missing


def _found(weights: str | None, variant: str, download: bool) -> Path:
    if weights is not None:
        return Path(weights).expanduser()
    cached = _cached(variant)
    if cached is not None:
        return cached
    repository = f"timm/{_name(variant)}"
    if not download:
        raise ValueError(
            f"{OPTION}: the weights of DINOv2 ({variant}) are not on this machine. One of these:\n"
            f"  features.download=true      fetches {FILE}, {MEGABYTES[variant]} MB, of "
            f"{repository} from the Hugging Face Hub\n"
            f"  hf download {repository} {FILE}      does so by itself\n"
            f"  {OPTION}=<path>      names a copy of that file\n"
            "  features=lite0      are features that need no download, for numbers of their own"
        )
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, FILE))
    except Exception as error:  # of many libraries: network, hub, disk
        raise ValueError(
            f"features.download=true: {FILE} of {repository} could not be fetched ({error}). Fetch "
            f"it by other means and type {OPTION}=<path>."
        ) from error


def _tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(
            f"{OPTION}={path} is no safetensors file. Type the path of {FILE} as timm publishes it."
        ) from error


def _network(variant: str, state: dict[str, Tensor]) -> nn.Module:
    import timm

    with randomness.initialisation(0):
        try:
            # timm fits the embedding of positions, which is for 518 pixels, to our size
            return timm.create_model(
                _name(variant),
                pretrained=True,
                pretrained_cfg_overlay={"state_dict": state},
                num_classes=0,
                img_size=SIZE,
            )
        except RuntimeError as error:
            raise ValueError(
                f"{OPTION}: these are no weights of {_name(variant)}. Type features.variant=... "
                "for another size of the network."
            ) from error
