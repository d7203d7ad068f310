"""Policies' files that the hypervisor refuses when they come past the command's own check: each is named, with the sentence
that every other reader of such files gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from machines import boot, said, workload

from bulkhead.backend.qemu import prepare
from bulkhead.backend.qemu.manifest import Parts, build_manifest
from bulkhead.policy.choose import ChosenPolicy
from tests.policy_files.listed import bad_files

SCHEDULER = 1  # plugin::Kind


def test_every_bad_file_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """One machine brings all of them, after a good policy and in place of its successors."""
    bad = [file for file in bad_files() if file.by_hosts and file.kind == SCHEDULER]

    def with_bad_files(parts: Parts) -> bytes:
        (good,) = parts.policies
        others = [
            ChosenPolicy(replace(good.policy, name=file.path.stem[:31], path=file.path), good.values)
            for file in bad
        ]
        return build_manifest(replace(parts, policies=(good, *others)))

    monkeypatch.setattr(prepare, "build_manifest", with_bad_files)
    run = boot(workload("compute", "for_ms=20"))
    assert run.exit_status == 2, said(run)
    printed = run.consoles["bulkhead"].splitlines()
    for file in bad:
        words = f"policy {file.path.stem[:31]}: {file.sentence}"
        assert sum(line.endswith(words) for line in printed) == 1, (words, said(run))
    assert run.landmark.message == f"policy {bad[0].path.stem[:31]}: {bad[0].sentence}"[:127]
    assert len(bad) > 80
