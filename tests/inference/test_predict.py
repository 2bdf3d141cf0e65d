"""Structures in, predictions out."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import optimetal
from optimetal import load_model
from optimetal import predict as public_predict
from optimetal.graphs.neighbours import crystal_graph
from optimetal.graphs.packed import pack
from optimetal.inference import predict as module
from optimetal.inference.predict import predict, predict_prepared
from optimetal.inference.preparation import prepare
from optimetal.models import build_model
from optimetal.models.weights import load_model as load_network
from optimetal.models.weights import save_model
from optimetal.optics.grid import NUM_ENERGIES

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def full_graph_in_double_precision(file, structure):
    """The network applied directly, without anything that predict does."""
    network, architecture, _ = load_network(file)
    graph = crystal_graph(
        structure.lattice.matrix,
        np.array(structure.atomic_numbers),
        structure.cart_coords,
        architecture.cutoff,
        architecture.triplet_cutoff,
    )
    packed = pack([graph], architecture.cutoff, architecture.triplet_cutoff, real_type="float64")
    with torch.no_grad():
        output = network.double()(packed.batch(torch.tensor([0])))
    eps = output["eps_inter"][0].numpy()
    return eps[:, 0] + 1j * eps[:, 1], output["drude_frequency"].item()


def assert_same(one, other):
    np.testing.assert_allclose(one.members_eps_inter, other.members_eps_inter, **CLOSE)
    np.testing.assert_allclose(one.drude_frequency, other.drude_frequency, **CLOSE)
    np.testing.assert_allclose(one.color.lab, other.color.lab, rtol=0, atol=1e-3)


@pytest.mark.parametrize("architecture", ["2b_cgconv", "2b_gatv2", "3b_transformer"])
def test_same_as_the_network_alone(
    save_member, tmp_path, architecture, copper, gold_copper, low_symmetry
):
    file = save_member(tmp_path / "a.safetensors", architecture=architecture)
    structures = [copper, gold_copper, low_symmetry]
    for structure, prediction in zip(
        structures, predict(structures, load_model(file, "cpu")), strict=True
    ):
        eps, drude = full_graph_in_double_precision(file, structure)
        assert prediction.eps_inter.shape == (NUM_ENERGIES,)
        np.testing.assert_allclose(prediction.eps_inter, eps, **CLOSE)
        assert prediction.drude_frequency == pytest.approx(drude, rel=1e-5, abs=1e-6)
        assert np.ptp(eps.real) > 1e-3  # or the comparison would say little


def test_neither_company_nor_batches_matter(
    ensemble, copper, gold_copper, low_symmetry, monkeypatch
):
    structures = [copper, gold_copper, low_symmetry]
    alone = [predict(structure, ensemble) for structure in structures]
    together = predict(structures, ensemble)
    assert [each.formula for each in together] == ["Cu", "Cu3Au", "AlCu2"]
    by_two = predict(structures, ensemble, batch_size=2)
    monkeypatch.setattr(module, "BATCH_ROWS", 1)
    by_rows = predict(structures, ensemble)
    for others in (together, by_two, by_rows):
        for one, other in zip(alone, others, strict=True):
            assert_same(one, other)


def test_batches_are_bounded_by_number_and_rows(ensemble, copper, low_symmetry, monkeypatch):
    few = prepare(copper, "few", ensemble.settings)
    many = prepare(low_symmetry, "many", ensemble.settings)
    rows = many.graph.edge_length.size
    assert few.graph.edge_length.size < rows / 10

    def names(prepared, size):
        return ["".join(p.name[0] for p in batch) for batch in module._batches(prepared, size)]

    assert names([few] * 5, 2) == ["ff", "ff", "f"]
    monkeypatch.setattr(module, "BATCH_ROWS", rows)
    assert names([few, many, many, few, few], 9) == ["f", "m", "m", "ff"]
    assert names([], 9) == []


def test_mean_and_spread_of_the_members(ensemble, low_symmetry):
    prediction = predict(low_symmetry, ensemble)
    eps, drude = zip(
        *(full_graph_in_double_precision(file, low_symmetry) for file in ensemble.files),
        strict=True,
    )
    first, second = eps
    np.testing.assert_allclose(prediction.eps_inter, (first + second) / 2, **CLOSE)
    # the population standard deviation of two values is half their distance
    spread = np.abs(first.real - second.real) / 2, np.abs(first.imag - second.imag) / 2
    np.testing.assert_allclose(prediction.eps_inter_spread, np.stack(spread, 1), **CLOSE)
    assert prediction.drude_frequency == pytest.approx(np.mean(drude), rel=1e-5)
    assert prediction.drude_frequency_spread == pytest.approx(abs(np.diff(drude)[0]) / 2, rel=1e-4)
    assert prediction.eps_inter_spread.max() > 1e-3


def test_two_and_three_body_networks_in_one_ensemble(save_member, tmp_path, low_symmetry):
    names = ["2b_transformer", "3b_gatv2"]
    files = [save_member(tmp_path / f"{n}.safetensors", architecture=n) for n in names]
    together = predict(low_symmetry, files)
    for file, member in zip(files, together.members_eps_inter, strict=True):
        eps, _ = full_graph_in_double_precision(file, low_symmetry)
        np.testing.assert_allclose(member, eps, **CLOSE)


@pytest.mark.parametrize("reduce", [True, False])
def test_any_description_of_a_crystal_predicts_the_same(ensemble, gold_copper, reduce):
    turned = gold_copper.copy()
    matrix = Rotation.random(rng=np.random.default_rng(0)).as_matrix()
    turned.lattice = type(turned.lattice)(turned.lattice.matrix @ matrix)
    same = [gold_copper, gold_copper * (2, 1, 1), gold_copper.get_primitive_structure(), turned]
    predictions = predict(same, ensemble, reduce=reduce)
    for other in predictions[1:]:
        assert_same(predictions[0], other)
    assert [len(p.structure) for p in predictions] == [4, 4 if reduce else 8, 4, 4]


def test_ase_as_pymatgen(ensemble, low_symmetry, as_atoms):
    ours, theirs = predict([low_symmetry, as_atoms(low_symmetry)], ensemble)
    np.testing.assert_array_equal(ours.members_eps_inter, theirs.members_eps_inter)
    assert ours.formula == predict(as_atoms(low_symmetry), ensemble).formula == "AlCu2"


def test_one_or_many(ensemble, copper):
    assert predict(copper, ensemble).name == "Cu"
    assert predict(copper, ensemble, names="wire").name == "wire"
    assert [p.name for p in predict([copper, copper], ensemble, names=["a", "b"])] == ["a", "b"]
    assert [p.name for p in predict(iter([copper]), ensemble)] == ["Cu"]
    assert predict([], ensemble) == []
    with pytest.raises(ValueError, match="one name per structure, got 1 for 2"):
        predict([copper, copper], ensemble, names="wire")
    with pytest.raises(ValueError, match="batch size of 1 or more, got 0"):
        predict(copper, ensemble, batch_size=0)


def test_what_is_no_structure_is_named(ensemble, copper):
    for wrong in ("POSCAR", 3, [copper, "POSCAR"]):
        with pytest.raises(TypeError, match=r"pymatgen Structure or ASE Atoms, got (str|int)"):
            predict(wrong, ensemble)
    heavy = copper.copy()
    heavy.replace(0, "U")
    with pytest.raises(
        ValueError, match=r"Structure 1 .U1 Cu3. cannot .* H to Bi only, .* holds U"
    ):
        predict([copper, heavy], ensemble)
    with pytest.raises(ValueError, match=r"Structure fuel .U1 Cu3. cannot be predicted"):
        predict(heavy, ensemble, names="fuel")


def with_imaginary_offset(save_member, file, offset):
    """A network whose Im ε is moved by a constant."""
    save_member(file)
    network, _, card = load_network(file)
    with torch.no_grad():
        network.heads["eps_inter"].mlp.lins[-1].bias.view(NUM_ENERGIES, 2)[:, 1] += offset
    save_model(network, file, card)
    return file


def test_passive_spectra(save_member, tmp_path, copper):
    gain = load_model(with_imaginary_offset(save_member, tmp_path / "gain.safetensors", -0.1))
    plain, passive = predict(copper, gain), predict(copper, gain, passive=True)
    assert plain.eps_inter.imag.min() < 0
    np.testing.assert_array_equal(passive.eps_inter.imag, np.maximum(plain.eps_inter.imag, 0))
    np.testing.assert_array_equal(passive.eps_inter.real, plain.eps_inter.real)
    assert any("unphysical gain" in warning for warning in plain.warnings)
    assert any("were set to 0" in warning for warning in passive.warnings)
    loss = load_model(with_imaginary_offset(save_member, tmp_path / "loss.safetensors", 9.0))
    for each in (predict(copper, loss), predict(copper, loss, passive=True)):
        assert each.eps_inter.imag.min() > 0
        assert each.warnings == ()


def test_each_member_is_made_passive(save_member, tmp_path, copper):
    """Their mean may be passive where one of them is not."""
    files = [
        with_imaginary_offset(save_member, tmp_path / f"{sign:+d}.safetensors", sign * 9)
        for sign in (1, -1)
    ]
    absorbing = predict(copper, files[0])
    both = predict(copper, files, passive=True)
    assert both.members_eps_inter.imag.min() == 0
    np.testing.assert_allclose(both.eps_inter.imag, absorbing.eps_inter.imag / 2, rtol=1e-6)


def test_a_network_without_real_part_says_so(save_member, tmp_path, copper):
    file = save_member(tmp_path / "a.safetensors", architecture="optimate")
    assert any("knows Im ε of the interband part only" in w for w in predict(copper, file).warnings)


def test_prepared_structures_may_come_from_elsewhere(ensemble, copper, low_symmetry):
    prepared = [
        prepare(s, name, ensemble.settings) for s, name in ((copper, "a"), (low_symmetry, "b"))
    ]
    for one, other in zip(
        predict_prepared(ensemble, prepared), predict([copper, low_symmetry], ensemble), strict=True
    ):
        assert_same(one, other)
    assert predict_prepared(ensemble, []) == []


def test_public_names():
    assert public_predict is predict
    assert optimetal.load_model is load_model
    assert {"predict", "load_model", "find_models", "Prediction", "Ensemble"} <= {*dir(optimetal)}
    with pytest.raises(AttributeError, match="no attribute 'prophesy'"):
        _ = optimetal.prophesy


def test_training_data_of_a_published_checkpoint_is_unknown(small_architectures, tmp_path, copper):
    """Its card has few keys."""
    few = {"origin": "published checkpoint", "epoch": 3, "seed": None, "num_train": 9, "config": {}}
    save_model(build_model(small_architectures["2b_cgconv"]), tmp_path / "old.safetensors", few)
    prediction = predict(copper, tmp_path / "old.safetensors")
    assert prediction.source == "published checkpoint"
    assert any("card does not tell the elements, sizes" in note for note in prediction.notes)
    assert "published checkpoint" in repr(prediction)
