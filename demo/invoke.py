"""Runs the function, as built, on one event: cargo-lambda emulates Lambda, the model of EC2 stands in for AWS.

Nothing here has an AWS account: the credentials are made up and every call goes to the model, on loopback. Prints what
the function prints and then its answer. Exit status: that of `cargo lambda invoke`.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from loopback import free_port, wait_until_listening


def main():
    options = arguments()
    event = read_event(options.event)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with ExitStack() as running:
            aws = running.enter_context(ec2_model(options.programs / "ec2-model"))
            lambda_port = free_port()
            running.enter_context(lambda_emulator(lambda_port))
            running.enter_context(function(options.programs / "portcullis-lambda", event, aws, lambda_port))
            status = invoke(options.event, lambda_port)
    except KeyboardInterrupt:
        status = 130
    except RuntimeError as error:
        sys.exit(f"invoke: {error}")
    sys.exit(status)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="folder of portcullis-lambda and ec2-model")
    parser.add_argument("event", type=Path, help="file of the event, in JSON")
    return parser.parse_args()


def read_event(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"invoke: {path}: {error}")


@contextmanager
def ec2_model(program):
    """Runs the model on a free port; gives the URL that it says it listens on, in its first line."""
    with running([program, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as process:
        first_line = process.stdout.readline()
        address = re.search(r"127\.0\.0\.1:\d+", first_line)
        if address is None:
            raise RuntimeError(f"ec2-model did not say where it listens: {first_line!r}")
        yield f"http://{address[0]}"


@contextmanager
def lambda_emulator(port):
    """cargo-lambda's Lambda, without a function: it would build and run one itself, with an environment of its own."""
    command = [cargo_lambda(), "lambda", "watch", "--only-lambda-apis", "--ignore-changes"]
    address = ["--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    with running([*command, *address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        if not wait_until_listening(port, process):
            raise RuntimeError("cargo-lambda's emulator did not start")
        yield


@contextmanager
def function(program, event, aws, lambda_port):
    detail = event.get("detail", {}) if isinstance(event, dict) else {}
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{lambda_port}/.rt",
        "AWS_LAMBDA_FUNCTION_NAME": "_",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_REGION": detail.get("awsRegion", "us-east-1"),
        "AWS_ACCESS_KEY_ID": detail.get("recipientAccountId", "123456789012"),
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL": aws,
        "PORTCULLIS_MODE": "alert",
        "RUST_LOG": "info",
    }
    # Whoever runs this may set what the function reads.
    environment |= {name: value for name, value in os.environ.items() if name.startswith(("PORTCULLIS_", "RUST_"))}
    with running([program], env=environment):
        yield


def invoke(event_path, port):
    command = [cargo_lambda(), "lambda", "invoke", "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    return subprocess.run([*command, "--data-file", event_path], check=False).returncode


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
