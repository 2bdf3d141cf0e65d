"""Figures of the study: one function per figure, data in, axes or figure out."""
