"""Tests of tools/rustc-wrapper: what it adds to rustc's command, and what it must leave alone."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

WRAPPER = Path(__file__).resolve().parents[1] / "rustc-wrapper"
SHOW = "import os, sys; print(sys.argv[1:], os.environ.get('RUSTC_BOOTSTRAP'), os.environ.get('A-B'))"
BUILD = "--emit=dep-info,metadata,link"


def run(*arguments):
    command = [WRAPPER, sys.executable, "-c", SHOW, *arguments]
    clean = {name: value for name, value in os.environ.items() if name != "RUSTC_BOOTSTRAP"}
    return subprocess.run(command, env=clean | {"A-B": "kept"}, check=True, capture_output=True, text=True).stdout.strip()


class RustcWrapper(unittest.TestCase):
    def alone(self, *arguments):
        self.assertEqual(run(*arguments), f"{list(arguments)} None kept")

    def test_hints_at_a_development_build_of_an_sdk_crate(self):
        command = ["--crate-name", "aws_sdk_ec2", "--edition=2021", BUILD, "-C", "debuginfo=0"]
        self.assertEqual(run(*command), f"{[*command, '-Zhint-mostly-unused']} 1 kept")

    def test_leaves_what_is_optimised_alone(self):
        for level in ("s", "z", "3"):
            self.alone("--crate-name", "aws_sdk_ec2", BUILD, "-C", f"opt-level={level}", "-C", "codegen-units=1")

    def test_leaves_checks_and_other_crates_and_questions_alone(self):
        self.alone("--crate-name", "aws_sdk_ec2", "--emit=dep-info,metadata", "-C", "metadata=0", "-L", "link")
        self.alone("--crate-name", "aws_config", BUILD)
        self.alone("--crate-name", "portcullis", BUILD, "--extern", "aws_sdk_ec2=libaws_sdk_ec2.rmeta")
        self.alone("-vV")

    def test_gives_rustc_s_status_back(self):
        done = subprocess.run([WRAPPER, sys.executable, "-c", "import sys; sys.exit(101)"], check=False)
        self.assertEqual(done.returncode, 101)


if __name__ == "__main__":
    unittest.main()
