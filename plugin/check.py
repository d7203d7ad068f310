"""Checks that a plug-in's file is what loaders rely on: no undefined symbol, only relative relocations, one exported
symbol, three page-aligned segments, no state and no code outside the hooks. It must never need to run the plug-in."""

import re
import subprocess
import sys

PAGE = 4096
MOST_FILE_BYTES = 128 * 1024
ALLOWED_SEGMENTS = {"LOAD", "DYNAMIC", "GNU_STACK"}
ALLOWED_DYNAMIC = {
    *("HASH", "STRTAB", "SYMTAB", "STRSZ", "SYMENT", "RELA", "RELASZ", "RELAENT", "RELACOUNT"),
    *("FLAGS", "FLAGS_1", "NULL", "SONAME"),
}


def readelf(option: str, path: str) -> str:
    command = ["readelf", "--wide", option, path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_segments(path: str) -> list[str]:
    problems = []
    flags = []
    for line in readelf("--segments", path).splitlines():
        match = re.match(r"\s+([A-Z_]+)\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+) (0x\w+) ([R W E]{3}) (0x\w+)", line)
        if not match:
            continue
        kind, offset, address, in_file, in_memory, access, align = match.groups()
        if kind not in ALLOWED_SEGMENTS:
            problems.append(f"segment of type {kind}")
        if kind != "LOAD":
            continue
        flags.append(access.replace(" ", ""))
        if int(address, 16) % PAGE or int(offset, 16) % PAGE or int(align, 16) != PAGE:
            problems.append(f"segment at {address} (file {offset}) does not start on a page")
        if in_file != in_memory:
            problems.append(f"segment at {address} has zero-filled memory: a policy keeps no globals")
    if flags != ["R", "RE", "RW"]:
        problems.append(f"load segments are {flags}, expected constants R, code RE, relocated constants RW")
    return problems


def check_relocations(path: str) -> list[str]:
    kinds = set(re.findall(r"R_X86_64_\w+", readelf("--relocs", path)))
    return [f"relocation {kind}: only relative ones can be placed" for kind in kinds - {"R_X86_64_RELATIVE"}]


def check_symbols(path: str) -> list[str]:
    exported = []
    problems = []
    for line in readelf("--dyn-syms", path).splitlines():
        fields = line.split()
        if len(fields) < 8 or not fields[0].rstrip(":").isdigit():
            continue
        kind, section, name = fields[3], fields[6], fields[7]
        if section == "UND":
            problems.append(f"undefined symbol {name}")
        elif kind in ("TLS", "IFUNC"):
            problems.append(f"{name} is of type {kind}")
        else:
            exported.append(name)
    if exported != ["bulkhead_policy"]:
        problems.append(f"exports {exported}, expected only bulkhead_policy")
    return problems


def check_dynamic(path: str) -> list[str]:
    tags = set(re.findall(r"^ 0x\w+ \((\w+)\)", readelf("--dynamic", path), re.MULTILINE))
    if "HASH" not in tags:
        return ["no DT_HASH table, which loaders count the symbols with"]
    return [f"dynamic entry {tag}" for tag in sorted(tags - ALLOWED_DYNAMIC)]


def check_code(path: str) -> list[str]:
    """Vector and floating-point registers belong to the guests."""
    text = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", path], check=True, capture_output=True, text=True
    ).stdout
    if not re.search(r"^ +[0-9a-f]+:\t", text, re.MULTILINE):
        return ["no code found"]
    used = sorted(set(re.findall(r"%(?:[xyz]?mm\d+|st\b)", text)))
    return [f"code uses the guests' registers {', '.join(used)}"] if used else []


def main(paths: list[str]) -> int:
    failed = False
    for path in paths:
        checks = (check_segments, check_relocations, check_symbols, check_dynamic, check_code)
        problems = [problem for check in checks for problem in check(path)]
        with open(path, "rb") as file:
            content = file.read()
        if len(content) > MOST_FILE_BYTES:
            problems.append(f"{len(content)} bytes, at most {MOST_FILE_BYTES} allowed")
        for problem in problems:
            print(f"{path}: {problem}")
        failed |= bool(problems)
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
