"""A minimal Debian 12 in a folder: made by debootstrap, entered with mounts and processes of its own, removed at the end.

Mounts live in a namespace that ends with its last process, so that none outlives this program, however it ends.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import mirror

HERE = Path(__file__).resolve().parents[2]  # the checkout
CHECKOUT = "/root/bulkhead"  # its clone, seen from inside
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ALSO = ("python3", "git")  # beside what every Debian has
# Own mounts, own processes; all of them end when this program does.
ISOLATED = (
    "setpriv",
    "--pdeathsig",
    "KILL",
    "--",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--",
)
ENTER = """set -e
mkdir -p "$1/dev/shm" "$1/dev/pts"
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sysfs "$1/sys"
mount -t tmpfs -o mode=1777 shm "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$1/dev/pts"
root=$1
shift
chroot "$root" "$@"
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _environment() -> dict[str, str]:
    """Nothing of this process's own, so that neither a compiler cache nor a setting of its user helps."""
    return {"PATH": PATH, "HOME": "/root", **mirror.proxies()}


class Root:
    """A context manager: the folder is gone afterwards. Needs root. NoMirror if Debian cannot be fetched."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "root"
        self.checkout = self.path / CHECKOUT.lstrip("/")
        self._debs = folder / "debs"

    def __enter__(self) -> Root:
        try:
            self._remove()
            self._install()
            mirror.configure(self.path)
            self._clone()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        if self.path.exists():
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.path)], check=True)

    def _install(self) -> None:
        uri = mirror.sources()[0][0]
        self._debs.mkdir(parents=True, exist_ok=True)
        options = [f"--include={','.join(ALSO)}", f"--cache-dir={self._debs}", f"--keyring={KEYRING}"]
        words = ["debootstrap", "--variant=minbase", *options, mirror.RELEASE, str(self.path), uri]
        made = subprocess.run([*ISOLATED, *words], env=_environment(), capture_output=True, text=True)
        if made.returncode != 0:
            lines = (made.stdout + made.stderr).splitlines()
            said = [line for line in lines if line.startswith("E:")] or lines
            reason = " ".join(said[-2:]) or f"exit status {made.returncode}"
            raise mirror.NoMirror(f"debootstrap cannot make Debian 12 from {uri}: {reason}")
        # What debootstrap leaves of lists and packages is not there on a machine that was installed a while ago.
        for left in ("var/lib/apt/lists", "var/cache/apt/archives"):
            shutil.rmtree(self.path / left)
            (self.path / left / "partial").mkdir(parents=True)

    def _clone(self) -> None:
        words = [
            "git",
            "-c",
            "safe.directory=*",
            "clone",
            "--quiet",
            "--no-hardlinks",
            str(HERE),
            str(self.checkout),
        ]
        subprocess.run(words, check=True)

    def packages(self) -> int:
        """How many are installed."""
        status = (self.path / "var/lib/dpkg/status").read_text(encoding="utf-8")
        return status.count("Status: install ok installed")

    def run(self, command: list[str], heard: Callable[[str], None]) -> int:
        """The exit status of a command in the clone; each line that it says is heard at once."""
        words = ["sh", "-c", f'cd {CHECKOUT} && exec "$@"', "sh", *command]
        with subprocess.Popen(
            [*ISOLATED, "sh", "-c", ENTER, "enter", str(self.path), *words],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    heard(line)
            except BaseException:
                process.kill()  # and with it all processes in there
                raise
        return process.returncode
