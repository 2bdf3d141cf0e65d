"""Test of trained networks."""
