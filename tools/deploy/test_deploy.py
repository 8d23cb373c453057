"""Tests of what `make deploy` asks and runs; none of them needs AWS or the network."""

import io
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import deploy
import package
import questions
from botocore.exceptions import ClientError
from samcli.yamlhelper import yaml_parse

RULES = yaml_parse(deploy.TEMPLATE.read_text(encoding="utf-8"))["Parameters"]
X86_64 = b"\x7fELF" + bytes(14) + b"\x3e\x00" + bytes(44)


def ask(answers, given=None):
    """What is asked and said, and the parameters that follow from the answers."""
    said, left = [], iter(answers)

    def read(prompt):
        said.append(prompt)
        return next(left)

    return said, questions.ask(RULES, given or {}, read, said.append)


class Questions(unittest.TestCase):
    def test_asks_three_things(self):
        said, answers = ask(["me@example.com", "", "*"])
        self.assertEqual(len(said), 4, "one line before three questions")
        self.assertEqual(answers, {"AlarmEmail": "me@example.com", "OrganizationId": "", "Regions": "*"})

    def test_asks_nothing_that_is_given(self):
        said, answers = ask([], {"AlarmEmail": "", "OrganizationId": "", "Regions": ""})
        self.assertEqual((said, answers), ([], {}))

    def test_asks_again_for_what_the_template_would_refuse(self):
        said, answers = ask(["me", "me@example.com", "", ""])
        self.assertEqual(answers["AlarmEmail"], "me@example.com")
        self.assertIn("  'me' must be an e-mail address, or empty", said)

    def test_an_organisation_brings_what_the_template_wants_with_it(self):
        _, answers = ask(["", "o-exampleorgid", ""])
        self.assertEqual((answers["Accounts"], answers["MemberRole"]), ("*", "portcullis"))
        questions.check(RULES["ExternalId"], answers["ExternalId"])
        self.assertNotEqual(answers["ExternalId"], ask(["", "o-exampleorgid", ""])[1]["ExternalId"])
        _, answers = ask(["", ""], {"OrganizationId": "o-exampleorgid", "ExternalId": "mine", "Accounts": "111122223333"})
        self.assertEqual(answers, {"AlarmEmail": "", "Regions": "", "MemberRole": "portcullis"})

    def test_never_asks_for_the_mode(self):
        self.assertNotIn("Mode", ask(["", "o-exampleorgid", ""])[1])
        self.assertEqual(RULES["Mode"]["Default"], "alert")

    def test_every_question_is_a_parameter_that_may_be_empty(self):
        for parameter, _, _ in questions.QUESTIONS:
            questions.check(RULES[parameter], "")
            self.assertEqual(RULES[parameter]["Default"], "")

    def test_reads_and_writes_parameters_as_sam_does(self):
        parameters = {"SweepSchedule": "rate(6 hours)", "AlarmEmail": "", "ExternalId": 'a"b\\c'}
        self.assertEqual(questions.parse(questions.words(parameters)), parameters)
        self.assertEqual(questions.parse(" ".join(questions.words(parameters))), parameters)
        self.assertEqual(questions.parse('Mode=enforce Accounts="*"'), {"Mode": "enforce", "Accounts": "*"})
        with self.assertRaisesRegex(questions.NotAccepted, "'Mode' must be Key=Value"):
            questions.parse(["Mode"])


class Config(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name, "samconfig.toml")

    def test_keeps_answers_where_sam_reads_them(self):
        deploy.write_config(self.path, "portcullis", "eu-west-1", {"AlarmEmail": "", "Regions": "*"})
        config = deploy.read_config(self.path)
        self.assertEqual((config["stack_name"], config["region"]), ("portcullis", "eu-west-1"))
        self.assertEqual(questions.parse(config["parameter_overrides"]), {"AlarmEmail": "", "Regions": "*"})

    def test_leaves_what_else_stands_there(self):
        self.path.write_text(
            '# mine\nversion = 0.1\n[default.deploy.parameters]\ns3_bucket = "b"\nparameter_overrides = "LogLevel=\\"warn\\""\n'
            '[other.build.parameters]\ncached = true\n'
        )
        deploy.write_config(self.path, "portcullis", "eu-west-1", {"Regions": "*"})
        config = deploy.read_config(self.path)
        self.assertEqual(config["s3_bucket"], "b")
        self.assertEqual(questions.parse(config["parameter_overrides"]), {"LogLevel": "warn", "Regions": "*"})
        self.assertIn("# mine", self.path.read_text())
        self.assertIn("cached = true", self.path.read_text())

    def test_no_file_is_no_settings_and_a_broken_one_is_named(self):
        self.assertEqual(deploy.read_config(self.path), {})
        self.path.write_text("[default")
        with self.assertRaisesRegex(deploy.Trouble, "samconfig.toml cannot be read"):
            deploy.read_config(self.path)


