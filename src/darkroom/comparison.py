"""Runs side by side: which numbers may be ranked, and what they say together."""
