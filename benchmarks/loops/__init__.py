"""Trainings without darkroom's: processes that print how far they are, and when."""
