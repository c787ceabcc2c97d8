"""What exporting needs beside the rest."""

from importlib.util import find_spec


def needed(what: str, *modules: str) -> None:
    """Refuses what cannot work here.

    Args:
        what: Needs the modules.
        modules: Top-level names.

    Raises:
        ValueError: If one is not installed.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ValueError(
            f"{what} needs `pip install -e '.[export]'`: there is no {', '.join(missing)}."
        )