class Steps(unittest.TestCase):
    CONFIG = {"parameter_overrides": ['AlarmEmail="me@example.com"', 'Regions=""']}

    def options(self, **other):
        return Namespace(**{"stack": "portcullis", "zip": None, "architecture": "arm64", "parameters": []} | other)

    def account(self, has_stack):
        account = mock.Mock(id="111122223333", arn="arn:aws:iam::111122223333:user/me", region="eu-west-1")
        account.has_stack.return_value = has_stack
        return account

    def overrides(self, has_stack, **other):
        command = deploy.sam_deploy(self.options(**other), "eu-west-1", self.CONFIG, has_stack)
        return questions.parse(command[command.index("--parameter-overrides") + 1 :])

    def test_the_first_deployment_takes_the_answers(self):
        expected = {"AlarmEmail": "me@example.com", "Regions": "", "Architecture": "arm64"}
        self.assertEqual(self.overrides(has_stack=False), expected)

    def test_a_stack_keeps_what_it_has(self):
        self.assertEqual(self.overrides(has_stack=True), {"Architecture": "arm64"})
        expected = {"Architecture": "arm64", "Mode": "enforce"}
        self.assertEqual(self.overrides(has_stack=True, parameters=["Mode=enforce"]), expected)

    def test_what_is_given_wins_over_the_answers(self):
        self.assertEqual(self.overrides(has_stack=False, parameters=["Regions=*"])["Regions"], "*")

    def test_says_who_you_are_and_asks_nothing_of_a_stack_that_is_there(self):
        with redirect_stdout(io.StringIO()) as out, mock.patch.object(questions, "ask") as asked:
            deploy.prepare(self.options(), self.account(has_stack=True), {})
        asked.assert_not_called()
        self.assertIn("You are arn:aws:iam::111122223333:user/me", out.getvalue())
        self.assertIn("Region eu-west-1", out.getvalue())

    def test_asks_before_the_first_deployment_and_keeps_the_answers(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "samconfig.toml")
            answers = iter(["me@example.com", "", ""])
            with (
                mock.patch.object(deploy, "CONFIG", path),
                mock.patch.object(sys, "stdin", mock.Mock(isatty=lambda: True)),
                mock.patch.object(questions.ask, "__defaults__", (lambda _: next(answers), print)),
                redirect_stdout(io.StringIO()),
            ):
                deploy.prepare(self.options(), self.account(has_stack=False), {})
            kept = questions.parse(deploy.read_config(path)["parameter_overrides"])
        self.assertEqual(kept["AlarmEmail"], "me@example.com")

    def test_without_a_terminal_it_asks_nothing_and_says_what_it_takes(self):
        with mock.patch.object(sys, "stdin", io.StringIO()), redirect_stdout(io.StringIO()) as out:
            self.assertEqual(deploy.first_answers({"Regions": "*"}), {})
        self.assertIn("PARAMETERS='AlarmEmail=…'", out.getvalue())
        self.assertNotIn("Regions=", out.getvalue())


