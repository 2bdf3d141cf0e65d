"""Reading structures: every format, many in one file, and whatever can be wrong."""

import json
import pickle

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from pymatgen.core import Lattice, Structure
from pymatgen.entries.computed_entries import ComputedStructureEntry
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from optimetal.inference.preparation import as_structure
from optimetal.inference.structures import (
    ASE_FORMATS,
    REFUSED,
    Source,
    StructureFile,
    find_files,
    read_file,
    read_structures,
)


@pytest.fixture
def alloy():
    """NiAl, slightly distorted, so that a wrong axis or position shows."""
    lattice = Lattice.from_parameters(2.9, 3.1, 3.3, 88, 95, 91)
    return Structure(lattice, ["Ni", "Al"], [[0, 0, 0], [0.5, 0.45, 0.55]])


@pytest.fixture
def atoms(alloy):
    return Atoms(
        numbers=alloy.atomic_numbers,
        scaled_positions=alloy.frac_coords,
        cell=alloy.lattice.matrix,
        pbc=True,
    )


def read(path) -> list[Source]:
    return list(read_structures([path]))


def same(found, expected):
    """Equal crystals; the orientation may differ, distances may be rounded."""
    found = as_structure(found)
    assert found.composition == expected.composition
    assert found.volume == pytest.approx(expected.volume, rel=1e-5)
    distances = [np.sort(s.distance_matrix.ravel()) for s in (found, expected)]
    np.testing.assert_allclose(*distances, atol=1e-4)
    np.testing.assert_allclose(np.sort(found.lattice.abc), np.sort(expected.lattice.abc), atol=1e-4)


@pytest.mark.parametrize("name", ["a.cif", "a.vasp", "POSCAR", "CONTCAR", "a.POSCAR", "POSCAR_1"])
def test_cif_and_poscar(tmp_path, alloy, name):
    writer = CifWriter(alloy) if name.endswith("cif") else Poscar(alloy)
    writer.write_file(tmp_path / name)
    (source,) = read(tmp_path / name)
    assert (source.index, source.error, source.doubts) == (0, None, ())
    same(source.structure, alloy)


@pytest.mark.parametrize("form", ["structure", "entry", "record", "list"])
def test_json_of_pymatgen(tmp_path, alloy, form):
    alloy.add_oxidation_state_by_element({"Ni": 1, "Al": -1})
    content = {
        "structure": alloy.as_dict(),
        "entry": ComputedStructureEntry(alloy, -1.0).as_dict(),
        "record": {"data": {"mat_id": "x"}, "structure": alloy.as_dict()},
        "list": [alloy.as_dict(), alloy.as_dict()],
    }[form]
    (tmp_path / "a.json").write_text(json.dumps(content))
    sources = read(tmp_path / "a.json")
    assert [s.name for s in sources] == (["a#1", "a#2"] if form == "list" else ["a"])
    for source in sources:
        same(source.structure, alloy.copy().remove_oxidation_states() or alloy)


def test_json_executes_nothing(tmp_path, alloy):
    """pymatgen itself would import the module that a site property names."""
    content = alloy.as_dict()
    hook = {"@module": "optimetal_no_such_module", "@callable": "trap"}
    for site in content["sites"]:
        site["properties"] = {"magmom": hook}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ModuleNotFoundError):
        Structure.from_dict(content)
    (source,) = read(tmp_path / "a.json")
    same(source.structure, alloy)


WRITABLE = {suffix: form for suffix, form in ASE_FORMATS.items() if suffix not in (".pwo", ".xml")}


@pytest.mark.parametrize("suffix", WRITABLE)
@pytest.mark.filterwarnings("ignore")
def test_formats_of_ase(tmp_path, alloy, atoms, suffix):
    options = {}
    if suffix == ".pwi":
        options = {"pseudopotentials": {"Ni": "Ni.upf", "Al": "Al.upf"}}
    path = tmp_path / f"a{suffix}"
    ase.io.write(path, atoms, format=ASE_FORMATS[suffix], **options)
    (source,) = read(path)
    assert source.error is None
    same(source.structure, alloy)


