"""Format, static checks, types, and rules of the house, over the files that git knows. Changes no file."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bootstrap.build import BuildError, build

from bulkhead.base.paths import ROOT
from bulkhead.testing.case import FAILED, PASSED, Case, command_case
from bulkhead.testing.tidy import tidy

CPP = (".cpp", ".hpp")
POLICY_FOLDERS = ("sched", "memctl", "ringctl")
BLIND_FOLDERS = ("host/", "hv/", "sim/", "bindings/")
WORKLOAD = re.compile(r'Model\{"\w+"')  # a model bears the name of its workload, which a policy may have too
# Policies whose names are words that any text may use: looked for only in quotes.
ORDINARY_WORDS = set("chaos pinned table".split())
LINE = "110"
# Where cppcheck 2.10 is wrong: it misses initialisation through a span, distrusts bounds given by the linker, does not
# parse templated lambdas, and takes a range-for's initialiser for part of its loop.
CPPCHECK_MISTAKES = (
    "legacyUninitvar",
    "comparePointers",
    "missingInclude",
    "internalAstError",
    "syntaxError:abi/enum_name.hpp",
    "syntaxError:bindings/native/enum_names.hpp",
    "invalidLifetime:tests/unit/dom0_xenstore_guest.hpp",
    "accessMoved:tests/unit/dom0_xenstore_guest.hpp",
)


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split(
        "\0"
    )
    return [name for name in listed if name and (ROOT / name).is_file()]


def _shell_scripts(files: Sequence[str]) -> list[str]:
    def is_shell(name: str) -> bool:
        with open(ROOT / name, "rb") as file:
            return name.endswith(".sh") or re.match(rb"#!.*\b(ba|da)?sh\b", file.readline()) is not None

    return [name for name in files if is_shell(name)]


def _python(files: Sequence[str]) -> list[str]:
    return [name for name in files if name.endswith(".py") or name == "bulkhead"]


def blind_core(files: Sequence[str]) -> Case:
    """No policy's name appears in the folders that must not know any."""
    names = [Path(f).stem for f in files if f.endswith(".cpp") and f.split("/")[0] in POLICY_FOLDERS]
    if not names:
        return Case("the core is blind to policy", FAILED, "no policy was found to look for")
    own = "|".join(map(re.escape, sorted(set(names) - ORDINARY_WORDS)))
    ordinary = "|".join(sorted(set(names) & ORDINARY_WORDS))
    pattern = re.compile(rf"\b({own})\b" + (rf"|[\"']({ordinary})[\"']" if ordinary else ""))
    found = []
    for name in files:
        if not name.startswith(BLIND_FOLDERS):
            continue
        for number, line in enumerate((ROOT / name).read_text("utf-8", "replace").splitlines(), 1):
            if pattern.search(WORKLOAD.sub("", line)):
                found.append(f"{name}:{number}: {line.strip()}")
    return Case("the core is blind to policy", FAILED if found else PASSED, "\n".join(found))


def _clang_build() -> Case:
    """Sources that run on the bare machine, in a guest or in ring 0; clang reads the rest in clang-tidy and the fuzzers."""
    try:
        build("clang", ["hv/all", "guest/all", "policies", "workloads/all"])
    except BuildError as error:
        return Case("clang builds without a warning", FAILED, str(error))
    return Case("clang builds without a warning", PASSED)


def _cppcheck(files: Sequence[str]) -> Case:
    command = ["cppcheck", "--quiet", "--std=c++20", "--language=c++", "--library=googletest", "-I", "."]
    command += [
        "--enable=warning,portability",
        "--inline-suppr",
        "--error-exitcode=1",
        f"-j{os.cpu_count() or 1}",
    ]
    command += [f"--suppress={name}" for name in CPPCHECK_MISTAKES]
    return command_case("cppcheck", [*command, *[name for name in files if name.endswith(".cpp")]])


def lint() -> list[Case]:
    """All checks; each is one case."""
    files = _tracked()
    cpp = [name for name in files if name.endswith(CPP)]
    python = _python(files)
    return [
        command_case("clang-format", ["clang-format-19", "--dry-run", "-Werror", *cpp]),
        command_case("black", ["black", "-q", "--check", "--diff", "-l", LINE, *python]),
        command_case("flake8", ["flake8", *python]),
        command_case(
            "mypy",
            [
                "mypy",
                "--strict",
                "--no-incremental",
                "bindings/bulkhead",
                "bindings/bootstrap",
                "experiments",
            ],
        ),
        command_case("shellcheck", ["shellcheck", *_shell_scripts(files)]),
        _cppcheck(cpp),
        blind_core(files),
        _clang_build(),
        tidy(cpp),
    ]
