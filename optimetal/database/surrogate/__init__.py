"""The embedded database: invented metals with tight-binding spectra (surrogate, not ab initio).

Same format as the published database, computed in minutes without a download. It obeys the physics
that networks are meant to learn (invariances, Kramers-Kronig relations, the f-sum rule) and says
nothing about real materials beyond that: crystals are not relaxed, Im ε of elemental metals is
about 30 % off density functional theory, there is no spin-orbit coupling, no magnetism and no f
band, the alkalis exceed the f-sum by 11 to 27 %, calcium comes out bluish, and AuAl2 is not purple.

Read in this order: ``elements`` and ``prototypes`` (the tables), ``crystals`` (what is invented),
``slater_koster`` and ``hamiltonian`` (the model), ``brillouin`` and ``neutrality`` (filling the
bands), ``strengths`` and ``response`` (the spectra), ``records`` (the files).

Sources: form of the hopping, Harrison, *Electronic Structure and the Properties of Solids*; its
prefactors before the fit, Shi and Papaconstantopoulos, Phys. Rev. B 70, 205101 (2004); spectra of
the fit, Werner et al., J. Phys. Chem. Ref. Data 38, 1013 (2009), from refractiveindex.info (CC0);
check of the atomic levels, NIST LDA data in pymatgen; geometries, the AFLOW prototypes.
"""

from optimetal.database.surrogate.crystals import SurrogateCrystal, generate_crystals
from optimetal.database.surrogate.neutrality import ConvergenceError
from optimetal.database.surrogate.records import write_database
from optimetal.database.surrogate.response import OpticalResponse, optical_response

__all__ = [
    "ConvergenceError",
    "OpticalResponse",
    "SurrogateCrystal",
    "generate_crystals",
    "optical_response",
    "write_database",
]
