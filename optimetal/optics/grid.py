"""The photon-energy grid on which every spectrum of the project lives."""

from typing import Final

import numpy as np

NUM_ENERGIES: Final = 2001
"""Number of grid points."""

MAX_ENERGY: Final = 20.0
"""Last grid point in eV; the first is zero."""

ENERGY: Final = np.linspace(0.0, MAX_ENERGY, NUM_ENERGIES)
"""Photon energies ω in eV, (NUM_ENERGIES,), 0 to 20 eV in steps of 0.01 eV."""

ENERGY.setflags(write=False)
