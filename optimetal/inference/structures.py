"""Crystal structures from files of many formats, one after another.

A file that cannot be read becomes a :class:`Source` with the reason, so that it never ends a run
over many. Nothing in a file is ever executed or unpickled: formats that would are refused, and of
serialised pymatgen objects only numbers and names of elements are taken.
"""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

ASE_FORMATS: Final = {
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".xsf": "xsf",
    ".pwi": "espresso-in",
    ".pwo": "espresso-out",
    ".res": "res",
    ".gen": "gen",
    ".struct": "struct",
    ".f34": "crystal",
    ".cfg": "cfg",
    ".rmc6f": "rmc6f",
    ".xsd": "xsd",
    ".magres": "magres",
    ".xml": "vasp-xml",
}
"""Suffix -> format of ASE: crystals as plain text, read without executing anything."""

LAST_STEP_ONLY: Final = {"vasp-xml", "vasp-out", "espresso-out"}
"""Outputs of calculations: of a relaxation the last step is meant."""

REFUSED: Final = {
    ".traj": "an ASE trajectory",
    ".bundle": "an ASE bundle",
    ".pckl": "a pickle",
    ".pickle": "a pickle",
    ".pkl": "a pickle",
    ".p": "a pickle",
    ".db": "an ASE database",
    ".gpw": "a GPAW file",
    ".py": "a Python program",
    ".npy": "a NumPy array",
    ".npz": "a NumPy archive",
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
}
"""Suffix -> what it is: formats that may carry programs, never opened."""

_CIF, _JSON, _VASP = {".cif", ".mcif"}, {".json"}, {".vasp", ".poscar"}
KNOWN_SUFFIXES: Final = frozenset({*_CIF, *_JSON, *_VASP, *ASE_FORMATS})
"""Suffixes of files that are looked for in folders, besides those named POSCAR, OUTCAR and so on."""

_KNOWN_NAME: Final = re.compile(r"(?i)POSCAR|CONTCAR|OUTCAR|XDATCAR|geometry\.in$")
_ASE_NAMES: Final = {"outcar": "vasp-out", "xdatcar": "vasp-xdatcar", "geometry.in": "aims"}
_LONGEST: Final = 300


@dataclass(frozen=True)
class StructureFile:
    """A file to read, and the name that its crystal goes by in tables and output files."""

    path: str
    name: str


@dataclass(frozen=True)
class Source:
    """One crystal of a file, or the reason why there is none."""

    file: str
    index: int
    """Place within the file, from 0."""
    name: str
    structure: "Structure | Atoms | None" = None
    error: str | None = None
    doubts: tuple[str, ...] = ()
    """What the reader doubts, such as a formula in the file that differs from its atoms."""


def find_files(
    paths: Iterable[str | Path], leave_out: str | Path | None = None
) -> list[StructureFile]:
    """Files given by name and those below folders, in the order given; within a folder sorted by path.

    Folders are searched recursively for files of known formats, hidden ones left out. A crystal is
    named after its file without suffix, below a folder with the path from there.

    Args:
        paths: Files and folders. A file that is missing or of no known format is kept, to be
            reported where it is read.
        leave_out: Folder below these that is passed over, such as that of the results.

    Raises:
        ValueError: If a folder has no file of a known format.
    """
    files: list[StructureFile] = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(StructureFile(str(path), _name_alone(path)))
            continue
        found = [
            StructureFile(str(file), _without_suffix(file.relative_to(path)).as_posix())
            for file in _files_below(path, Path(leave_out).resolve() if leave_out else None)
        ]
        if not found:
            raise ValueError(
                f"Expected structure files in the folder {path}, found none: known are "
                f"{_known_formats()}."
            )
        files += found
    return files


def read_structures(paths: Iterable[str | Path]) -> Iterator[Source]:
    """All crystals of files and folders, one by one; see :func:`find_files` and :func:`read_file`.

    Raises:
        ValueError: If a folder has no file of a known format.
    """
    for file in find_files(paths):
        yield from read_file(file)


def read_file(file: StructureFile) -> Iterator[Source]:
    """Crystals of one file: CIF, POSCAR, JSON of pymatgen (structure, entry or a list), or a format of ASE.

    Several crystals in one file are numbered from 1 in their names ("frames#2"). Of the output of
    a calculation only the last step is taken. Never raises for what is in a file.
    """
    pieces = _numbered(_pieces(file.path))
    for index, (piece, alone) in enumerate(pieces):
        name = file.name if alone else f"{file.name}#{index + 1}"
        yield _read(piece, file.path, index, name)


Piece = Callable[[], "Structure | Atoms"]
"""A crystal of a file, still to be made from its part of the file."""


def _read(piece: Piece, file: str, index: int, name: str) -> Source:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("error", "Elements in POSCAR cannot be determined")
        try:
            structure = piece()
        except Exception as error:  # parsers fail in any way on what they do not expect
            return Source(file, index, name, error=reason(error))
    doubts = {_one_line(str(w.message)) for w in caught if _is_doubt(str(w.message))}
    return Source(file, index, name, structure, doubts=tuple(sorted(doubts)))


def _pieces(path: str) -> Iterator[Piece]:
    """The crystals of a file as they are met; a file that cannot be split is one that fails."""
    try:
        pieces = _splitter(Path(path))(path)
        first = next(pieces, None)
        if first is None:
            raise ValueError("the file holds no crystal")
        yield first
        yield from pieces
    except Exception as error:
        yield partial(_fail, error)


def _fail(error: Exception) -> "Structure":
    raise error


