"""Files of torch.save, friendly and hostile."""

import collections
import os
import pickle
import subprocess
import zipfile

import pytest
import torch

from optimetal.compat.torch_file import StoredTensor, read_torch_file

CONFIG = b"optimetal.utils.utils\nValidateConfigurationDict\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
)


def archive(path, program, compression=zipfile.ZIP_STORED, **members):
    """An archive with any pickle and a storage of four single-precision numbers."""
    members = {"data.pkl": program, "byteorder": b"little", "data/0": bytes(16), **members}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members.items():
            file.writestr(f"archive/{name}", data)
    return path


def test_tensors_and_plain_containers_come_back(tmp_path):
    base = torch.arange(12.0)
    tensors = {
        "view": base[2:10].view(4, 2).T,
        "same storage": base,
        "empty": torch.zeros(0, 3),
        "number": torch.tensor(7),
        **{
            str(dtype): torch.ones(3, dtype=dtype)
            for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.bool)
        },
    }
    plain = {"list": [1, 2.5, None, True], "set": {1, 2}, "type": torch.bfloat16, "pair": ("a", 1)}
    ordered = collections.OrderedDict(tensors)
    ordered._metadata = {"version": 1}
    for protocol in (2, 4, 5):
        torch.save({"t": ordered, "p": plain}, tmp_path / "file.pt", pickle_protocol=protocol)
        content = read_torch_file(tmp_path / "file.pt")
        assert content["p"] == plain
        assert list(content["t"]) == list(tensors)
        for name, stored in content["t"].items():
            assert stored.tensor().dtype == tensors[name].dtype
            assert torch.equal(stored.tensor(), tensors[name])


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [
        (os.system, "touch {}", r"posix\.system"),
        (subprocess.check_call, ["touch", "{}"], r"(subprocess|commands)\.check_call"),
        (eval, "open('{}', 'w')", r"builtins\.eval"),
        (exec, "open('{}', 'w')", r"builtins\.exec"),
        (print, "{}", r"builtins\.print"),
        (getattr, "{}", r"builtins\.getattr"),
        (torch.load, "{}", r"torch\.serialization\.load"),
        (torch.hub.load, "{}", r"torch\.hub\.load"),
        (torch.jit.load, "{}", r"torch\.jit.*\.load"),
        (pickle.loads, b"N.", r"_?pickle\.loads"),
    ],
)
def test_nothing_is_called(tmp_path, capsys, function, argument, name, protocol):
    witness = tmp_path / "witness"
    if isinstance(argument, str):
        argument = argument.format(witness)
    elif isinstance(argument, list):
        argument = [part.format(witness) for part in argument]
    path = tmp_path / "evil.pt"
    torch.save({"epoch": Calls(function, argument)}, path, pickle_protocol=protocol)
    with pytest.raises(ValueError, match=rf"refused `({name})`: expected tensors"):
        read_torch_file(path)
    assert not witness.exists()
    assert capsys.readouterr().out == ""