@pytest.mark.filterwarnings("ignore")
def test_files_known_by_their_names(tmp_path, alloy, atoms):
    ase.io.write(tmp_path / "geometry.in", atoms, format="aims")
    ase.io.write(tmp_path / "XDATCAR", [atoms, atoms], format="vasp-xdatcar")
    sources = read(tmp_path)
    assert [s.name for s in sources] == ["XDATCAR#1", "XDATCAR#2", "geometry.in"]
    for source in sources:
        same(source.structure, alloy)


VASPRUN = """<?xml version="1.0"?><modeling>
<atominfo><array name="atoms"><set><rc><c>Ni</c><c>1</c></rc><rc><c>Al</c><c>2</c></rc></set></array>
</atominfo>
<kpoints><varray name="kpointlist"><v>0 0 0</v></varray><varray name="weights"><v>1</v></varray></kpoints>
{steps}</modeling>"""
STEP = """<calculation>
<structure name="initialpos"><crystal><varray name="basis"><v>{a} 0 0</v><v>0 {a} 0</v><v>0 0 {a}</v>
</varray></crystal><varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray></structure>
<varray name="forces"><v>0 0 0</v><v>0 0 0</v></varray>
<scstep><energy><i name="e_fr_energy">-1</i><i name="e_wo_entrp">-1</i><i name="e_0_energy">-1</i></energy></scstep>
<energy><i name="e_fr_energy">-1</i><i name="e_wo_entrp">-1</i><i name="e_0_energy">-1</i></energy>
</calculation>"""


def test_of_a_relaxation_the_last_step_is_taken(tmp_path):
    steps = "".join(STEP.format(a=a) for a in (2.8, 2.887))
    (tmp_path / "vasprun.xml").write_text(VASPRUN.format(steps=steps))
    (source,) = read(tmp_path / "vasprun.xml")
    assert source.error is None
    same(source.structure, Structure(Lattice.cubic(2.887), ["Ni", "Al"], [[0] * 3, [0.5] * 3]))


def test_many_crystals_in_one_file(tmp_path, alloy):
    """Blocks of a CIF are independent: a bad one costs itself only; those without a cell are text."""
    good = str(CifWriter(alloy))
    bad = good.replace("Ni+", "Xx").replace("  Ni  ", "  Qq  ").replace("_atom_site_fract_x", "_x")
    (tmp_path / "a.cif").write_text(f"data_global\n_publ_author 'X'\n{good}\n{bad}\n{good}")
    sources = read(tmp_path / "a.cif")
    assert [(s.name, s.index, s.error is None) for s in sources] == [
        ("a#1", 0, True),
        ("a#2", 1, False),
        ("a#3", 2, True),
    ]
    same(sources[2].structure, alloy)


def test_frames_are_read_one_by_one(tmp_path, atoms, monkeypatch):
    """Of a long trajectory only what was asked for is in memory."""
    ase.io.write(tmp_path / "a.xyz", [atoms] * 5, format="extxyz")
    opened = []
    iread = ase.io.iread
    monkeypatch.setattr(
        ase.io, "iread", lambda *a, **k: (opened.append(1) or x for x in iread(*a, **k))
    )
    sources = read_file(StructureFile(str(tmp_path / "a.xyz"), "a"))
    assert [next(sources).name, next(sources).name] == ["a#1", "a#2"]
    assert len(opened) <= 3


def test_a_doubt_of_the_reader_is_kept(tmp_path, alloy):
    text = str(CifWriter(alloy)).replace(
        "_chemical_formula_sum   'Ni1 Al1'", "_chemical_formula_sum 'Ni1 Al2'"
    )
    text = text.replace("_chemical_formula_sum   'Al1 Ni1'", "_chemical_formula_sum 'Ni1 Al2'")
    assert "Al2" in text
    (tmp_path / "a.cif").write_text(text)
    (source,) = read(tmp_path / "a.cif")
    assert source.structure is not None
    assert len(source.doubts) == 1


@pytest.mark.parametrize("suffix", REFUSED)
def test_what_may_hold_programs_is_never_opened(tmp_path, suffix, atoms, monkeypatch):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    path = tmp_path / f"a{suffix}"
    path.write_bytes(pickle.dumps(Trap()))
    (source,) = read(path)
    assert "never opened" in source.error
    assert "convert it to CIF" in source.error


