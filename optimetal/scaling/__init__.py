"""Scaling laws: formulae, fits, model selection, tables, and the published measurements."""
