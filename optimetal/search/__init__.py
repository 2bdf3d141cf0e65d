"""Searches by short trial trainings, and what later studies take over from results."""
