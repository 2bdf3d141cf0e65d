"""Physical constants in the units of this package."""

from typing import Final

HC: Final = 1239.84193
"""hc in eV nm, as the published colours use it (CODATA 2018: 1239.841984, 4e-8 larger)."""

EPS0_OVER_HBAR: Final = 8.8541878128e-12 / 6.582119569e-16
"""ε₀/ħ in S m⁻¹ eV⁻¹ (CODATA 2018): turns ħω Im ε into a conductivity."""
