"""Where this machine gets Debian's packages from, so that a fresh root on it does the same. Reads, changes nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

RELEASE = "bookworm"
SUITES = (RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# What of apt's configuration is about reaching a mirror; the rest is this machine's own taste.
REACHING = ("Acquire::http::", "Acquire::https::", "Acquire::Retries", "Acquire::Check-", "Acquire::Force")
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


class NoMirror(Exception):
    """Debian's packages cannot be had; the message is one line."""


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def sources() -> list[tuple[str, str]]:
    """Address and suite of Debian 12's own archives, as apt is configured here, the release itself first."""
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"
    rows = [
        line.split() for line in _lines("apt-get", "indextargets", "--format", form, "Created-By: Packages")
    ]
    # Without package lists apt does not know a source's origin.
    debian = [row for row in rows if len(row) == 3 or row[3:] in (["Debian"], ["$(ORIGIN)"])]
    found = {suite: uri for uri, suite, component, *_ in debian if component == "main" and suite in SUITES}
    if RELEASE not in found:
        raise NoMirror(
            f"apt has no source for Debian 12 ({RELEASE}) on this machine: see /etc/apt/sources.list.d"
        )
    return [(found[suite], suite) for suite in SUITES if suite in found]


def proxies() -> dict[str, str]:
    """Proxies from the environment, and for programs other than apt also the one that apt is configured with."""
    given = {name: os.environ[name] for name in PROXIES if name in os.environ}
    words = _lines("apt-config", "shell", "PROXY", "Acquire::http::Proxy")
    proxy = words[0].partition("=")[2].strip("'") if words else ""
    return {"http_proxy": proxy, **given} if proxy not in ("", "DIRECT") else given


def configure(root: Path) -> None:
    """Give a root this machine's sources, proxies, name servers and, if a mirror wants them, certificates."""
    apt = root / "etc" / "apt"
    text = "".join(f"deb {uri} {suite} main\n" for uri, suite in sources())
    (apt / "sources.list").write_text(text, encoding="utf-8")
    settings = [line for line in _lines("apt-config", "dump") if line.startswith(REACHING)]
    (apt / "apt.conf.d" / "90mirror").write_text("\n".join(settings) + "\n", encoding="utf-8")
    copied = [Path("etc/resolv.conf"), Path("etc/hosts")]
    if "https:" in text:
        copied.append(CERTIFICATES)
    for path in copied:
        if (Path("/") / path).is_file():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes((Path("/") / path).read_bytes())
