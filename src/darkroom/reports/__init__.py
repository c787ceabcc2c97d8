"""What the verbs hand to people: pages that need nothing beside themselves."""

from darkroom.reports.preparation import Preparation, write_table

__all__ = ["Preparation", "write_table"]
