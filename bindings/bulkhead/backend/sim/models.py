"""The simulator's models of guests: those of the small guests, by the workload's name, and some that only it has."""

from __future__ import annotations

from pathlib import Path

from bulkhead import _core
from bulkhead.backend.check import SECTOR, disk_bytes
from bulkhead.base.errors import SpecError
from bulkhead.base.schema import constant
from bulkhead.base.text import suggest
from bulkhead.model.machine import Machine
from bulkhead.model.spec import MODEL_PREFIX, WIDE, WORKLOAD_PREFIX, Guest
from bulkhead.model.workloads import (
    PHASE,
    REQUIRED,
    Option,
    check_workload,
    common_options,
    model_file,
    with_phase,
)

MODEL_SOURCE = ".model.cpp"
ALL_PCPUS = (1 << 64) - 1
_ROWS = {name: (help_text, options) for name, help_text, options in _core.sim_models}


def own_models() -> dict[str, tuple[str, tuple[Option, ...]]]:
    """Help and options of the models that no small guest has, by name."""
    return {
        name: (help_text, tuple(Option(*row) for row in options))
        for name, (help_text, options) in _ROWS.items()
        if help_text
    }


def _words(spec: Guest) -> dict[str, str]:
    return dict(word.partition("=")[::2] for word in spec.cmdline.split())


def _text(spec: Guest, path: Path) -> str:
    """The contents of a file that `bulkhead replay` has written."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise SpecError(f"guest {spec.name}: file={path} holds no steps: {error}") from None


def _model_options(spec: Guest, name: str) -> dict[str, str]:
    models = own_models()
    if name not in models:
        raise SpecError(f"guest {spec.name}: unknown model '{name}'{suggest(name, models)}")
    rows = {row.name: row for row in (*models[name][1], *common_options())}
    given = _words(spec)
    if "file" in given and "steps" in rows:
        given["steps"] = _text(spec, Path(given.pop("file")))
    for word in given:
        if word not in rows:
            raise SpecError(f"guest {spec.name}: model {name} has no option '{word}'{suggest(word, rows)}")
    missing = [row.name for row in rows.values() if row.initial == REQUIRED and row.name not in given]
    if missing:
        raise SpecError(f"guest {spec.name}: model {name} needs {missing[0]}=... in cmdline")
    return {row.name: row.initial for row in rows.values()} | given


def cannot_simulate(machine: Machine) -> str | None:
    """Why the simulator can never carry a machine out, whatever models it has; None if it can."""
    for guest in machine.guests:
        if not guest.kernel.startswith((WORKLOAD_PREFIX, MODEL_PREFIX)):
            return f"guest {guest.name} has a kernel, and the simulator runs none"
        if guest.abi != WIDE:
            return f"guest {guest.name} has abi={guest.abi}, and the simulator's models have no width"
    return None


def _model_of(spec: Guest) -> tuple[str, dict[str, str], str]:
    """The model that stands in for a guest, its effective options, and its file if it is not the simulator's own.

    SpecError if there is none, or the options are wrong.
    """
    file: Path | None = None
    if spec.abi != WIDE:
        raise SpecError(
            f"guest {spec.name}: the simulator's models have no width; leave abi={spec.abi} out, or use --backend qemu"
        )
    if spec.kernel.startswith(MODEL_PREFIX):
        name = spec.kernel.removeprefix(MODEL_PREFIX)
        options = _model_options(spec, name)
    elif spec.kernel.startswith(WORKLOAD_PREFIX):
        workload = check_workload(spec.kernel.removeprefix(WORKLOAD_PREFIX), spec.cmdline)
        name = workload.name
        file = model_file(workload)
        if file is not None and not file.is_file():
            raise SpecError(
                f"guest {spec.name}: the simulator needs a model of workload '{name}' in {file}; write "
                f"{name}{MODEL_SOURCE} beside its source and build it, or use --backend qemu"
            )
        if file is None and name not in _ROWS:
            raise SpecError(
                f"guest {spec.name}: the simulator has no model of workload '{name}'; use --backend qemu"
            )
        options = {option.name: option.initial for option in workload.options} | _words(spec)
    else:
        raise SpecError(
            f"guest {spec.name}: the simulator runs no kernels; give workload:NAME or {MODEL_PREFIX}NAME, "
            "or use --backend qemu"
        )
    if with_phase(spec, options) != spec.cmdline:
        options[PHASE] = str(spec.phase)
    return name, options, str(file or "")


def _first_frames(spec: Guest) -> int:
    """Frames that a guest whose memory grows has from its creation on; another one gets all when it asks for them."""
    return spec.memory // constant("page_bytes") if spec.max_memory is not None else 0


def guest_model(
    spec: Guest,
    sched_values: tuple[int, ...] = (),
    memory_values: tuple[int, ...] = (),
    ring_values: tuple[int, ...] = (),
    absent: bool = False,
    release: int = 0,
    group: int = 0,
) -> _core.SimGuest:
    """The simulator's stand-in for a guest. SpecError if it has none, or its options are wrong.

    The values are the effective domain parameters of the policies, in their tables' order; an `absent` one is not built
    before the timeline creates it. `release` is the number of its set and `group` that of
    its group for ring policies, 0 for none.
    """
    name, options, file = _model_of(spec)
    return _core.SimGuest(
        name=spec.name,
        model=name,
        options=options,
        weight=spec.weight,
        cap=spec.cap,
        vcpus=spec.vcpus,
        start_paused=spec.start_paused,
        sched_values=list(sched_values),
        absent=absent,
        frames=spec.most_memory // constant("page_bytes"),
        first=_first_frames(spec),
        memory_values=list(memory_values),
        ring_values=list(ring_values),
        start_ns=spec.start,
        affinity=[spec.masks(vcpu)[0] or ALL_PCPUS for vcpu in range(spec.vcpus)],
        preferred=[spec.masks(vcpu)[1] for vcpu in range(spec.vcpus)],
        release=release,
        group=group,
        model_file=file,
        disk_sectors=[disk_bytes(disk) // SECTOR for disk in spec.disks],
    )
