"""Where the verbs' scripts and their configs lie, and how somebody types a verb."""

from pathlib import Path

_IN_A_WHEEL = Path(__file__).parent / "doors"  # where pyproject.toml puts them
HOME = _IN_A_WHEEL if _IN_A_WHEEL.is_dir() else Path(__file__).parents[2]


def typed(verb: str) -> str:
    """What is typed before a verb's options: python train.py in a checkout, else darkroom train."""
    return f"darkroom {verb}" if HOME == _IN_A_WHEEL else f"python {verb}.py"
