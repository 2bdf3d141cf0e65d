import pytest
from pydantic import ValidationError

from optimetal.config.surrogate import SurrogateSettings


def test_default_is_the_small_set():
    settings = SurrogateSettings()
    assert len(settings.elements) == 22
    assert len(settings.prototypes) == 24


def test_every_setting_is_described():
    assert all(field.description for field in SurrogateSettings.model_fields.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elements": ("Al", "Xx", "U")}, "unknown element Xx, U; known are Li Be Na"),
        ({"prototypes": ("CsCl", "NaCl")}, "unknown prototype NaCl; known are Cu W Mg"),
        ({"elements": ("Al", "Cu", "Al", "Zn")}, "each element may be named once, got Al"),
        ({"elements": ("Al", "Cu")}, "needs 3 different elements, got 2"),
        ({"num_crystals": 0}, "num_crystals"),
        ({"seed": -1}, "seed"),
        ({"num_crystal": 10}, "num_crystal"),
    ],
)
def test_wrong_settings_are_named(change, message):
    with pytest.raises(ValidationError, match=message):
        SurrogateSettings(**change)


def test_two_elements_suffice_for_binary_prototypes():
    assert SurrogateSettings(elements=("Al", "Cu"), prototypes=("CsCl", "Cu")).num_crystals == 400
