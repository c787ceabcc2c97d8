"""Which device a verb computes on."""

import torch


def device_of(name: str) -> torch.device:
    """The device of that name; auto takes the accelerator where there is one.

    Raises:
        ValueError: If it is not to be had.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={name} is not to be had here: {error} Type device=cpu."
        ) from error
