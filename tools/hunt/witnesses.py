"""Holds the hunts' use of S3 and of Athena's API to two public mocks, moto and ministack.

Usage: witnesses.py PROGRAM MOTO_SERVER. Neither mock knows Athena's SQL: what is seen is that a query is started, waited for, read
page by page with the types of its columns, and refused with a clear word. S3 is listed and read in earnest.

Exit status: 0 if everything is as it should be.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))
from emulator import ACCOUNT, REGION, Emulator, Session  # noqa: E402
from loopback import free_port  # noqa: E402


def main():
    program, moto = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, mock in (("moto", moto_server(moto, Path(folder))), ("ministack", ministack(Path(folder)))):
            with mock as (url, session):
                for check in (s3, athena, refused):
                    why = check(name, url, session, Asked(program, url, Path(folder)))
                    print(f"witnesses: {name:<10} {check.__name__:<8} {why or 'as it should be'}")
                    failed += bool(why)
    return 1 if failed else 0


class Asked:
    """The program, as one that asks AWS at a mock."""

    def __init__(self, program, url, folder):
        self._program, self._folder = program, folder
        self._environment = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "demo", "AWS_REGION": REGION,
                             "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder), "PATH": os.environ.get("PATH", os.defpath)}

    def __call__(self, *arguments):
        ran = subprocess.run([self._program, *arguments, "--format", "json"], env=self._environment, capture_output=True, text=True)
        return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr

    def query(self, text):
        path = self._folder / "query.sql"
        path.write_text(text)
        return str(path)


def s3(_, __, session, asked):
    client = session.client("s3")
    client.create_bucket(Bucket="hunt-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    # More than one page of the listing.
    for n in range(1010):
        record = {"eventID": str(n), "eventName": "A", "eventSource": "s", "eventTime": "2026-11-20T10:00:00Z", "recipientAccountId": ACCOUNT}
        client.put_object(Bucket="hunt-logs", Key=f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{n} +.json.gz",
                          Body=gzip.compress(json.dumps({"Records": [record]}).encode()))
    status, rows, told = asked(asked.query("SELECT count(*) AS n FROM events"), "s3://hunt-logs/AWSLogs/")
    return None if (status, rows) == (0, [{"n": 1010}]) else f"{status} {rows} {told}"


def athena(name, url, session, asked):
    session.client("s3").create_bucket(Bucket="hunt-results", CreateBucketConfiguration={"LocationConstraint": REGION})
    if name == "moto":
        columns = [{"Name": "calls", "Label": "calls", "Type": "integer"}, {"Name": "word", "Label": "word", "Type": "varchar"}]
        rows = [{"Data": [{"VarCharValue": "calls"}, {"VarCharValue": "word"}]}, {"Data": [{"VarCharValue": "7"}, {"VarCharValue": "x"}]}]
        body = {"account_id": ACCOUNT, "region": REGION, "results": [{"rows": rows, "column_info": columns}]}
        request = urllib.request.Request(f"{url}/moto-api/static/athena/query-results", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        urllib.request.urlopen(request).close()
    query = asked.query("SELECT 7 AS calls, 'x' AS word")
    status, rows, told = asked(query, "--athena", "--database", "default", "--from", "1d", "--output", "s3://hunt-results/")
    right = (status, rows) == (0, [{"calls": 7, "word": "x"}]) and "Athena read" in told
    return None if right else f"{status} {rows} {told}"


def refused(name, _, __, asked):
    if name == "moto":
        wrong, expected = ["--workgroup", "nonsense", "--output", "s3://hunt-results/"], "WorkGroup does not exist"
    else:
        wrong, expected = [], "No output location provided"
    status, rows, told = asked(asked.query("SELECT 7 AS calls"), "--athena", "--database", "default", "--from", "1d", *wrong)
    right = status == 2 and not rows and f"StartQueryExecution: InvalidRequestException: {expected}" in told
    return None if right else f"{status} {rows} {told}"


@contextmanager
def moto_server(program, folder):
    port = free_port()
    with (folder / "moto.log").open("wb") as log:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "MOTO_ACCOUNT_ID": ACCOUNT}
        server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait(f"{url}/moto-api/", server)
        yield url, Session(url, ACCOUNT, "demo", REGION)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def ministack(folder):
    emulator = Emulator(folder)
    emulator.start()
    try:
        yield emulator.url, emulator.session()
    finally:
        emulator.stop()


def wait(url, server):
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
