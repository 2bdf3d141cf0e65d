"""From the dielectric function of a metal to its optical response and its colour."""
