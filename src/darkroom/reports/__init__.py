"""What the verbs hand to people: pages that need nothing beside themselves."""

from darkroom.reports.judgement import Judgement
from darkroom.reports.preparation import Preparation, write_table
from darkroom.reports.side_by_side import SideBySide

__all__ = ["Judgement", "Preparation", "SideBySide", "write_table"]
