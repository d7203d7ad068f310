"""Plug-in files from other builds, damaged ones and things that are no plug-in: each gets a clear message, none a crash."""

import random
from pathlib import Path

import pytest

from bulkhead import _core
from bulkhead.base.errors import SpecError
from bulkhead.base.paths import plugin_dirs
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose, parse_policy
from bulkhead.policy.tables import read_policy

MAGIC = (0x4E4947554C504B42).to_bytes(8, "little")


@pytest.fixture(scope="module")
def plugin() -> Path:
    """Any built scheduler."""
    return sorted(plugin_dirs()["scheduler"].glob("*.so"))[0]


def changed(plugin: Path, tmp_path: Path, offset: int, value: bytes) -> Path:
    """A copy whose descriptor has other bytes at `offset`."""
    data = bytearray(plugin.read_bytes())
    at = data.index(MAGIC) + offset
    data[at : at + len(value)] = value
    copy = tmp_path / "changed.so"
    copy.write_bytes(data)
    return copy


def test_built_plugins_describe_themselves() -> None:
    for path in plugin_dirs()["scheduler"].glob("*.so"):
        policy = read_policy(path)
        assert policy.kind == "scheduler" and policy.name == path.stem
        assert all((policy.summary, policy.good_at, policy.bad_at, policy.source))
        for parameter in policy.parameters:
            assert (
                parameter.least <= parameter.initial <= parameter.most and parameter.help and parameter.unit
            )


def test_another_abi_version(plugin: Path, tmp_path: Path) -> None:
    other = _core.constants["plugin.abi_version"] + 1
    copy = changed(plugin, tmp_path, 8, other.to_bytes(4, "little"))
    with pytest.raises(
        SpecError, match=rf"plug-in ABI version {other}, this Bulkhead has version {other - 1}; rebuild"
    ):
        read_policy(copy)
    with pytest.raises(SpecError, match="rebuild"):
        choose("scheduler", Policy(str(copy)))


def test_another_magic(plugin: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="plug-in magic; rebuild"):
        read_policy(changed(plugin, tmp_path, 0, b"X"))


def test_another_kind(plugin: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="its kind 99 is unknown"):
        read_policy(changed(plugin, tmp_path, 12, (99).to_bytes(4, "little")))
    with pytest.raises(SpecError, match="is a memory policy, not a scheduler"):
        choose("scheduler", Policy(str(changed(plugin, tmp_path, 12, (2).to_bytes(4, "little")))))


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/bin/ls", "/dev/null", "/usr/lib/grub-xen/grub-x86_64-xen.bin"]
)
def test_no_plugins(path: str) -> None:
    with pytest.raises(SpecError, match="is no usable policy plug-in: it"):
        read_policy(Path(path))


def test_damaged_files_never_crash(plugin: Path, tmp_path: Path) -> None:
    whole, generator, copy = plugin.read_bytes(), random.Random(1), tmp_path / "damaged.so"
    refused = 0
    for _ in range(500):
        data = bytearray(whole[: generator.randrange(len(whole))] if generator.random() < 0.3 else whole)
        for _ in range(generator.randrange(1, 30)):
            if data:
                data[generator.randrange(len(data))] = generator.randrange(256)
        copy.write_bytes(data)
        try:
            read_policy(copy)
        except SpecError as error:
            refused += 1
            assert "is no usable policy plug-in" in str(error)
    assert refused > 100


def test_unknown_names_are_answered_with_the_nearest(plugin: Path) -> None:
    name = plugin.stem
    with pytest.raises(SpecError, match=f"unknown scheduler '{name}x'; did you mean '{name}'"):
        parse_policy("scheduler", name + "x")
    with pytest.raises(SpecError, match="there is no policy file ./nowhere.so"):
        choose("scheduler", Policy("./nowhere.so"))


def test_parameters_are_checked_against_the_table(plugin: Path) -> None:
    policy = read_policy(plugin)
    first = policy.parameters[0]
    values = choose("scheduler", Policy(policy.name, {first.name: first.most})).values
    assert values == (first.most, *(parameter.initial for parameter in policy.parameters[1:]))
    with pytest.raises(SpecError, match=f"is outside {first.least} to {first.most}"):
        choose("scheduler", Policy(policy.name, {first.name: first.most + 1}))
    with pytest.raises(SpecError, match=f"has no parameter '{first.name}x'; did you mean '{first.name}'"):
        parse_policy("scheduler", f"{policy.name}:{first.name}x=1")


def test_durations_become_the_parameters_unit() -> None:
    for path in plugin_dirs()["scheduler"].glob("*.so"):
        policy = read_policy(path)
        for parameter in policy.parameters:
            if parameter.unit == "us":
                spec = parse_policy("scheduler", f"{policy.name}:{parameter.name}=5ms")
                assert spec.parameters == {parameter.name: 5000}
                with pytest.raises(SpecError, match="no whole number of us"):
                    parse_policy("scheduler", f"{policy.name}:{parameter.name}=5ns")
                return
    pytest.fail("no scheduler has a parameter in microseconds")
