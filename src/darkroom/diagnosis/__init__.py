"""Why are my images bad? Rules over what a run has logged."""

from darkroom.diagnosis.finding import Case, Finding, dotted
from darkroom.diagnosis.rules import diagnose

__all__ = ["Case", "Finding", "diagnose", "dotted"]
