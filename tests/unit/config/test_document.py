import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from alpha_dimt.config.document import read_document, yaml_text, yaml_values
from alpha_dimt.core.errors import UserError


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_document(path)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("no", "on", "yes", "off", "No", "OFF", "y", "n")],
        ("true", True),
        ("FALSE", False),
        *[(word, None) for word in ("~", "null", "")],
        ("1e3", 1000.0),
        ("1e-5", 1e-5),
        ("1.0e-30", 1e-30),
        ("+.5", 0.5),
        ("1.", 1.0),
        ("010", 10),
        ("-7", -7),
        ("0o10", 8),
        ("0x1F", 31),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("2020-01-02", "2020-01-02"),
        ("2020-99-99", "2020-99-99"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("1:30:00", "1:30:00"),
        ("1_000", "1_000"),
        ("'1e3'", "1e3"),
        ('"true"', "true"),
        ("=", "="),
    ],
)
def test_a_plain_value_is_what_yaml_1_2_says(text: str, value: Any):
    found = yaml_values(f"key: {text}\n", "a.yaml")["key"]

    assert found == value
    assert type(found) is type(value)


def test_nan_is_read_for_the_types_to_refuse():
    assert str(yaml_values("[.nan, .NaN]", "a.yaml")) == "[nan, nan]"


def test_keys_are_names():
    text = "0.3: 1\nno: 2\n1e3: 3\n2020-01-02: 4\n'~': 5\n"

    assert yaml_values(text, "a.yaml") == {"0.3": 1, "no": 2, "1e3": 3, "2020-01-02": 4, "~": 5}


def test_anchors_and_merge_keys(repository: Path):
    text = (repository / "config/objectives.yaml").read_text(encoding="utf-8")

    # No value in the file is read differently by the two versions of YAML.
    found = yaml_values(text, "objectives.yaml")
    assert found == yaml.safe_load(text)
    assert list(found["systems"]) == list(yaml.safe_load(text)["systems"])


def test_own_keys_win_over_merged_ones_and_the_first_of_several():
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n"

    assert yaml_values(text, "a.yaml")["c"] == yaml.safe_load(text)["c"] == {"x": 1, "y": 3, "z": 2}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: a: this key is given twice, first in line 1;"),
        ("a:\n  b: 1\nc: 1\na:\n  b: 2\n", "4: a: this key is given twice, first in line 1;"),
        ("a:\n  b: 1\n\n  b: 1\n", "4: a.b: this key is given twice, first in line 2;"),
        ("a:\n- {}\n- {b: 1,\n   b: 2}\n", "4: a.1.b: this key is given twice, first in line 3;"),
        ("'a': 1\na: 2\n", "2: a: this key is given twice, first in line 1;"),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "4: b.<<: this key is given twice"),
        ("x: 1\na: &a\n  b: [*a]\n", "2: a.b.0: this holds itself;"),
        ("a: 1\n? [b]\n: 1\n", "2: the file: a key must be text;"),
        ("a: 1\nb: {<<: 3}\n", "2: b.<<: this takes a section"),
        ("a: 1\nb: !!python/name:os.system\n", "2: b: "),
        ("a: 1\nb: !!set {x}\n", "2: b: the tag set is not supported here"),
        ("a:\n\tb: 1\n", r"2: this is not valid YAML (found character '\t' that cannot start"),
        ("a: 1\nb: c: d\n", "2: this is not valid YAML (mapping values are not allowed here);"),
        ("a: {b: 1\nc: 2\n", "2: this is not valid YAML ("),
        ("a: 1\nb: \x07\n", "2: this is not valid YAML (the character #x0007 is not allowed);"),
        ("a: *b\n", "1: this is not valid YAML (found undefined alias 'b');"),
        ("a: 1\n---\nb: 1\n", "2: this is not valid YAML ("),
        (f"a: 1\nb: {'9' * 5000}\n", "2: b: this value cannot be read ("),
        (f"a: {'[' * 3000}\n", " brackets are nested too deep"),
        ('a: "\\Uffffffff"', " a value cannot be read ("),
    ],
)
def test_a_refusal_names_line_and_key(tmp_path: Path, text: str, place: str):
    assert refused(tmp_path / "a.yaml", text).startswith(place)


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n')

    assert read_document(tmp_path / name).values == {"a": 1}


def test_the_line_of_every_key(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &a\n  x: 1\n  y:\n  - 5\n  - {z: 1}\nb:\n  <<: *a\n  w: 2\n")
    document = read_document(path)

    assert document.place(("a", "x")) == f"{path}:2"
    assert document.place(("a", "y", 1, "z")) == f"{path}:5"
    assert document.place(("b", "w")) == f"{path}:8"
    assert document.place(("b", "x")) == f"{path}:2"
    assert document.place(("b", "v")) is None
    assert document.place(("a", "x", "y")) is None
    assert document.place(()) == str(path)


def test_lines_of_json(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('{\n\t"a": {\n\t\t"b": [1, "\\ud83d\\ude00"]}}')
    document = read_document(path)

    assert document.values == {"a": {"b": [1, "😀"]}}
    assert document.place(("a", "b", 0)) == f"{path}:3"


def test_json_with_a_key_twice(tmp_path: Path):
    message = refused(tmp_path / "a.json", '{"a": 1,\n\t"b": {"c": 1,\n "c": 2}}')

    assert message.startswith("3: b.c: this key is given twice, first in line 2;")


def test_small_numbers_of_json(tmp_path: Path):
    (tmp_path / "a.json").write_text(json.dumps({"a": 1e-5}))

    assert read_document(tmp_path / "a.json").values == {"a": 1e-5}


def test_many_names_for_one_value_are_read_once():
    """Written out, these would be 2 ** 40 values."""
    lines = ["a0: &a0 [1, 1]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]

    assert len(yaml_values("\n".join(lines), "a.yaml")["a39"]) == 2


WORDS = st.sampled_from(
    ["yes", "No", "on", "OFF", "y", "null", "~", "", "true", "False", "<<", "="]
)
LIKE_NUMBERS = st.text("0123456789.eEoxXabfin_:+-", max_size=8)


@given(WORDS | LIKE_NUMBERS | st.from_regex(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", fullmatch=True))
@example("1e3")
@example("08")
@example("0o7")
@example(".5e1")
def test_text_that_is_written_stays_text(text: str):
    values = {"key": text, text: [text, {text: "a"}]}
    written = yaml_text(values)

    assert yaml_values(written, "a.yaml") == values
    assert yaml.safe_load(written) == values


def test_numbers_that_are_written_stay_numbers():
    values = [8, -3, 0.5, 1e20, 1e-9, float("inf"), True, None, "a plain text"]

    assert yaml_values(yaml_text(values), "a.yaml") == values
    assert yaml_text({"a": 8, "b": "text", "c": True}) == "a: 8\nb: text\nc: true\n"
