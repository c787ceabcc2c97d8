"""Why are my images bad? Rules over what a run has logged."""

from darkroom.diagnosis.finding import Case, Finding

__all__ = ["Case", "Finding"]
