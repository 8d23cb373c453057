"""What `make deploy` does around the build: who you are and three questions before it, SAM after it.

The three questions are asked once, when there is no stack yet; the answers are kept in samconfig.toml until it is there.
From then on the stack itself holds every parameter, and only what is given with the command changes one.

Exit status: 0 done, 1 not; then the last line says what to do.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import botocore.session
import tomlkit
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound
from samcli.yamlhelper import yaml_parse

import package
import questions

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "samconfig.toml"
TEMPLATE = ROOT / "template.yaml"
# States in which a stack has no parameters yet that are worth keeping.
UNBORN = {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}
SIGN_IN = "sign in with `aws sso login` or set AWS_PROFILE, then run it again"


class Trouble(Exception):
    """Ends the program with one sentence that says what to do."""


def main():
    options = arguments()
    try:
        config = read_config(CONFIG)
        account = Account(config)
        if options.step == "prepare":
            prepare(options, account, config)
        else:
            deploy(options, account, config)
    except (Trouble, questions.NotAccepted, package.NotAPackage) as why:
        sys.exit(f"deploy: {why}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("\ndeploy: nothing was deployed")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "run"], help="before the build, or after it")
    parser.add_argument("--stack", required=True, help="name of the stack")
    parser.add_argument("--architecture", help="of the build; that of a zip is read from it")
    parser.add_argument("--zip", type=Path, help="the function as `make dist` packed it; nothing is built then")
    parser.add_argument("--parameters", nargs="*", default=[], metavar="KEY=VALUE", help="of template.yaml")
    return parser.parse_args()


class Account:
    """Whose credentials these are, and where they point."""

    def __init__(self, config):
        try:
            self.session = botocore.session.get_session()
            named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            self.region = named or config.get("region") or self.session.get_config_variable("region")
            if not self.region:
                raise Trouble("no Region is set: set AWS_REGION to the Region to deploy to, then run it again")
            caller = self.session.create_client("sts", region_name=self.region).get_caller_identity()
        except NoCredentialsError:
            raise Trouble(f"no AWS credentials were found: {SIGN_IN}") from None
        except ProfileNotFound as error:
            raise Trouble(f"{error}: {SIGN_IN}") from None
        except (BotoCoreError, ClientError) as error:
            raise Trouble(f"AWS does not say who you are ({error}): {SIGN_IN}") from None
        self.id, self.arn = caller["Account"], caller["Arn"]

    def has_stack(self, name):
        cloudformation = self.session.create_client("cloudformation", region_name=self.region)
        try:
            (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return False
            raise Trouble(f"cannot see whether there is a stack {name!r}: {error}") from None
        except BotoCoreError as error:
            raise Trouble(f"cannot see whether there is a stack {name!r}: {error}") from None
        return stack["StackStatus"] not in UNBORN


def prepare(options, account, config):
    print(f"You are {account.arn}: stack {options.stack} in account {account.id}, Region {account.region}.")
    if options.zip:
        package.architecture(options.zip)
    given = questions.parse(options.parameters)
    if account.has_stack(options.stack):
        return
    given = questions.parse(config.get("parameter_overrides", [])) | given
    answers = first_answers(given)
    if answers:
        write_config(CONFIG, options.stack, account.region, answers)
        print(f"Kept in {CONFIG.name}.")
    if "ExternalId" in answers:
        print(f"The members' stacks (member.yaml) take the same external id: {answers['ExternalId']}")


def first_answers(given):
    if not sys.stdin.isatty():
        for parameter, text, default in questions.QUESTIONS:
            if parameter not in given:
                print(f"{text}: {default} (there is nobody to ask; PARAMETERS='{parameter}=…' says otherwise)")
        return {}
    rules = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]
    return questions.ask(rules, given)


def deploy(options, account, config):
    command = sam_deploy(options, account.region, config, account.has_stack(options.stack))
    print(" ".join(command), flush=True)
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def sam_deploy(options, region, config, has_stack):
    """SAM's command. What the stack already holds is not said again: SAM keeps it."""
    parameters = {} if has_stack else questions.parse(config.get("parameter_overrides", []))
    command = [str(Path(sys.executable).with_name("sam")), "deploy"]
    if options.zip:
        parameters["Architecture"] = package.architecture(options.zip)
        command += ["--template-file", str(package.template(TEMPLATE, options.zip, ROOT / ".aws-sam" / "zip"))]
    elif options.architecture:
        parameters["Architecture"] = options.architecture
    parameters |= questions.parse(options.parameters)
    command += ["--stack-name", options.stack, "--region", region, "--capabilities", "CAPABILITY_IAM"]
    command += ["--resolve-s3", "--no-fail-on-empty-changeset"]
    if parameters:
        command += ["--parameter-overrides", *questions.words(parameters)]
    return command


def read_config(path):
    """SAM's settings for `sam deploy`."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")).unwrap()
        return dict(document["default"]["deploy"]["parameters"])
    except (FileNotFoundError, KeyError):
        return {}
    except tomlkit.exceptions.ParseError as error:
        raise Trouble(f"{path.name} cannot be read ({error}): mend it, or remove it to be asked again") from None


def write_config(path, stack, region, answers):
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    document.setdefault("version", 0.1)
    settings = document
    for table in ("default", "deploy", "parameters"):
        settings = settings.setdefault(table, tomlkit.table(is_super_table=table != "parameters"))
    kept = questions.parse(settings.get("parameter_overrides", []))
    settings["stack_name"] = stack
    settings["region"] = region
    settings["parameter_overrides"] = questions.words(kept | answers)
    path.write_text(tomlkit.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()
