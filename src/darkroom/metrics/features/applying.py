"""How a frozen network is applied to images, so that the numbers are the same wherever it runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from darkroom.images import Pixels, composited


class Frozen:
    """A network that only looks: a batch at a time, in float32, on a device of its own choice.

    It is no module, so that no system counts its weights among those it trains and saves.

    Args:
        network: Takes pixels on its device, gives one row for each image.
        batch_size: Images computed at once.
        device: cpu, cuda, mps; auto takes the accelerator, if there is one.

    Raises:
        ValueError: If an option makes no sense on this machine.
    """

    def __init__(self, network: nn.Module, batch_size: int, device: str) -> None:
        if batch_size < 1:
            raise ValueError(f"features.batch_size={batch_size}: type a number from 1 on.")
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.batch_size, self.device = batch_size, _device(device)

    def __call__(self, pixels: Pixels) -> Float[Tensor, "batch columns"]:
        """The network's rows, on the CPU."""
        self.network.to(
            self.device
        )  # here, when a process has settled which accelerator is its own
        with torch.inference_mode(), _exactly(self.device):
            rows = [
                self.network(part.to(self.device)).float().cpu()
                for part in pixels.split(self.batch_size)
            ]
        return torch.cat(rows)  # out here: a plain tensor, with which anything may be done


class Resized(nn.Module):
    """Pixels to what a network of photographs takes.

    Args:
        size: Side in pixels.
        mode: bilinear or bicubic, antialiased where it shrinks.
        mean: Of each colour, in 0..255.
        std: Likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, mode: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.size, self.mode = size, mode
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(
        self, pixels: UInt8[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 size size"]:
        shown = resized(pixels.float(), (self.size, self.size), self.mode)
        scaled = (shown.clamp(0, 255) - self.mean) / self.std  # a bicubic filter overshoots
        return scaled.contiguous(memory_format=torch.channels_last)


def resized(
    images: Float[Tensor, "batch colours height width"], size: tuple[int, int], mode: str
) -> Float[Tensor, "batch colours rows columns"]:
    """Images of another size; as they are, if they have it already."""
    if images.shape[2:] == size:
        return images
    return functional.interpolate(images, size=size, mode=mode, antialias=True, align_corners=False)


def rgb(pixels: Pixels) -> UInt8[Tensor, "batch 3 height width"]:
    """What one sees, in three colours."""
    return composited(pixels).expand(-1, 3, -1, -1)


def has_accelerator() -> bool:
    """Whether there is something faster than the processor."""
    return torch.accelerator.is_available()


def _device(name: str) -> torch.device:
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return torch.device("cpu") if accelerator is None else accelerator
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built with it
        raise ValueError(
            f"features.device={name} is not on this machine. Type features.device=auto or cpu."
        ) from error
    return device


@contextmanager
def _exactly(device: torch.device) -> Iterator[None]:
    """Full float32 and fixed algorithms, whatever a training around it has chosen for itself."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.autocast(device.type, enabled=False),
            torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            ),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
