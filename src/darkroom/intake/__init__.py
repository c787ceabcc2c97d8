"""Strangers' files to pixels: found, labelled, decoded, fitted and packed.

NumPy and Pillow only, so that worker processes start in a moment.
"""
