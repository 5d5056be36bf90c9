import contextlib
import json
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from alpha_dimt.core.errors import UserError
from alpha_dimt.models.weights import fill, write_weights


def tensors() -> dict[str, torch.Tensor]:
    return {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}


def refused(path: Path, match: str) -> None:
    linear = nn.Linear(3, 2)
    before = {name: value.clone() for name, value in linear.state_dict().items()}
    with pytest.raises(UserError, match=match) as error:
        fill(linear, path, "key")
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert all(torch.equal(value, before[name]) for name, value in linear.state_dict().items())


def test_round_trip(tmp_path: Path) -> None:
    linear, other = nn.Linear(3, 2), nn.Linear(3, 2)
    write_weights(linear, tmp_path / "w", "key")
    fill(other, tmp_path / "w", "key")
    assert torch.equal(linear.weight, other.weight)
    assert torch.equal(linear.bias, other.bias)


def test_the_file_is_the_same_for_weights_in_another_order_in_memory(tmp_path: Path) -> None:
    linear, other = nn.Linear(3, 2), nn.Linear(3, 2)
    write_weights(linear, tmp_path / "rows", "key")
    other.weight = nn.Parameter(torch.empty(3, 2).t())
    fill(other, tmp_path / "rows", "key")
    assert torch.equal(linear.weight, other.weight)
    assert other.weight.stride() == (1, 2)
    write_weights(other, tmp_path / "columns", "key")
    assert (tmp_path / "rows").read_bytes() == (tmp_path / "columns").read_bytes()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weight": torch.ones(3, 2)}, r"weight is F32 \(3, 2\), but this model has F32 \(2, 3\)"),
        ({"weight": torch.ones(2, 3, dtype=torch.bfloat16)}, r"weight is BF16 \(2, 3\), but"),
        ({"weight": torch.ones(2, 3, dtype=torch.int64)}, r"weight is I64 \(2, 3\), but"),
        ({"more": torch.ones(1)}, "lack or should not have more"),
        ({"bias": None}, "lack or should not have bias"),
    ],
)
def test_other_tensors(tmp_path: Path, change: dict[str, torch.Tensor | None], match: str) -> None:
    changed = {k: v for k, v in (tensors() | change).items() if v is not None}
    save_file(changed, tmp_path / "w", metadata={"run_key": "key"})
    refused(tmp_path / "w", match)


@pytest.mark.parametrize("metadata", [None, {"run_key": "other"}])
def test_another_run(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file(tensors(), tmp_path / "w", metadata=metadata)
    refused(tmp_path / "w", "these weights belong to run")


def header(values: object, size: int | None = None) -> bytes:
    text = json.dumps(values).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text


HUGE = {"weight": {"dtype": "F32", "shape": [2**40, 3], "data_offsets": [0, 12 * 2**40]}}
OVERLAP = {
    name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * size]}
    for name, shape, size in (("weight", [2, 3], 6), ("bias", [2], 2))
}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 7,
        b"not weights at all, but a text that is long enough",
        b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00true",  # a pickle
        header({}, size=2**63),
        header({}, size=2**30),
        header(HUGE),
        header(OVERLAP) + bytes(24),
        header({"weight": 1}),
        header([]),
        struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    ],
    ids=str,
)
def test_files_that_are_no_weights(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "w").write_bytes(raw)
    refused(tmp_path / "w", "these weights are damaged|lack or should not|belong to run None")


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "w", "there is no such file")
    (tmp_path / "w").mkdir()
    refused(tmp_path / "w", "these weights are damaged")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_cut_or_change_of_the_header_is_refused_with_a_message(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "w"
    save_file(tensors(), path, metadata={"run_key": "key"})
    raw = bytearray(path.read_bytes())
    end = 8 + int.from_bytes(raw[:8], "little")
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        raw[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with contextlib.suppress(UserError):  # anything else is a traceback to the user
        fill(nn.Linear(3, 2), path, "key")
