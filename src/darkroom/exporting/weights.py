"""The averaged weights of a system by name, and back."""

from torch import Tensor, nn

from darkroom.systems import GAN, VAE, System

SHARES = "class_shares"
EXTRA = "_extra_state"  # a clock that only training reads; no tensor


def parts_of(system: System) -> dict[str, tuple[nn.Module, ...]]:
    """The parts that draw and encode: each as its average, and as it trained."""
    if isinstance(system, VAE):
        return {
            "network": (system.averaged.module, system.network),
            "prior": (system.averaged_prior.module, system.prior),
            "likelihood": (system.likelihood,),
        }
    assert isinstance(system, GAN), f"a {type(system).__name__} has to say what draws"
    return {"generator": (system.averaged.module, system.generator)}


def weights_of(system: System) -> dict[str, Tensor]:
    """All tensors that images depend on, by name; no two share memory."""
    weights = {
        f"{name}.{key}": value
        for name, (averaged, *_) in parts_of(system).items()
        for key, value in averaged.state_dict().items()
        if not key.endswith(EXTRA)
    }
    if system.class_shares is not None:
        weights[SHARES] = system.class_shares
    return {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}


def take(system: System, weights: dict[str, Tensor]) -> None:
    """Puts such weights into a system of the same config.

    Raises:
        ValueError: If they are not this system's.
    """
    expected = weights_of(system)
    wrong = sorted(
        name
        for name in expected.keys() | weights.keys()
        if name not in expected
        or name not in weights
        or expected[name].shape != weights[name].shape
        or expected[name].dtype != weights[name].dtype
    )
    if wrong:
        raise ValueError(
            f"The weights are of another architecture than the config: {', '.join(wrong[:3])} "
            f"and in all {len(wrong)} differ."
        )
    for name, modules in parts_of(system).items():
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in weights.items()
            if key.startswith(f"{name}.")
        }
        for module in modules:
            module.load_state_dict(own, strict=False)  # all tensors are there: see above
    if system.class_shares is not None:
        system.class_shares.copy_(weights[SHARES])
