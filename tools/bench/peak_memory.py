"""Peak memory of the function on deliveries that were made to be large: one process for each, on a Runtime API of ours.

A stand-in of a few lines answers where S3 or EC2 is called, so nothing else is needed:
`python tools/bench/peak_memory.py target/quick/portcullis-lambda`. Prints a table. Exit status: 0 if every peak is below the limit, 1 if one is not.
"""

import argparse
import base64
import gzip
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

from peak_aws import Aws, notice, plain, zipped
from runtime_api import FunctionFailed, RuntimeApi

MIB = 1 << 20
SIX_MB = 6 * MIB - 4096  # Lambda takes 6 MB of a synchronous invocation
PATIENCE_SECONDS = 300


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="portcullis-lambda, as built")
    parser.add_argument("--most", type=int, default=128, metavar="MIB", help="the limit, 128 by default")
    options = parser.parse_args()
    print("| payload | bytes | peak MiB | s | log |\n|---|---|---|---|---|")
    too_much = False
    for name, payload, aws in [*((name, payload, Aws()) for name, payload in payloads()), *from_aws()]:
        with aws:
            peak, seconds, log = run(options.program, payload, aws.url)
        too_much |= peak > options.most * MIB
        print(f"| {name} | {len(payload):,} | {peak / MIB:.0f} | {seconds:.1f} | {log:,} |", flush=True)
    sys.exit(1 if too_much else 0)


def payloads():
    yield "nothing", b'{"Records":[]}'
    yield "6 MB of `{},` in Records", filled(b'{"Records":[', b"{}", b"]}")
    yield '6 MB of `{"eventName":1}` in Records', filled(b'{"Records":[', b'{"eventName":1}', b"]}")
    yield "6 MB of `{\"eventName\":1}`, alone", filled(b"[", b'{"eventName":1}', b"]")
    yield "6 MB of small records of other calls", filled(b'{"Records":[', small_record(), b"]}")
    yield "awslogs: 16 MiB of `[],`, zipped", subscription(b"[" + b"[]," * (16 * MIB // 3) + b"[]]")
    yield "awslogs: 7 MiB of `[],`, zipped", subscription(b'{"logEvents":[' + b"[]," * (7 * MIB // 3) + b"[]]}")
    yield "awslogs: 1 GiB of zeros, zipped", subscription(bytes(1 << 30))
    yield "6 MB of `0,`", filled(b"[", b"0", b"]")
    yield "6 MB of `[],`", filled(b"[", b"[]", b"]")
    yield "lists 100,000 deep", b"[" * 100_000 + b"]" * 100_000
    yield "ten SQS messages of 590 KB", json.dumps(sqs()).encode()


def from_aws():
    """Deliveries that lead to a log file in S3, or to a look at a whole Region."""
    ours = [own_record(number) for number in range(40_000)]
    yield "S3: 1.2 GB, not zipped", notice("plain"), Aws({"plain": plain(small_record(), 1_200_000_000)})
    yield "S3: 40,000 records of our calls", notice("ours"), Aws({"ours": zipped(ours)})
    for rules in (60_000, 150_000):
        yield f"a look at a Region of {rules:,} rules", json.dumps(omitted()).encode(), Aws(rules=rules)


def filled(head, element, tail):
    """As many elements as six megabytes have room for."""
    count = (SIX_MB - len(head) - len(tail)) // (len(element) + 1)
    return head + b",".join([element] * count) + tail


def small_record():
    identity = {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice", "accountId": "111122223333"}
    record = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": "2026-11-21T10:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": "eu-west-1",
        "recipientAccountId": "111122223333",
        "eventID": "e0e0e0e0-0000-4000-8000-000000000001",
    }
    return json.dumps(record, separators=(",", ":")).encode()


def own_record(number):
    """HTTPS is opened: a call of ours, which needs no look."""
    record = json.loads(small_record())
    source = {"items": [{"cidrIp": "0.0.0.0/0"}]}
    permission = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "ipRanges": source}
    record |= {
        "eventSource": "ec2.amazonaws.com",
        "eventName": "AuthorizeSecurityGroupIngress",
        "eventID": f"e0e0e0e0-0000-4000-8000-{number:012}",
        "requestParameters": {"groupId": f"sg-0{number:016x}", "ipPermissions": {"items": [permission]}},
        "responseElements": {"_return": True},
    }
    return json.dumps(record, separators=(",", ":")).encode()


def omitted():
    """A call that is too large for its record: the whole Region is looked at."""
    left_out = {"reason": "requestParameters too large", "originalSize": 131072, "omitted": True}
    return json.loads(own_record(1)) | {"requestParameters": left_out, "responseElements": left_out}


def subscription(data):
    return json.dumps({"awslogs": {"data": base64.b64encode(gzip.compress(data)).decode()}}).encode()


def sqs():
    records = ",".join([small_record().decode()] * (590_000 // (len(small_record()) + 1)))
    body = f'{{"Records":[{records}]}}'
    return {"Records": [{"eventSource": "aws:sqs", "messageId": str(n), "body": body} for n in range(10)]}


def run(program, payload, aws):
    """Peak memory in bytes, seconds, and bytes of the log, for one delivery to a fresh process."""
    with RuntimeApi(timeout_seconds=PATIENCE_SECONDS) as api:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "portcullis",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_ENDPOINT_URL": aws,
        }
        with open(os.devnull, "rb") as nothing, subprocess.Popen(
            [program], env=environment, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            log = LogLength(process.stdout)
            started = time.monotonic()
            api.put_bytes(payload)
            try:
                api.take(PATIENCE_SECONDS)
            except FunctionFailed:
                pass  # what cannot be read makes the invocation fail
            except queue.Empty:
                sys.exit(f"peak_memory: no answer in {PATIENCE_SECONDS} s")
            finally:
                seconds, peak = time.monotonic() - started, peak_of(process.pid)
                process.kill()
            return peak, seconds, log.length()


class LogLength:
    """Reads a stream to its end on a thread, and counts."""

    def __init__(self, stream):
        self._length = 0
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        while piece := stream.read(1 << 16):
            self._length += len(piece)

    def length(self):
        self._thread.join(timeout=5)
        return self._length


def peak_of(pid):
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