def _splitter(path: Path) -> Callable[[str], Iterator[Piece]]:
    suffix = path.suffix.lower()
    if suffix in REFUSED:
        raise ValueError(
            f"this is {REFUSED[suffix]}, which can hide programs, so it is never opened: "
            "convert it to CIF, POSCAR or extended XYZ where you trust it"
        )
    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    if suffix in _CIF:
        return _cif_pieces
    if suffix in _JSON:
        return _json_pieces
    if suffix in ASE_FORMATS:
        return partial(_ase_pieces, ASE_FORMATS[suffix])
    known = _KNOWN_NAME.search(path.name)
    if known and (form := _ASE_NAMES.get(known[0].lower())):
        return partial(_ase_pieces, form)
    if known or suffix in _VASP:
        return _poscar_pieces
    raise ValueError(
        f"the suffix {path.suffix!r} is of no known structure format: known are {_known_formats()}"
    )


def _cif_pieces(path: str) -> Iterator[Piece]:
    blocks = re.split(r"(?im)^(?=data_)", _text(path))
    # blocks without a cell hold the publication or definitions
    crystals = [block for block in blocks if "_cell_length_a" in block.lower()]
    if not crystals:
        raise ValueError("expected a CIF with a unit cell (_cell_length_a), found none")
    for block in crystals:
        yield partial(_from_cif, block)


def _from_cif(block: str) -> "Structure":
    from pymatgen.io.cif import CifParser

    (structure,) = CifParser.from_str(block).parse_structures(primitive=False, on_error="raise")
    return structure


def _poscar_pieces(path: str) -> Iterator[Piece]:
    yield partial(_from_poscar, _text(path))


def _from_poscar(text: str) -> "Structure":
    from pymatgen.io.vasp.inputs import BadPoscarWarning, Poscar

    try:
        return Poscar.from_str(text, read_velocities=False).structure
    except BadPoscarWarning as error:
        if "cannot be determined" not in str(error):
            raise
        raise ValueError(
            "the file names no elements (format of VASP 4): add a line with their symbols above "
            "the numbers of atoms"
        ) from error


def _json_pieces(path: str) -> Iterator[Piece]:
    content = orjson.loads(Path(path).read_bytes())
    for item in content if isinstance(content, list) else [content]:
        yield partial(_from_dictionary, item)


def _from_dictionary(content: Any) -> "Structure":
    """Structure of a serialised pymatgen object, from its plain numbers alone.

    pymatgen's own way back would import whatever module a site property names.
    """
    from pymatgen.core import Structure

    if isinstance(content, dict) and isinstance(content.get("structure"), dict):
        content = content["structure"]  # a ComputedStructureEntry, a record of a database
    if not (isinstance(content, dict) and {"lattice", "sites"} <= content.keys()):
        found = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(
            f"expected a pymatgen structure with lattice and sites, or an entry with a structure, "
            f"got {found or 'nothing'}"
        )
    sites = content["sites"]
    return Structure(
        content["lattice"]["matrix"],
        [_species(site) for site in sites],
        [site["abc"] for site in sites],
    )


def _species(site: Mapping[str, Any]) -> dict[str, float]:
    """Element -> occupancy; oxidation states do not matter to the networks."""
    occupancies: dict[str, float] = {}
    for species in site["species"]:
        element = str(species["element"])
        occupancies[element] = occupancies.get(element, 0.0) + float(species["occu"])
    return occupancies


def _ase_pieces(form: str, path: str) -> Iterator[Piece]:
    from ase.io import iread

    steps = iread(path, index=-1 if form in LAST_STEP_ONLY else ":", format=form)
    while True:
        with warnings.catch_warnings():  # of the parsers, about themselves
            warnings.simplefilter("ignore")
            atoms = next(steps, None)
        if atoms is None:
            return
        yield partial(_itself, atoms)


def _itself(atoms: "Atoms") -> "Atoms":
    return atoms


def _numbered(pieces: Iterator[Piece]) -> Iterator[tuple[Piece, bool]]:
    """Each piece, and whether it is the only one, known from a look one ahead."""
    ahead = list(islice(pieces, 2))
    for piece in chain(ahead, pieces):
        yield piece, len(ahead) == 1


def _files_below(folder: Path, leave_out: Path | None) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        if Path(parent).resolve() == leave_out:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and _is_structure_file(Path(name)):
                yield Path(parent, name)


def _is_structure_file(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix == ".xml":  # many programs write those
        return path.name.lower().startswith("vasprun")
    return suffix in KNOWN_SUFFIXES or (
        suffix not in REFUSED and bool(_KNOWN_NAME.search(path.name))
    )


def _name_alone(path: Path) -> str:
    """Name of a crystal given by its file: a POSCAR is told from others by its folder."""
    bare = _without_suffix(path)
    return bare.name if bare != path else f"{path.resolve().parent.name}/{path.name}".lstrip("/")


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in KNOWN_SUFFIXES else path


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Path(path).read_text(encoding="latin-1")  # names of authors in old CIFs


def _known_formats() -> str:
    return f"{', '.join(sorted(KNOWN_SUFFIXES))}, POSCAR, CONTCAR, OUTCAR, XDATCAR, geometry.in"


def _is_doubt(message: str) -> bool:
    """Whether a parser's warning is about the crystal, not about the parser or the format."""
    return any(word in message.lower() for word in ("occupanc", "stoichiometry", "composition"))


def reason(error: Exception) -> str:
    """One line on what went wrong; the kind of error where its message alone would say little."""
    message = _one_line(str(error)) or "no reason given"
    return (
        message
        if isinstance(error, (ValueError, OSError))
        else f"{type(error).__name__}: {message}"
    )


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
