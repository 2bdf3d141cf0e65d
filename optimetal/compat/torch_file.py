"""Reads files of ``torch.save`` from outside without running anything that is in them.

Such a file is a ZIP archive of a pickle and of the numbers of its tensors. A pickle is a program: it names functions
and classes of Python and has them called. Here it gets a few stand-ins for what a checkpoint needs, which it can
neither change nor do harm with (``_KNOWN``, ``_Configuration``), and nothing else; no function of torch takes part.
"""

import io
import pickle
import reprlib
import zipfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

CONFIG_MODULE: Final = "optimetal.utils"
"""Package of the published code that the class of its configurations lives in."""

_STORAGES: Final = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_torch_file(path: str | Path) -> Any:
    """Content of a file of ``torch.save``: dictionaries, lists, tuples and sets of plain values.

    A tensor becomes a :class:`StoredTensor`, an object of the published configuration's class the dictionary of its
    fields.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another kind of file, is damaged, or holds anything else; the class is named.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Unpickler(archive).load()
    except OSError:
        raise
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"Expected a file of torch.save (version 1.6 or later) at {path}, but it is none or damaged: {error}"
        ) from error
    except Exception as error:  # a spoilt or hostile pickle can raise anything
        raise ValueError(f"Cannot read {path}: {error}") from error


class _Mapping(dict):
    """In place of an ordered dictionary: the attributes that a pickle gives it are dropped."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """A state dict carries the versions of its layers here."""


class _Configuration(dict):
    """In place of a pydantic object: its fields."""

    __slots__ = ()

    def __new__(cls, *arguments: object) -> "_Configuration":
        if arguments:
            raise ValueError(f"refused to call a class of `{CONFIG_MODULE}` with arguments")
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        fields = state.get("__dict__") if isinstance(state, dict) else None
        if not isinstance(fields, dict):
            raise ValueError(
                "expected the fields of a pydantic object in the configuration, found none"
            )
        self.update(fields)


class _Storage(NamedTuple):
    """Numbers of one or more tensors."""

    dtype: torch.dtype
    data: bytearray


class StoredTensor(NamedTuple):
    """A tensor as it is stored. Tensors themselves have methods that a pickle can call; this has none."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        """The tensor.

        Raises:
            ValueError: If its shape is none, or it reaches beyond the numbers that are stored.
        """
        dtype, data = self.storage
        numbers = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        try:
            return torch.as_strided(numbers, self.size, self.stride, self.offset)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"expected a view of {len(numbers)} numbers: {error}") from error


class _RebuildTensor:
    """In place of torch's function; has no attributes that a pickle could change."""

    __slots__ = ()

    def __call__(
        self, storage: object, offset: int, size: tuple, stride: tuple, *_: object
    ) -> StoredTensor:
        if not isinstance(storage, _Storage):
            raise ValueError(f"expected the storage of a tensor, got {type(storage).__name__}")
        return StoredTensor(storage, offset, size, stride)


_KNOWN: Final[dict[tuple[str, str], Any]] = {
    ("collections", "OrderedDict"): _Mapping,
    ("builtins", "set"): set,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
    **{("torch", str(dtype).removeprefix("torch.")): dtype for dtype in _STORAGES.values()},
}


_RENAMED: Final = {"__builtin__": "builtins"}
"""Name in pickles of protocol 2, torch's own -> name in Python 3."""


class _Unpickler(pickle.Unpickler):
    """Unpickles the object of an archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._root = _root(archive)
        self._storages: dict[str, _Storage] = {}
        if self._has("byteorder") and self._read("byteorder") != b"little":
            raise ValueError("expected numbers in little-endian order, found big-endian")
        super().__init__(io.BytesIO(self._read("data.pkl")))

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle gets for a name: nothing is ever imported."""
        module = _RENAMED.get(module, module)
        if module == CONFIG_MODULE or module.startswith(f"{CONFIG_MODULE}."):
            return _Configuration
        if (module, name) not in _KNOWN:
            raise ValueError(
                f"refused `{module}.{name}`: expected tensors, plain containers and a configuration "
                f"(a class of `{CONFIG_MODULE}`) only"
            )
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """Numbers of a tensor."""
        match pid:
            case ("storage", torch.dtype() as dtype, str(key), _, int(size)):
                if key not in self._storages:
                    self._storages[key] = self._storage(key, dtype, size)
                return self._storages[key]
        raise ValueError(f"refused the persistent object {reprlib.repr(pid)}: expected a storage")

    def _storage(self, key: str, dtype: torch.dtype, size: int) -> _Storage:
        data = bytearray(self._read(f"data/{key}"))  # torch wants memory it could write to
        if len(data) != size * dtype.itemsize:
            raise ValueError(
                f"expected {size} numbers of type {dtype} in storage {key!r}, got {len(data)} bytes"
            )
        return _Storage(dtype, data)

    def _has(self, name: str) -> bool:
        return self._root + name in self._archive.NameToInfo

    def _read(self, name: str) -> bytes:
        if not self._has(name):
            raise ValueError(f"`{name}` is missing in the archive")
        info = self._archive.getinfo(self._root + name)
        if info.compress_type != zipfile.ZIP_STORED:  # a compressed file could swell
            raise ValueError(f"refused `{name}`: expected it uncompressed, as torch.save writes it")
        return self._archive.read(info)


def _root(archive: zipfile.ZipFile) -> str:
    """Folder of the archive that everything lies in."""
    names = archive.namelist()
    roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError(f"expected one object (data.pkl) in the archive, found {len(roots)}")
    return roots[0]
