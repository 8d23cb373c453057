"""Measures hunts beside libdeflate alone and beside DuckDB, on the same made archives, in turns.

Usage: hunt.py PROGRAM INFLATE [--rounds N] [--scale N]. Numbers are medians of wall time over the rounds; `over inflating` is
how many times as long a hunt takes as unzipping the same files with libdeflate and doing nothing. Whether a bar is met says the
table; a machine that is busy with other things says nothing.

Exit status: 0 when every bar is met, 1 when one is missed, 2 when called wrongly.
"""

import argparse
import gzip
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

DAY = 1795132800
CALLS = ["DescribeInstances", "AssumeRole", "GetObject", "PutObject", "Decrypt", "ListBuckets", "DescribeVolumes", "GetParameter"]
FIELDS = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
          " tcp-flags flow-direction")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("inflate")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=int, default=10, help="files of 5,000 records, and as many of 50,000 flows")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trail, flows = Path(folder) / "trail", Path(folder) / "flows"
        for made in (trail, flows):
            made.mkdir()
        for n in range(given.scale):
            trail_file(trail, n)
            flow_file(flows, n)
        missed = measure(given, trail, flows, Path(folder))
    return 1 if missed else 0


def trail_file(folder, n):
    chance = random.Random(n)
    records = []
    for m in range(5000):
        failed = chance.random() < 0.03
        records.append({
            "eventVersion": "1.11", "userIdentity": {
                "type": "AssumedRole", "principalId": f"AROAEXAMPLE:{m % 50}", "accountId": "111122223333",
                "arn": f"arn:aws:sts::111122223333:assumed-role/service-{m % 40}/session",
                "sessionContext": {"sessionIssuer": {"type": "Role", "userName": f"service-{m % 40}"},
                                   "attributes": {"mfaAuthenticated": "false"}}},
            "eventTime": f"2026-11-20T{n % 24:02}:{m % 60:02}:{m % 59:02}Z", "eventSource": "ec2.amazonaws.com",
            "eventName": "CreateKeyPair" if n == 0 and m == 7 else chance.choice(CALLS), "awsRegion": "eu-west-1",
            "sourceIPAddress": f"198.51.100.{m % 200}", "userAgent": "aws-sdk-go-v2/1.40 os/linux lang/go",
            "requestParameters": {"bucketName": "logs", "key": f"a/{n}/{m}", "filterSet": {"items": [{"name": "x"}] * 8}},
            "responseElements": None, "requestID": f"{n}-{m}", "eventID": f"{n:08x}-0000-4000-8000-{m:012x}", "readOnly": True,
            "eventType": "AwsApiCall", "managementEvent": True, "recipientAccountId": "111122223333",
            **({"errorCode": chance.choice(["AccessDenied", "Client.UnauthorizedOperation"]), "errorMessage": "no"} if failed else {}),
        })
    (folder / f"{n}.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), 6))


def flow_file(folder, n):
    chance = random.Random(n)
    lines = [FIELDS]
    for m in range(50000):
        start = DAY + n * 600 + m % 600
        lines.append(f"2 111122223333 eni-{m % 1000:017x} 198.51.{chance.randrange(256)}.{chance.randrange(256)} 10.0.{m % 1000 // 250}."
                     f"{m % 250} {chance.randrange(1024, 65535)} {chance.choice([22, 443, 443, 3389])} 6 10 840 {start} {start + 50}"
                     f" {'ACCEPT' if chance.random() < 0.7 else 'REJECT'} OK 2 ingress")
    (folder / f"{n}.log.gz").write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), 6))


def measure(given, trail, flows, folder):
    query = folder / "flows.sql"
    query.write_text("SELECT src_addr, count(*) AS n FROM flow_logs WHERE dst_port = 22 AND action = 'ACCEPT' GROUP BY src_addr"
                     " ORDER BY n DESC NULLS LAST, src_addr LIMIT 20")
    json_of = f"SELECT unnest(Records) AS r FROM read_json('{trail}/*.json.gz', maximum_object_size = 200000000)"
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in FIELDS.split())
    csv_of = f"read_csv('{flows}/*.log.gz', delim = ' ', header = true, columns = {{{columns}}})"
    cases = [
        ("one call of all (key-pairs)", trail, ["key-pairs", trail], f"SELECT r.eventTime FROM ({json_of}) WHERE r.eventName = 'CreateKeyPair'", 1.3),
        ("all errors (errors)", trail, ["errors", trail], f"SELECT r.errorCode, count(*) FROM ({json_of}) GROUP BY 1", None),
        ("flows, filtered and grouped", flows, [query, flows],
         f"SELECT srcaddr, count(*) AS n FROM {csv_of} WHERE dstport = '22' AND action = 'ACCEPT' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20", None),
    ]
    missed = False
    print(f"{'':<32} {'MB of text':>10} {'inflating':>10} {'hunt':>8} {'over':>6} {'MB/s':>6} {'duckdb':>8}")
    for name, files, arguments, sql, bar in cases:
        paths = sorted(files.iterdir())
        size = int(subprocess.run([given.inflate, *paths], check=True, stdout=subprocess.PIPE, text=True).stdout)
        times = {"inflate": [], "hunt": [], "duckdb": []}
        for _ in range(given.rounds):
            times["inflate"].append(timed(lambda: subprocess.run([given.inflate, *paths], check=True, stdout=subprocess.DEVNULL)))
            times["hunt"].append(timed(lambda: subprocess.run([given.program, *arguments], stdout=subprocess.DEVNULL,
                                                              stderr=subprocess.DEVNULL)))
            times["duckdb"].append(timed(lambda: duckdb.connect().execute(sql).fetchall()))
        inflate, hunt, other = (statistics.median(times[key]) for key in ("inflate", "hunt", "duckdb"))
        is_missed = (bar is not None and hunt > bar * inflate) or hunt > other
        missed |= is_missed
        print(f"{name:<32} {size / 1e6:>10.0f} {inflate:>9.3f}s {hunt:>7.3f}s {hunt / inflate:>6.2f} {size / 1e6 / hunt:>6.0f} {other:>7.3f}s"
              f" {'MISSED' if is_missed else ''}")
    return missed


def timed(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
