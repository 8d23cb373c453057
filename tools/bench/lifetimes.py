"""One life of a function: started, polled from, given events, measured, checked, stopped."""

import os
import queue
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cpu_share
from runtime_api import ACCOUNT, REGION, FunctionFailed, RuntimeApi

LONGEST_ANSWER_SECONDS = 60
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Function:
    """A function to be measured."""

    name: str
    command: list
    outcomes: object  # the outcomes that its answer tells


@dataclass(frozen=True)
class Life:
    """What was measured, in milliseconds and MiB."""

    start: float
    cold: float
    warm: list
    peak: float


def portcullis(program):
    return Function("portcullis", [program], lambda answer: [each["outcome"] for each in answer["findings"]])


def boto3():
    return Function("boto3", [sys.executable, HERE / "boto3_runtime.py"], lambda answer: [answer["outcome"]])


def live(function, ec2, trusted, warm_events, period_us=None):
    """Lives one life with the trust store `trusted`; with a period, on the CPU share of a 128 MB function."""
    with ExitStack() as stage:
        group_file = stage.enter_context(cpu_share.limited(period_us)) if period_us else None
        runtime_api = stage.enter_context(RuntimeApi())
        log = stage.enter_context(tempfile.TemporaryFile())
        home = stage.enter_context(tempfile.TemporaryDirectory())
        # The first poll gets this event, so it is made before the start.
        group, event = ec2.open_ssh()
        runtime_api.put(event)
        environment = lambda_environment(runtime_api.address, ec2.url, trusted, home)
        process, started_ns = stage.enter_context(started(function.command, environment, log, group_file))
        try:
            first = remediated(function, runtime_api, process, ec2, group)
            warm = []
            for _ in range(warm_events):
                if period_us:
                    # Events are sent one at a time, each in a fresh period with its full share.
                    time.sleep(2 * period_us / 1e6)
                group, event = ec2.open_ssh()
                runtime_api.put(event)
                answer = remediated(function, runtime_api, process, ec2, group)
                warm.append(milliseconds(answer.handed_out_ns, answer.received_ns))
            peak = peak_memory(process.pid)
        except FunctionFailed as error:
            log.seek(0)
            raise FunctionFailed(f"{function.name}: {error}\n{log.read().decode(errors='replace')}") from error
        return Life(
            start=milliseconds(started_ns, runtime_api.first_poll_ns),
            cold=milliseconds(started_ns, first.received_ns),
            warm=warm,
            peak=peak,
        )


def lambda_environment(runtime_api, endpoint, trusted, home):
    return {
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": "portcullis",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(cpu_share.MEMORY_MB),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,  # which is how the model knows the account
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_ENDPOINT_URL_EC2": endpoint,
        "PORTCULLIS_MODE": "enforce",
        "SSL_CERT_FILE": str(trusted),
        "AWS_CA_BUNDLE": str(trusted),
        "HOME": home,  # as in Lambda, nobody's configuration is there
        "LANG": "en_US.UTF-8",
    }


@contextmanager
def started(command, environment, log, group_file):
    """Starts the program; gives the process and the moment just before its `exec`."""
    read_end, write_end = os.pipe()
    group = os.open(group_file, os.O_WRONLY) if group_file else None

    def just_before_exec():
        if group is not None:
            os.write(group, b"0")  # the process that writes
        os.write(write_end, str(time.monotonic_ns()).encode())

    try:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=just_before_exec
        )
    finally:
        os.close(write_end)
        if group is not None:
            os.close(group)
    with os.fdopen(read_end) as pipe:
        started_ns = int(pipe.read())
    try:
        yield process, started_ns
    finally:
        process.kill()
        process.wait()


def remediated(function, runtime_api, process, ec2, group):
    """The answer to the event under way, once it and EC2 agree that the group is closed again."""
    deadline = time.monotonic() + LONGEST_ANSWER_SECONDS
    while True:
        try:
            answer = runtime_api.take(timeout=0.5)
            break
        except queue.Empty:
            if process.poll() is not None:
                raise FunctionFailed(f"ended with status {process.returncode}") from None
            if time.monotonic() > deadline:
                raise FunctionFailed(f"no answer in {LONGEST_ANSWER_SECONDS} s") from None
    try:
        outcomes = function.outcomes(answer.payload)
    except (KeyError, TypeError):
        outcomes = None
    if outcomes != ["reverted"]:
        raise FunctionFailed(f"the answer does not say reverted: {answer.payload}")
    ec2.check_closed_and_delete(group)
    return answer


def milliseconds(since_ns, until_ns):
    return (until_ns - since_ns) / 1e6


def peak_memory(pid):
    """MiB: the high-water mark of the resident set."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
