"""Damaged and hostile weight files are refused by name, quickly, and no code in them runs."""

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from limelight.unet.weights.header import (
    DamagedWeights,
    PickledWeights,
    TruncatedWeights,
    WeightsError,
    read_header,
)
from limelight.unet.weights.load import load_strict


def crafted(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + data)
    return path


def entry(start: int, end: int, shape: object = None, dtype: object = "U8") -> dict:
    return {"dtype": dtype, "shape": [end - start] if shape is None else shape, "data_offsets": [start, end]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "w.safetensors"


def test_reads_what_safetensors_wrote(file):
    tensors = {
        "a": torch.ones(2, 3),
        "b.weight": torch.ones(4, dtype=torch.bfloat16),
        "scalar": torch.tensor(1, dtype=torch.int64),
        "empty": torch.empty(0, 5),
        "flags": torch.tensor([True, False]),
    }
    save_file(tensors, file, metadata={"format": "pt"})
    header = read_header(file)
    assert {name: (e.dtype, e.shape) for name, e in header.items()} == {
        name: (t.dtype, tuple(t.shape)) for name, t in tensors.items()
    }


def test_cut_off_at_every_byte(file, tmp_path):
    save_file({"a": torch.arange(6.0), "b": torch.ones(3)}, file)
    whole = file.read_bytes()
    cut = tmp_path / "cut.safetensors"
    module = torch.nn.Module()
    module.a = torch.nn.Parameter(torch.zeros(6))
    module.b = torch.nn.Parameter(torch.zeros(3))
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        with pytest.raises(TruncatedWeights) as refusal:
            load_strict(module, cut)
        header_end = 8 + int.from_bytes(whole[:8], "little")
        expected = 8 if size < 8 else header_end if size < header_end else len(whole)
        assert (refusal.value.expected, refusal.value.found) == (expected, size)
        assert str(refusal.value).startswith(f"{cut} is {size:,} bytes; needs {expected:,}.")
    assert not module.a.any() and not module.b.any()


REFUSED = {
    "huge header": (
        (b"{", b"", 2**63),
        r"announces a header of 9,223,372,036,854,775,808 bytes; at most 8,388,608",
    ),
    "all bits": ((b"{", b"", 2**64 - 1), "announces a header of 18,446,744,073,709,551,615 bytes"),
    "no JSON": ((b"{]",), "has a header that is not JSON"),
    "no UTF-8": ((b'{"\xff":1}',), "has a header that is not JSON"),
    "deep JSON": ((b'{"a":' + b"[" * 100_000,), "has a header that is not JSON"),
    "too many tensors": ((b'{"a":[' + b"[]," * 200_000 + b"[]]}",), "with 200,003 brackets; at most 150,000"),
    "a list": ((b"[]",), "has a header of type list; needs an object"),
    "a long number": ((b'{"a":' + b"9" * 5000 + b"}",), "has a header that is not JSON"),
    "a name twice": (
        (b'{"a":%(a)s,"a":%(a)s}' % {b"a": json.dumps(entry(0, 1)).encode()}, b"x"),
        "a name appears twice",
    ),
    "overlap": (({"a": entry(0, 4), "b": entry(2, 6)}, b"x" * 6), "the bytes of 'b' begin at 2 and overlap"),
    "same place": (
        ({"a": entry(0, 4), "b": entry(0, 4)}, b"x" * 4),
        "the bytes of 'b' begin at 0 and overlap",
    ),
    "gap": (({"a": entry(0, 4), "b": entry(5, 6)}, b"x" * 6), "the bytes of 'b' begin at 5 and leave a gap"),
    "gap at the start": (({"a": entry(1, 4)}, b"x" * 4), "the bytes of 'a' begin at 1 and leave a gap"),
    "bytes at the end": (({"a": entry(0, 4)}, b"x" * 5), "its header accounts for"),
    "negative": (
        ({"a": entry(-4, 0, shape=[4])}, b"x" * 4),
        r"data_offsets \[-4, 0\]; needs two whole numbers",
    ),
    "backwards": (({"a": entry(4, 0, shape=[4])}, b"x" * 4), "which is -4 bytes"),
    "too large": (({"a": entry(0, 2**64)}, b"x"), "needs at most 16 whole numbers from 0 up"),
    "overflow": (({"a": entry(0, 4, shape=[2**62, 2**62, 4])}, b"x" * 4), "shape .* of U8 needs 85,070,591"),
    "true as a number": (({"a": entry(0, 1, shape=[True])}, b"x"), r"has shape \[True\]"),
    "fraction": (({"a": entry(0, 1, shape=[1.0])}, b"x"), r"has shape \[1.0\]"),
    "no list": (({"a": entry(0, 1, shape=7)}, b"x"), "has shape 7"),
    "many dimensions": (({"a": entry(0, 1, shape=[1] * 17)}, b"x"), "needs at most 16 whole numbers"),
    "unknown dtype": (({"a": entry(0, 1, dtype="F13")}, b"x"), "has dtype 'F13'; supported: F64, F32"),
    "dtype no text": (({"a": entry(0, 1, dtype=["F32"])}, b"x"), r"has dtype \['F32'\]"),
    "wrong size": (
        ({"a": entry(0, 4, shape=[2], dtype="F32")}, b"x" * 4),
        r"is 4 bytes; shape \[2\] of F32 needs 8",
    ),
    "missing field": (
        ({"a": {"dtype": "U8", "shape": [1]}}, b"x"),
        "must have dtype, shape and data_offsets",
    ),
    "extra field": (
        ({"a": entry(0, 1) | {"x": 1}}, b"x"),
        "must have dtype, shape and data_offsets, and nothing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_header_that_contradicts_itself_is_refused(file, case):
    arguments, message = REFUSED[case]
    crafted(file, *arguments)
    with pytest.raises(DamagedWeights, match=message) as refusal:
        read_header(file)
    assert str(file) in str(refusal.value)


@pytest.mark.long
def test_a_hostile_header_costs_little(tmp_path):
    size = 8 * 1024 * 1024 - 64
    hostile = {
        "entries": b"{" + b",".join(b'"%d":[]' % i for i in range(size // 12)) + b"}",
        "metadata": b'{"__metadata__":{' + b",".join(b'"%d":""' % i for i in range(size // 12)) + b"}}",
        "just few enough tensors": json.dumps({str(i): entry(0, 0) for i in range(49_999)}).encode(),
        "brackets": b'{"a":[' + b"[]," * (size // 4) + b"[]]}",
    }
    files = [crafted(tmp_path / f"{name}.safetensors", raw) for name, raw in hostile.items()]
    probe = (
        "import json, sys, time, resource\n"
        "from limelight.unet.weights.header import read_header, WeightsError\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "for path in sys.argv[1:]:\n"
        "    start = time.process_time()\n"
        "    try: read_header(path)\n"
        "    except WeightsError: pass\n"
        "    print(time.process_time() - start)\n"
        "print(peak() - before)\n"
        "start = time.process_time()\n"
        "json.loads('{' + ','.join(f'\"{i}\":[]' for i in range(700_000)) + '}')\n"
        "print(time.process_time() - start)\n"
    )
    run = subprocess.run([sys.executable, "-c", probe, *files], capture_output=True, text=True, check=True)
    *seconds, megabytes, plain = map(float, run.stdout.split())
    assert len(seconds) == 4 and max(seconds) < plain  # of any JSON text of that length
    assert megabytes < 200


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("kind", ["torch.save", "legacy torch.save", "pickle 2", "pickle 5", "zip"])
def test_a_pickle_under_another_name_is_never_run(file, tmp_path, kind):
    canary = tmp_path / "it-ran"
    payload = {"a": torch.ones(2), "b": Canary(canary)}
    if kind.endswith("torch.save"):
        torch.save(payload, file, _use_new_zipfile_serialization=kind == "torch.save")
    elif kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(payload))
    else:
        file.write_bytes(pickle.dumps(payload, protocol=int(kind[-1])))
    with pytest.raises(
        PickledWeights, match="is a pickle or zip, not safetensors, and is not opened"
    ) as refusal:
        load_strict(torch.nn.Linear(1, 1), file)
    assert str(file) in str(refusal.value) and "safe_serialization=True" in str(refusal.value)
    assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary)))
    assert canary.exists()  # the canary does sing


def test_a_header_that_only_looks_like_a_pickle_is_read(file):
    header = json.dumps({"a": entry(0, 1)}).encode()
    crafted(file, header.ljust(0x0280), b"x")  # the length begins with a pickle's first two bytes
    assert file.read_bytes()[:2] == b"\x80\x02"
    assert read_header(file)["a"].shape == (1,)


def test_a_git_lfs_pointer_is_named_as_such(file):
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3438167540\n")
    with pytest.raises(DamagedWeights, match=r"is a Git LFS pointer, not the weights; .* git lfs pull"):
        read_header(file)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, with_length):
    file = tmp_path_factory.getbasetemp() / "any.safetensors"
    file.write_bytes((len(content).to_bytes(8, "little") if with_length else b"") + content)
    try:
        read_header(file)
    except WeightsError:
        pass


@given(st.data())
def test_a_changed_byte_in_the_header_never_reads_outside_the_file(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "changed.safetensors"
    save_file({"a": torch.arange(6.0), "b": torch.ones(3)}, file)
    content = bytearray(file.read_bytes())
    end = 8 + int.from_bytes(content[:8], "little")
    content[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        header = read_header(file)
    except WeightsError:
        return
    assert all(0 < e.start and e.start + e.num_bytes <= len(content) for e in header.values())
