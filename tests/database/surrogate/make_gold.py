"""Renew gold.npz after a deliberate change of the surrogate, by running this file.

Spectra are stored in single precision, finer than the tolerances of the test: 1e-3 on ε, 1e-4 eV on
ω_D. Change the model version in ``records`` with them.
"""

from pathlib import Path

import numpy as np

from optimetal.config.surrogate import SurrogateSettings
from optimetal.database.surrogate import generate_crystals, optical_response

STRIDE = 20


def main() -> None:
    crystals = generate_crystals(SurrogateSettings(num_crystals=32, seed=0))
    responses = [optical_response(c.lattice, c.atomic_numbers, c.positions) for c in crystals]
    np.savez_compressed(
        Path(__file__).parent / "gold.npz",
        stride=STRIDE,
        eps_inter=np.array([r.eps_inter[::STRIDE] for r in responses], np.complex64),
        drude_frequency=np.array([r.drude_frequency for r in responses]),
    )


if __name__ == "__main__":
    main()
