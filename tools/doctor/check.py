"""portcullis doctor against stacks on an AWS emulator: whole ones, and stacks with one fault each.

Every fault has to be named, and nothing else complained of. The doctor works as a user who may do what policies/doctor.json
says, and in the members through a role that may do what policies/doctor-member.json says, and no more: the emulator refuses
what they leave out. Exit status: 0 if all of it holds. `--members 100` measures a hub with that many members.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from faults import FAULTS, MEMBER_FAULTS
from stage import Hub, One, Wrong

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "demo"))

from emulator import Emulator  # noqa: E402  the demo's


def main():
    given = arguments()
    with on_emulator() as emulator:
        stage = One(emulator, given.cli, given.bootstrap)
        whole = stage.expect_whole()
        for fault in FAULTS:
            check(stage, fault)
        one = whole.summary
    with on_emulator() as emulator:
        stage = Hub(emulator, given.cli, given.bootstrap, members=given.members)
        whole = stage.expect_whole()
        for fault in MEMBER_FAULTS:
            check(stage, fault)
    print(f"doctor: {len(FAULTS) + len(MEMBER_FAULTS)} faults named, each alone")
    print(f"  one account: {one}")
    print(f"  a hub with {given.members} members in 2 Regions: {whole.summary}")


def check(stage, fault):
    """Breaks one thing, looks, mends it, and looks whether all is right again."""
    mend = fault.breaks(stage)
    stage.expect(fault.told, fault.name)
    if mend is not None:
        mend()
        stage.expect([], f"after {fault.name} was mended")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=Path, required=True, help="the program portcullis, as built")
    parser.add_argument("--bootstrap", type=Path, required=True, help="the program portcullis-lambda, as built")
    parser.add_argument("--members", type=int, default=3)
    return parser.parse_args()


class on_emulator:
    def __enter__(self):
        self._scratch = tempfile.TemporaryDirectory()
        self._emulator = Emulator(Path(self._scratch.name))
        self._emulator.start()
        return self._emulator

    def __exit__(self, *_):
        self._emulator.stop()
        self._scratch.cleanup()


if __name__ == "__main__":
    try:
        main()
    except Wrong as error:
        sys.exit(f"doctor: {error}")