def test_the_hostile_file_would_have_worked(tmp_path):
    """So the test above is one."""
    witness = tmp_path / "witness"
    pickle.loads(pickle.dumps(Calls(os.system, f"touch {witness}")))
    assert witness.exists()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"cos\nsystem\n.", r"refused `os\.system`"),
        (b"(S'x'\nios\nsystem\n.", r"refused `os\.system`"),
        (b"\x80\x04\x8c\x05torch\x8c\x08hub.load\x93.", r"refused `torch\.hub\.load`"),
        (b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.", r"refused `collections"),
        (b"ctorch\nTensor\n.", r"refused `torch\.Tensor`"),
        (b"coptimetal.utilities\nConfig\n.", r"refused `optimetal\.utilities\.Config`"),
        (b"coptimetal\nConfig\n.", r"refused `optimetal\.Config`"),
        (b"coptimetal.training.trainer\nTrainer\n.", r"refused `optimetal\.training\.trainer"),
        (b"cutils\nValidateConfigurationDict\n.", r"refused `utils\.Validate"),
        (b"cpathlib\nPosixPath\n.", r"refused `pathlib\.PosixPath`"),
        (b"\x82\x01.", "extension"),
        (b"c" + CONFIG + b"(S'x'\ntR.", r"refused to call a class of `optimetal\.utils`"),
        (b"c" + CONFIG + b"(S'x'\nt\x81.", r"refused to call a class of `optimetal\.utils`"),
        (b"c" + CONFIG + b")\x81K\x01b.", "expected the fields of a pydantic object"),
        (b"c" + CONFIG + b")\x81}S'a'\nK\x01sb.", "expected the fields of a pydantic object"),
        (b"c" + CONFIG + b"}b.", "Cannot read"),  # a state for the class itself
        (REBUILD + b"}S'__call__'\nK\x01sb.", "Cannot read"),
        (REBUILD + b"(N}S'__defaults__'\nK\x01stb.", "Cannot read"),
        (REBUILD + b")R.", "missing 4 required positional arguments"),
        (REBUILD + b"(NK\x00)tR.", "missing 1 required positional argument"),
        (REBUILD + b"(NK\x00))tR.", "expected the storage of a tensor, got NoneType"),
        (b"c__builtin__\nset\n(K\x01tR.", "not iterable"),
        (b"ctorch\nFloatStorage\n(K\x09tR.", "not callable"),
        (STORAGE + b"}S'data'\nK\x01sb.", "Cannot read"),
        (b"S'module'\nQ.", r"refused the persistent object 'module'"),
        (b"Pos.system\n.", r"refused the persistent object 'os.system'"),
        (STORAGE.replace(b"K\x04", b"K\x05") + b".", "expected 5 numbers of type torch.float32"),
        (STORAGE.replace(b"\x000X", b"\x001X") + b".", r"`data/1` is missing"),
        (b"\x80\x02}", "Cannot read"),
        (b"", "Cannot read"),
    ],
)
def test_hostile_and_damaged_pickles_are_refused(tmp_path, program, message):
    with pytest.raises(ValueError, match=message):
        read_torch_file(archive(tmp_path / "evil.pt", program))


def test_states_of_stand_ins_do_not_outlive_the_file(tmp_path):
    """A harmless read works after all attempts to change what it relies on."""
    for target in (b"ccollections\nOrderedDict\n)R", b"ccollections\nOrderedDict\n", REBUILD):
        for state in (b"}S'items'\nK\x01s", b"(N}S'keys'\nK\x01st"):
            path = archive(tmp_path / "evil.pt", target + state + b"b.")
            try:
                assert read_torch_file(path) == {}
            except ValueError:
                assert b")R" not in target
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "good.pt")
    assert list(read_torch_file(tmp_path / "good.pt").items())


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((5,), (1,), 0),
        ((2,), (4,), 0),
        ((4,), (1,), 1),
        ((1,), (1,), -1),
        ((2,), (-1,), 3),
        ("ab", (1,), 0),
    ],
)
def test_tensors_stay_within_their_numbers(tmp_path, size, stride, offset):
    stored = read_torch_file(
        archive(tmp_path / "file.pt", REBUILD + b"(" + STORAGE + b"K\x00(K\x04t(K\x01ttR.")
    )
    assert stored.tensor().tolist() == [0.0] * 4
    with pytest.raises(ValueError, match="expected a view of 4 numbers"):
        StoredTensor(stored.storage, offset, size, stride).tensor()


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "file.pt"
    with pytest.raises(FileNotFoundError):
        read_torch_file(path)
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"Expected a file of torch\.save"):
        read_torch_file(path)
    torch.save({"a": torch.zeros(300)}, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"Expected a file of torch\.save .* damaged"):
        read_torch_file(path)
    with pytest.raises(ValueError, match="uncompressed"):
        read_torch_file(archive(path, b"N.", zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="big-endian"):
        read_torch_file(archive(path, b"N.", byteorder=b"big"))
    with pytest.raises(ValueError, match="found 2"):
        read_torch_file(archive(path, b"N.", **{"more/data.pkl": b"N."}))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/b", b"")
    with pytest.raises(ValueError, match="found 0"):
        read_torch_file(path)


def test_spoilt_numbers_are_noticed(tmp_path):
    path = tmp_path / "file.pt"
    torch.save({"a": torch.full((100,), 3.0)}, path)
    data = path.read_bytes()
    path.write_bytes(data.replace(torch.full((100,), 3.0).numpy().tobytes(), bytes(400)))
    with pytest.raises(ValueError, match="CRC"):
        read_torch_file(path)