BAD = {
    "gone.cif": (None, "no such file"),
    "empty.cif": ("", "unit cell"),
    "text.cif": ("hello", "unit cell"),
    "vasp4_POSCAR": ("W\n1.0\n3 0 0\n0 3 0\n0 0 3\n1\nDirect\n0 0 0\n", "names no elements"),
    "short.vasp": ("W\n1.0\n", ""),
    "a.json": ("{", ""),
    "b.json": ('{"a": 1}', "got a"),
    "c.json": ('"text"', "got str"),
    "d.json": ('{"lattice": {"matrix": [[1]]}, "sites": [{"abc": [0]}]}', ""),
    "a.docx": ("PK", "'.docx' is of no known structure format: known are .cfg, .cif"),
    "nothing": ("?", "'' is of no known"),
    "a.xyz": ("2\n\nCu 0 0\n", ""),
    "a.xsf": ("CRYSTAL\n", ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_a_reason_on_one_line(tmp_path, name):
    content, message = BAD[name]
    if content is not None:
        (tmp_path / name).write_text(content)
    (source,) = read(tmp_path / name)
    assert source.structure is None
    assert source.error
    assert message in source.error
    assert "\n" not in source.error
    assert len(source.error) < 400


@pytest.mark.parametrize(("name", "content"), [("a.xyz", ""), ("a.json", "[]")])
def test_a_file_without_crystals_is_not_passed_over(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    (source,) = read(tmp_path / name)
    assert source.error == "the file holds no crystal"


def test_a_folder_stands_for_its_files_sorted_and_below(tmp_path, alloy):
    for name in (
        "b/POSCAR",
        "a/POSCAR",
        "Cu.cif",
        "a/x.cif",
        ".hidden/y.cif",
        "a/.z.cif",
        "out/w.cif",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    for name in ("notes.txt", "a.traj", "settings.xml", "run.py"):
        (tmp_path / name).write_text("")
    files = find_files([tmp_path], leave_out=tmp_path / "out")
    assert [file.name for file in files] == ["Cu", "a/POSCAR", "a/x", "b/POSCAR"]
    assert all(file.path.startswith(str(tmp_path)) for file in files)
    alone = find_files([tmp_path / "a" / "POSCAR", tmp_path / "Cu.cif"])
    assert [file.name for file in alone] == ["a/POSCAR", "Cu"]


def test_a_folder_without_structures_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"found none: known are .*\.cif.*POSCAR"):
        find_files([tmp_path])


def test_a_molecule_is_told_from_a_crystal(tmp_path):
    ase.io.write(tmp_path / "a.xyz", Atoms("H2", [[0, 0, 0], [0, 0, 0.7]]), format="extxyz")
    (source,) = read(tmp_path / "a.xyz")
    with pytest.raises(ValueError, match=r"crystal|lattice"):
        as_structure(source.structure)


def test_sites_shared_by_elements_stay_so(tmp_path):
    """Not one of them may win silently."""
    structure = Structure(Lattice.cubic(3.8), [{"Au": 0.5, "Cu": 0.5}], [[0, 0, 0]])
    (tmp_path / "a.json").write_text(json.dumps(structure.as_dict()))
    CifWriter(structure).write_file(tmp_path / "a.cif")
    for source in read(tmp_path):
        with pytest.raises(ValueError, match="disordered"):
            as_structure(source.structure)


def test_latin_letters_in_old_files(tmp_path, alloy):
    (tmp_path / "a.cif").write_bytes(
        "# Müller\n".encode("latin-1") + str(CifWriter(alloy)).encode()
    )
    (source,) = read(tmp_path / "a.cif")
    same(source.structure, alloy)


def test_bulk_of_ase_agrees_with_its_cif(tmp_path):
    """The same crystal through two readers."""
    aluminium = bulk("Al", cubic=True)
    ase.io.write(tmp_path / "a.cif", aluminium)
    (source,) = read(tmp_path / "a.cif")
    same(source.structure, as_structure(aluminium))