class Accounts(unittest.TestCase):
    def run_it(self, **environment):
        """The program as make runs it, where there are no credentials."""
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        command = [sys.executable, deploy.__file__, "prepare", "--stack", "portcullis"]
        return subprocess.run(
            command, env=clean | nowhere | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )

    def test_without_credentials_it_says_what_to_do(self):
        done = self.run_it(AWS_REGION="eu-west-1")
        self.assertEqual(done.returncode, 1)
        expected = "deploy: no AWS credentials were found: sign in with `aws sso login` or set AWS_PROFILE, then run it again\n"
        self.assertEqual(done.stderr, expected)

    def test_without_a_region_it_says_what_to_do(self):
        done = self.run_it()
        self.assertEqual(done.returncode, 1)
        self.assertIn("set AWS_REGION", done.stderr)

    def test_a_profile_that_is_not_there_is_named(self):
        done = self.run_it(AWS_REGION="eu-west-1", AWS_PROFILE="gone")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^deploy: .*\(gone\).*sign in")
        self.assertNotIn("Traceback", done.stderr)

    def has_stack(self, **describe):
        account = object.__new__(deploy.Account)
        account.region = "eu-west-1"
        account.session = mock.Mock()
        account.session.create_client.return_value.describe_stacks = mock.Mock(**describe)
        return account.has_stack("portcullis")

    def test_a_stack_is_there_once_it_was_made(self):
        self.assertTrue(self.has_stack(return_value={"Stacks": [{"StackStatus": "UPDATE_ROLLBACK_COMPLETE"}]}))
        self.assertFalse(self.has_stack(return_value={"Stacks": [{"StackStatus": "ROLLBACK_COMPLETE"}]}))
        missing = {"Error": {"Code": "ValidationError", "Message": "Stack with id portcullis does not exist"}}
        self.assertFalse(self.has_stack(side_effect=ClientError(missing, "DescribeStacks")))
        denied = {"Error": {"Code": "AccessDenied", "Message": "no"}}
        with self.assertRaisesRegex(deploy.Trouble, "cannot see whether there is a stack 'portcullis'"):
            self.has_stack(side_effect=ClientError(denied, "DescribeStacks"))


class Package(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.program = self.folder / "portcullis-lambda"
        self.program.write_bytes(X86_64)
        self.zip = self.folder / "function.zip"

    def test_the_same_program_gives_the_same_zip_that_lambda_can_run(self):
        package.pack(self.program, self.zip)
        first = self.zip.read_bytes()
        os.utime(self.program, (0, 0))
        self.program.chmod(0o600)
        package.pack(self.program, self.zip)
        self.assertEqual(self.zip.read_bytes(), first)
        with zipfile.ZipFile(self.zip) as archive:
            (entry,) = archive.infolist()
        self.assertEqual((entry.filename, entry.external_attr >> 16), ("bootstrap", 0o100755))

    def test_reads_the_processor_from_the_program(self):
        package.pack(self.program, self.zip)
        self.assertEqual(package.architecture(self.zip), "x86_64")
        self.program.write_bytes(X86_64.replace(b"\x3e\x00", b"\xb7\x00"))
        package.pack(self.program, self.zip)
        self.assertEqual(package.architecture(self.zip), "arm64")

    def test_refuses_what_lambda_could_not_run(self):
        for content in (b"#!/bin/sh\n", X86_64.replace(b"\x3e\x00", b"\x03\x00")):
            self.program.write_bytes(content)
            package.pack(self.program, self.zip)
            with self.assertRaisesRegex(package.NotAPackage, "no program for Linux"):
                package.architecture(self.zip)
        self.zip.write_bytes(b"")
        with self.assertRaisesRegex(package.NotAPackage, "no zip of the function"):
            package.architecture(self.zip)

    def test_a_template_deploys_the_zip_as_it_is(self):
        package.pack(self.program, self.zip)
        made = yaml_parse(package.template(deploy.TEMPLATE, self.zip, self.folder / "made").read_text())
        self.assertEqual(made["Resources"]["Function"]["Properties"]["CodeUri"], str(self.zip))
        options = Namespace(stack="s", zip=self.zip, architecture="arm64", parameters=[])
        with mock.patch.object(deploy, "ROOT", self.folder):
            told = deploy.sam_deploy(options, "eu-west-1", {}, has_stack=True)
        self.assertIn('Architecture="x86_64"', told, "the zip's, whatever the machine is")
        self.assertIn("--template-file", told)

    def test_writes_check_sums_as_sha256sum_reads_them(self):
        package.pack(self.program, self.zip)
        package.checksums(self.folder)
        package.checksums(self.folder)
        checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(checked.stdout, "function.zip: OK\nportcullis-lambda: OK\n")


if __name__ == "__main__":
    unittest.main()
