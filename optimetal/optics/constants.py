"""Physical constants in the units of this package."""

from typing import Final

HC: Final = 1239.84193
"""hc in eV nm, as the published colours use it (CODATA 2018: 1239.841984, 4e-8 larger)."""

EPS0_OVER_HBAR: Final = 8.8541878128e-12 / 6.582119569e-16
"""ε₀/ħ in S m⁻¹ eV⁻¹ (CODATA 2018): turns ħω Im ε into a conductivity."""

PLASMA_FREQUENCY2_TIMES_VOLUME: Final = 1378.8422949
"""ħ² e² / (ε₀ m) in eV² Å³ (CODATA 2018): ω_p² V of one free electron in a volume V."""
