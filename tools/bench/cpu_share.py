"""The CPU share of a small Lambda function, by a control group of this machine.

Lambda gives a function CPU in proportion to its memory: one vCPU at 1,769 MB, so 128 MB get 7.2 % of one.
"""

import os
import time
from contextlib import contextmanager
from pathlib import Path

MEMORY_MB = 128
ONE_VCPU_MB = 1769
PERIOD_US = 100_000

V1 = Path("/sys/fs/cgroup/cpu")
V2 = Path("/sys/fs/cgroup")


def quota_us(period_us=PERIOD_US):
    return round(period_us * MEMORY_MB / ONE_VCPU_MB)


def why_not():
    """Why this machine cannot limit a process's CPU; None where it can."""
    try:
        with limited():
            return None
    except OSError as error:
        who = "root" if os.geteuid() == 0 else "a user who is not root"
        return f"{who} may not limit the CPU here: {error}"


@contextmanager
def limited(period_us=PERIOD_US):
    """A fresh control group with the share of a 128 MB function; gives the file that a process joins it by."""
    is_v1 = (V1 / "cpu.cfs_quota_us").exists()
    group = (V1 if is_v1 else V2) / f"portcullis-bench-{os.getpid()}"
    group.mkdir()
    try:
        if is_v1:
            (group / "cpu.cfs_period_us").write_text(str(period_us))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us(period_us)))
        else:
            (group / "cpu.max").write_text(f"{quota_us(period_us)} {period_us}")
        yield group / "cgroup.procs"
    finally:
        remove(group)


def remove(group):
    """The kernel lets a group go a moment after its last process has ended."""
    for _ in range(50):
        try:
            return group.rmdir()
        except OSError:
            time.sleep(0.02)
    return group.rmdir()
