"""Plug-in files from other builds, damaged ones and things that are no plug-in: each gets a clear message, none a crash."""

import random
import re
import subprocess
from pathlib import Path

import pytest

from bootstrap.build import build_dir
from bulkhead import _core
from bulkhead.base.errors import SpecError
from bulkhead.base.paths import plugin_dirs
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose, parse_policy
from bulkhead.policy.tables import read_policy
from tests.policy_files.listed import BadFile, bad_files


@pytest.fixture(scope="module")
def plugin() -> Path:
    """Any built scheduler."""
    return sorted(plugin_dirs()["scheduler"].glob("*.so"))[0]


def check(*paths: Path) -> subprocess.CompletedProcess[str]:
    """The program that the build runs on every policy."""
    command = [build_dir("release") / "plugin" / "bulkhead_plugin_check", *paths]
    return subprocess.run(command, capture_output=True, text=True)


def test_built_plugins_describe_themselves() -> None:
    for path in plugin_dirs()["scheduler"].glob("*.so"):
        policy = read_policy(path)
        assert policy.kind == "scheduler" and policy.name == path.stem
        assert all((policy.summary, policy.good_at, policy.bad_at, policy.source))
        for parameter in policy.parameters:
            assert (
                parameter.least <= parameter.initial <= parameter.most and parameter.help and parameter.unit
            )


@pytest.mark.parametrize("bad", [bad for bad in bad_files() if bad.by_hosts], ids=lambda bad: bad.path.stem)
def test_bad_files_are_refused_in_the_readers_words(bad: BadFile) -> None:
    kind = next(name for name, number in _core.enums["plugin.Kind"].items() if number == bad.kind)
    refusal = f"^{re.escape(f'{bad.path} is not a usable policy: {bad.sentence}')}$"
    with pytest.raises(SpecError, match=refusal):
        read_policy(bad.path, kind)
    with pytest.raises(SpecError, match=refusal):
        choose(kind, Policy(str(bad.path)))


def test_the_builds_check_says_the_same() -> None:
    """It is asked about all files at once, and knows no kind that they should have."""
    expected = [bad for bad in bad_files() if " is a " not in bad.sentence]
    result = check(*(bad.path for bad in expected))
    assert result.returncode == 1 and result.stderr == ""
    assert result.stdout.splitlines() == [f"{bad.path}: {bad.sentence}" for bad in expected]
    assert len(expected) > 80


def test_the_builds_check_accepts_what_is_built() -> None:
    built = [path for folder in plugin_dirs().values() for path in sorted(folder.glob("*.so"))]
    assert (check(*built).returncode, check(*built).stdout) == (0, "")
    assert check().returncode == 1 and check().stdout.startswith("usage: ")
    nowhere = Path("/nowhere/policy.so")
    assert check(nowhere).stdout == f"{nowhere}: the file cannot be read; check its path and permissions\n"
    assert check(Path("/lib/x86_64-linux-gnu/libm.so.6")).returncode == 1


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.so"):
        with pytest.raises(SpecError) as error:
            read_policy(path)
        assert (
            str(error.value)
            == f"{path} is not a usable policy: the file cannot be read; check its path and permissions"
        )


def test_another_version_says_what_to_do() -> None:
    other = next(bad for bad in bad_files() if bad.path.stem == "another_version")
    with pytest.raises(SpecError, match="ABI version 77, this Bulkhead has version .*; rebuild the policy"):
        read_policy(other.path)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/bin/ls", "/dev/null", "/usr/lib/grub-xen/grub-x86_64-xen.bin"]
)
def test_no_plugins(path: str) -> None:
    with pytest.raises(SpecError, match="is not a usable policy: the "):
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
            assert "is not a usable policy: " in str(error)
    assert refused > 100


def test_unknown_names_are_answered_with_the_nearest(plugin: Path) -> None:
    name = plugin.stem
    with pytest.raises(SpecError, match=f"unknown scheduler '{name}x'; did you mean '{name}'"):
        parse_policy("scheduler", name + "x")
    with pytest.raises(SpecError, match="policy file ./nowhere.so does not exist"):
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
                with pytest.raises(SpecError, match="not a whole number of us"):
                    parse_policy("scheduler", f"{policy.name}:{parameter.name}=5ns")
                return
    pytest.fail("no scheduler has a parameter in microseconds")
