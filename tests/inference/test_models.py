"""Finding and loading trained networks."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from optimetal.inference import models
from optimetal.inference.domain import Domain
from optimetal.inference.models import (
    SEARCH_PATH,
    default_model,
    find_models,
    load_model,
    read_card,
)


def test_folders_are_searched_in_order(model_folders, save_member):
    assert find_models() == []
    for folder in reversed(model_folders):
        save_member(folder / "zinc" / "seed1.safetensors")
        save_member(folder / "brass" / "seed2.safetensors")
    (model_folders[0] / "empty").mkdir()
    save_member(model_folders[0] / "brass" / ".seed3.part.safetensors")
    found = find_models()
    assert [entry.name for entry in found] == ["brass", "zinc"] * 3
    assert [entry.folder.absolute().parent for entry in found[::2]] == model_folders
    assert [file.name for file in found[0].files] == ["seed2.safetensors"]
    # a name means the first one
    assert load_model("zinc").files[0].absolute().is_relative_to(model_folders[0])


def test_several_folders_may_be_named(model_folders, monkeypatch, tmp_path):
    named = f"{tmp_path / 'a'}{os.pathsep}{os.pathsep}~/b"
    monkeypatch.setenv(SEARCH_PATH, named)
    assert models.model_folders()[:2] == [tmp_path / "a", Path.home() / "b"]
    assert len(models.model_folders()) == 4
    monkeypatch.delenv(SEARCH_PATH)
    assert len(models.model_folders()) == 2


def test_default_is_the_best_in_the_first_folder_with_models(model_folders, save_member):
    with pytest.raises(FileNotFoundError, match=r"no model on this machine\. Found: none"):
        default_model()
    _, project, user = model_folders
    save_member(user / "perfect" / "seed1.safetensors", test={"loss": 0.0})
    assert load_model().name == "perfect"
    for loss in (0.1, 0.9):  # mean 0.5
        save_member(project / "a" / f"{loss}.safetensors", test={"loss": loss})
    for loss in (0.4, 0.5):
        save_member(project / "b" / f"{loss}.safetensors", test={"loss": loss})
    save_member(project / "untested" / "seed1.safetensors", test=None)
    assert load_model().name == "b"
    assert len(load_model(None, "cpu").members) == 2


def test_untested_models_will_do(model_folders, save_member):
    save_member(model_folders[1] / "b" / "seed1.safetensors", test={})
    save_member(model_folders[1] / "a" / "seed1.safetensors", test={})
    assert load_model().name == "a"


def test_by_path(save_member, tmp_path):
    one = save_member(tmp_path / "runs" / "width8_seed1" / "model.safetensors")
    other = save_member(tmp_path / "3b_tc" / "seed42.safetensors", 42)
    assert load_model(one).name == "width8_seed1"
    assert load_model(str(other)).name == "3b_tc/seed42"
    assert load_model(other.parent).name == "3b_tc"
    both = load_model([one, other.parent])
    assert both.name == "width8 + 3b_tc"
    assert both.files == [one, other]
    assert [card["seed"] for card in both.cards] == [1, 42]


def test_seeds_of_one_model_share_its_name(save_member, tmp_path):
    files = [save_member(tmp_path / "3b_tc" / f"seed{n}.safetensors", n) for n in (1, 2)]
    assert load_model(files).name == "3b_tc"


def test_what_a_user_must_know(ensemble, card):
    assert (ensemble.name, ensemble.label) == ("small", "small")
    assert ensemble.source == "surrogate, not ab initio"
    assert ensemble.domain == Domain(frozenset({"Al", "Cu", "Au"}), 4, (2.2, 3.1))
    assert ensemble.cards == [{**card, "seed": seed} for seed in (1, 42)]
    assert not any(member.training for member in ensemble.members)
    assert ensemble.device == torch.device("cpu")
    assert repr(ensemble) == (
        "Ensemble('small', 2 members on cpu, source: surrogate, not ab initio)"
    )


def test_labels_and_sources(save_member, tmp_path):
    a, b = (
        save_member(tmp_path / f"{n}.safetensors", label="The best", source=source)
        for n, source in enumerate(["ab initio", "surrogate, not ab initio"])
    )
    c = save_member(tmp_path / "c.safetensors", source=None)
    assert load_model([a, b]).label == "The best"
    assert load_model([a, b]).source == "ab initio + surrogate, not ab initio"
    assert load_model([b, c]).source == "surrogate, not ab initio + unknown"
    assert load_model([a, c]).label != "The best"
    assert "1 member on" in repr(load_model(c))


def test_settings(save_member, tmp_path):
    two = save_member(tmp_path / "two.safetensors", architecture="2b_cgconv")
    three = save_member(tmp_path / "three.safetensors", architecture="3b_cgconv")
    assert (load_model(two).settings.cutoff, load_model(two).settings.triplet_cutoff) == (5.5, None)
    assert load_model([two, three]).settings.triplet_cutoff == 4.0


@pytest.mark.parametrize("changes", [{"cutoff": 6.0}, {"triplet_cutoff": 3.5}])
def test_members_must_look_equally_far(
    save_member, small_architectures, tmp_path, monkeypatch, changes
):
    one = save_member(tmp_path / "one.safetensors", architecture="3b_cgconv")
    shorter = small_architectures["3b_cgconv"].model_copy(update=changes)
    monkeypatch.setitem(small_architectures, "shorter", shorter)
    other = save_member(tmp_path / "other.safetensors", architecture="shorter")
    with pytest.raises(ValueError, match=f"must share one `{next(iter(changes))}`"):
        load_model([one, other])


def test_cards_are_read_without_the_weights(save_member, card, tmp_path):
    file = save_member(tmp_path / "a.safetensors")
    assert read_card(file) == card
    with pytest.raises(FileNotFoundError):
        read_card(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"not at all")
    with pytest.raises(ValueError, match="Expected a safetensors file at"):
        read_card(tmp_path / "broken.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="Expected weights of format"):
        read_card(tmp_path / "foreign.safetensors")


def test_what_is_not_found_is_explained(model_folders, save_member, tmp_path):
    save_member(model_folders[1] / "3b_tc" / "seed1.safetensors")
    with pytest.raises(FileNotFoundError) as caught:
        load_model("3b")
    for part in ("no model '3b'", "Found: 3b_tc", str(model_folders[0]), SEARCH_PATH):
        assert part in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="neither name nor path"):
        load_model(tmp_path / "empty")
    published = tmp_path / "best_model.pt"
    published.touch()
    with pytest.raises(ValueError, match="optimetal convert-checkpoint"):
        load_model(published)
    with pytest.raises(ValueError, match="at least one model"):
        load_model([])
