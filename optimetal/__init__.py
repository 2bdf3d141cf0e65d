"""Optical spectra of metals from crystal structure, and how their prediction scales."""
