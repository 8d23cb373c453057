"""Runs the function, as built, on one event: cargo-lambda emulates Lambda, the model of EC2 stands in for AWS.

Nothing here has an AWS account: the credentials are made up and every call goes to the model, on loopback, where the
event's group and rules are made first; the ids in what is printed are the model's. PORTCULLIS_* variables go through to
the function: PORTCULLIS_MODE=enforce revokes. It prints what was found and done; with --json the function's own lines and
its answer. Exit status: 0 if the function answered, 1 if it failed.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from console import paint, say, show_finding
from loopback import free_port, wait_until_listening
from model import restage
from runtime_api import corrected

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"


def main():
    options = arguments()
    event = read_event(options.event)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(run(options, event))
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        sys.exit(f"invoke: {error}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="folder of portcullis-lambda and ec2-model")
    parser.add_argument("--json", action="store_true", help="print the function's lines and its answer as they are")
    parser.add_argument("event", type=Path, help="file of the event, in JSON")
    return parser.parse_args()


def read_event(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        others = sorted(str(other) for other in Path("events").glob("*.json"))
        sys.exit(f"invoke: {path}: {error.strerror}; there are\n  " + "\n  ".join(others))
    except ValueError as error:
        sys.exit(f"invoke: {path}: {error}")


def run(options, event):
    programs = options.programs
    account, region = place_of(event)
    arn = f"arn:aws:lambda:{region}:{account}:function:portcullis"
    with ExitStack() as stage:
        model_url = stage.enter_context(ec2_model(programs / "ec2-model"))
        event = restage(event, model_url, account, region)
        emulator_port = stage.enter_context(lambda_emulator())
        runtime_api = stage.enter_context(corrected(emulator_port, arn))
        environment = {
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "AWS_REGION": region,
            "AWS_ACCESS_KEY_ID": account,  # which is how the model knows the account
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_ENDPOINT_URL": model_url,
        }
        quiet = {} if options.json else {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        stage.enter_context(function(programs / "portcullis-lambda", environment, **quiet))
        return show(invoke(event, emulator_port), options.json)


def place_of(event):
    """Account and Region of the event; where it does not say, as good as any."""
    try:
        return str(event["detail"]["recipientAccountId"]), str(event["detail"]["awsRegion"])
    except (KeyError, TypeError):
        return DEFAULT_ACCOUNT, DEFAULT_REGION


@contextmanager
def ec2_model(program):
    """Runs the model on a free port; gives the URL that it says it listens on, in its first line."""
    with running([program, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as process:
        first_line = process.stdout.readline()
        url = re.search(r"http://\S+", first_line)
        if url is None:
            raise RuntimeError(f"ec2-model did not say where it listens: {first_line!r}")
        yield url[0]


@contextmanager
def lambda_emulator():
    """cargo-lambda's Lambda, without a function: it would build and run one itself, in an environment of its own."""
    port = free_port()
    command = [cargo_lambda(), "lambda", "watch", "--only-lambda-apis", "--ignore-changes"]
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    with running([*command, *address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        if not wait_until_listening(port, process):
            raise RuntimeError("cargo-lambda's emulator did not start")
        yield port


def function(program, environment, **popen):
    from_lambda = {
        "PATH": os.environ.get("PATH", os.defpath),
        "AWS_LAMBDA_FUNCTION_NAME": "portcullis",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    }
    from_caller = {name: value for name, value in os.environ.items() if name.startswith(("PORTCULLIS_", "RUST_"))}
    return running([program], env=from_lambda | environment | from_caller, **popen)


def invoke(event, port):
    """What `cargo lambda invoke` came to."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as event_file:
        json.dump(event, event_file)
        event_file.flush()
        command = [cargo_lambda(), "lambda", "invoke", "--data-file", event_file.name]
        address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
        return subprocess.run([*command, *address], check=False, capture_output=True, text=True)


def show(invoked, as_json):
    """Prints what the function answered, or why it failed; the exit status."""
    if invoked.returncode != 0:
        # cargo-lambda advertises itself below the error.
        lines = (line.strip() for line in invoked.stderr.splitlines())
        why = [line for line in lines if line and "discussions" not in line and "unexpected?" not in line]
        print("invoke: the function failed: " + " ".join(why), file=sys.stderr)
        return 1
    if as_json:
        print(invoked.stdout, end="")
        return 0
    answer = json.loads(invoked.stdout)
    for failed in answer.get("batchItemFailures", []):
        say(f"{paint('red', 'failed')}  message {failed['itemIdentifier']}", 0)
    for finding in answer.get("findings", []):
        what = f"{finding['verdict']}, {finding['outcome'].replace('_', ' ')} (mode {finding['mode']})"
        say(paint("bold", what), 0)
        show_finding(finding)
    say(paint("dim", "The ids are the model's, not the event's. JSON=1 shows what the function wrote."), 0)
    return 0


def cargo_lambda():
    return Path(sys.executable).with_name("cargo-lambda")


@contextmanager
def running(command, **popen):
    if not Path(command[0]).is_file():
        raise RuntimeError(f"no program at {command[0]}; `make invoke` builds it")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **popen)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
