"""The result file: strict, whole or not there, the same bytes for the same numbers."""

import json
from dataclasses import dataclass

import pytest
from bulkhead.base.errors import BulkheadError
from bulkhead.base.plain import FormatError, from_plain, to_plain
from bulkhead.result import lookup, read_result, write_json
from bulkhead.result.store import LONGEST_ROW, layout


@dataclass(frozen=True)
class Inner:
    share: float
    name: str | None


@dataclass(frozen=True)
class Outer:
    count: int
    inner: list[Inner]
    names: dict[str, int | str]


GOOD = {"count": 3, "inner": [{"share": 0.1, "name": None}], "names": {"a": 1, "b": "x"}}


def test_values_survive_the_way_there_and_back():
    value = from_plain(Outer, GOOD)
    assert value == Outer(3, [Inner(0.1, None)], {"a": 1, "b": "x"})
    assert to_plain(value) == GOOD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 3.5}, "Outer.count: 3.5 is not a whole number"),
        ({"count": True}, "Outer.count: True is not a whole number"),
        ({"more": 1}, "Outer: 'more' is unknown"),
        ({"inner": [{"share": "much", "name": None}]}, r"Outer.inner\[0\].share: 'much' is not a number"),
        ({"inner": [{"share": 1}]}, r"Outer.inner\[0\]: 'name' is missing"),
        ({"inner": {}}, "Outer.inner: {} is not a list"),
        ({"names": {"a": 1.5}}, "Outer.names.a: 1.5 is none of int, str"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(change, message):
    with pytest.raises(FormatError, match=message):
        from_plain(Outer, GOOD | change)


def test_numbers_by_path():
    metrics = {"latency": {"p99": 7, "p50": None}, "gone": None}
    assert lookup(metrics, "latency.p99") == 7
    assert lookup(metrics, "latency.p50") is lookup(metrics, "gone.p99") is None
    with pytest.raises(LookupError, match="unknown metric latency.p98"):
        lookup(metrics, "latency.p98")
    with pytest.raises(LookupError, match="has parts: p99, p50"):
        lookup(metrics, "latency")


def test_a_row_of_a_table_is_one_line_and_the_values_stay():
    rows = [{"name": f"guest{i}", "share": i / 7, "text": 'a "b" \u00b5', "none": None} for i in range(20)]
    data = {"rows": rows, "flag": True, "empty": {}, "few": [1, 2], "nested": {"rows": [rows, []]}}
    text = layout(data)
    assert json.loads(text) == data
    lines = [line.strip(" ,") for line in text.splitlines()]
    assert sum(line.startswith('{"name":') for line in lines) == 40 and max(map(len, lines)) <= LONGEST_ROW
    assert lines[-1] == "}" and '"few": [1,2]' in lines


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 0.1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 0.1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a result"),
        ("[]", "is not an object"),
        ('{"format_version": 99}', "version 99, but this program reads 1"),
    ],
)
def test_a_file_that_is_no_result_is_refused(tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(BulkheadError, match=message):
        read_result(path)
    with pytest.raises(BulkheadError, match="cannot read"):
        read_result(tmp_path / "none.json")
