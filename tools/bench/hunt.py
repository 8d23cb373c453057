"""Measures hunts beside libdeflate alone and beside DuckDB, on the same made archives, in turns.

Usage: hunt.py PROGRAM INFLATE [--rounds N] [--scale N] [--flows MILLIONS]. Numbers are medians over the rounds. Each process'
own processor time is measured beside the wall's, so that a machine which is busy with other things still says something:
`MB/s` is text by processor second, so for one core, and `over` is the processor time of a hunt by that of unzipping the same
files with libdeflate and doing nothing, or by that of the scan. `wall` is what a person waits. A bar is a hunt's own number;
that a hunt must be ahead of DuckDB is about both times.

Exit status: 0 when every bar is met, 1 when one is missed, 2 when called wrongly.
"""

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

DAY = 1795132800
CALLS = ["DescribeInstances", "AssumeRole", "GetObject", "PutObject", "Decrypt", "ListBuckets", "DescribeVolumes", "GetParameter"]
FIELDS = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
          " tcp-flags flow-direction")
PORTS = [22, 443, 443, 3389]
INTERFACES, RULES_A_GROUP = 1000, 10
COLUMNS = ", ".join(f"'{name}': 'VARCHAR'" for name in FIELDS.split())
MB = 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("inflate")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=int, default=60, help="files of 5,000 records of CloudTrail, 5 MB of text each")
    parser.add_argument("--flows", type=int, default=10, help="millions of records of flow logs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        trail, flows, world = (folder / name for name in ("trail", "flows", "world"))
        for made in (trail, flows, world):
            made.mkdir()
        for n in range(given.scale):
            trail_file(trail, n)
        flow_files(flows, given.flows)
        world_file(world)
        query = folder / "flows.sql"
        query.write_text("SELECT src_addr, count(*) AS n FROM flow_logs WHERE dst_port = 22 AND action = 'ACCEPT' GROUP BY src_addr"
                         " ORDER BY n DESC NULLS LAST, src_addr LIMIT 20")
        met = [case(given, one) for one in cases(trail, flows, world, query)]
        met += [start(given, "--list", ["--list"], 20), start(given, "a hunt of nothing but one record", ["errors", tiny(folder)], 60)]
    return 0 if all(met) else 1


@dataclass(frozen=True)
class Case:
    """A question, how it is put to both, and its bars."""

    name: str
    files: Path
    arguments: list
    sql: str
    over: float | None = None  # at most so many times the processor time of `beside`
    beside: list | None = None  # what that is; None: unzipping alone
    speed: float | None = None  # at least so many MB of text by processor second
    memory: float | None = None  # at most so many MB


def cases(trail, flows, world, query):
    records = f"SELECT unnest(Records) AS r FROM read_json('{trail}/*.json.gz', maximum_object_size = 200000000)"
    lines = f"read_csv('{flows}/*.log.gz', delim = ' ', header = true, columns = {{{COLUMNS}}})"
    scan = [query, flows]
    return [
        Case("one call of all (key-pairs)", trail, ["key-pairs", trail],
             f"SELECT r.eventTime FROM ({records}) WHERE r.eventName = 'CreateKeyPair'", over=1.3),
        Case("all errors (errors)", trail, ["errors", trail], f"SELECT r.errorCode, count(*) FROM ({records}) GROUP BY 1", speed=450),
        Case("flows, filtered and grouped", flows, scan,
             f"SELECT srcaddr, count(*) AS n FROM {lines} WHERE dstport = '22' AND action = 'ACCEPT' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
             speed=400),
        Case("rules and flows (unused-rules)", flows, ["unused-rules", world, flows, "--as-of", "2026-11-25"], rules_sql(lines),
             over=1.5, beside=scan, memory=512),
    ]


def rules_sql(lines):
    """Which rule may have admitted which flow, for the world of `world_file`."""
    address = " + ".join(f"split_part(srcaddr, '.', {n})::BIGINT * {256 ** (4 - n)}" for n in range(1, 5))
    flow = f"SELECT \"interface-id\" AS i, dstport::INT AS p, {address} AS a FROM {lines} WHERE action = 'ACCEPT'"
    rules = (f"SELECT g.range AS g, r.range AS r, CASE WHEN r.range % 2 = 0 THEN 22 ELSE 3000 END AS lo, 3000 + r.range * 10 AS hi,"
             f" (r.range * 16) * 16777216 AS alow, (r.range * 16 + 16) * 16777216 - 1 AS ahigh FROM range({INTERFACES}) g, range({RULES_A_GROUP}) r")
    return (f"WITH f AS ({flow}), rules AS ({rules}) SELECT g, r, count(*) FROM f JOIN rules ON f.i = printf('eni-%017d', g)"
            " AND p BETWEEN lo AND hi AND a BETWEEN alow AND ahigh GROUP BY 1, 2")


def trail_file(folder, n):
    """Ids are random, as they are in real records: without them it would unzip twice as fast as these do."""
    chance = random.Random(n)

    def some_id():
        digits = f"{chance.getrandbits(128):032x}"
        return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])

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
            "requestParameters": {"bucketName": "logs", "key": f"a/{n}/{chance.getrandbits(64):016x}", "filterSet": {"items": [{"name": "x"}] * 8}},
            "responseElements": None, "requestID": some_id(), "eventID": some_id(), "readOnly": True,
            "eventType": "AwsApiCall", "managementEvent": True, "recipientAccountId": "111122223333",
            **({"errorCode": chance.choice(["AccessDenied", "Client.UnauthorizedOperation"]), "errorMessage": "no"} if failed else {}),
        })
    (folder / f"{n}.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), 6))


def flow_files(folder, millions):
    """Files of 100,000 records each, five minutes after each other; they differ in their times only."""
    chance = random.Random(1)
    lines = [FIELDS]
    for m in range(100_000):
        lines.append(f"2 111122223333 eni-{m % INTERFACES:017} {chance.randrange(1, 224)}.51.{chance.randrange(64)}.{chance.randrange(256)}"
                     f" {address(m % INTERFACES)} {chance.randrange(1024, 65535)} {chance.choice(PORTS)} 6 10 840 BEGIN ENDED"
                     f" {'ACCEPT' if chance.random() < 0.7 else 'REJECT'} OK 2 ingress")
    text = "\n".join([*lines, ""]).encode()
    for n in range(10 * millions):
        begin = DAY + 3600 + n * 300
        own = text.replace(b"BEGIN", str(begin).encode()).replace(b"ENDED", str(begin + 290).encode())
        (folder / f"{n}.log.gz").write_bytes(gzip.compress(own, 4))


def address(n):
    return f"10.0.{n // 250}.{n % 250 + 1}"


def world_file(folder):
    """A group with ten rules for each interface, opened before the flow logs begin."""
    records = []

    def call(name, request, answer):
        second = len(records) // 10
        records.append({
            "eventVersion": "1.11", "eventTime": f"2026-11-20T00:{second // 60 % 60:02}:{second % 60:02}Z", "eventSource": "ec2.amazonaws.com",
            "eventName": name, "awsRegion": "eu-west-1", "eventID": f"w-{len(records)}", "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "userName": "ann", "accountId": "111122223333"}, "requestParameters": request,
            "responseElements": answer})

    for n in range(INTERFACES):
        group = f"sg-{n:017}"
        call("CreateSecurityGroup", {"groupName": group, "vpcId": "vpc-1"}, {"groupId": group})
        call("CreateNetworkInterface", {"subnetId": "subnet-1"}, {"networkInterface": {
            "networkInterfaceId": f"eni-{n:017}", "privateIpAddress": address(n), "groupSet": {"items": [{"groupId": group}]}}})
        for m in range(RULES_A_GROUP):
            rule = {"groupId": group, "securityGroupRuleId": f"sgr-{n:05}{m:012}", "isEgress": False, "ipProtocol": "tcp",
                    "fromPort": 22 if m % 2 == 0 else 3000, "toPort": 3000 + m * 10, "cidrIpv4": f"{m * 16}.0.0.0/4"}
            call("AuthorizeSecurityGroupIngress", {"groupId": group, "n": m}, {"securityGroupRuleSet": {"items": [rule]}})
    call("DescribeInstances", {}, None)
    records[-1]["eventTime"] = "2026-11-24T00:00:00Z"
    (folder / "world.json.gz").write_bytes(gzip.compress(json.dumps({"Records": records}).encode(), 6))


def tiny(folder):
    path = folder / "tiny.json"
    path.write_text(json.dumps({"Records": [{"eventID": "1", "eventName": "A", "eventSource": "s", "errorCode": "AccessDenied"}]}))
    return path


@dataclass(frozen=True)
class Times:
    """What a process took."""

    wall: float
    processor: float
    mb: float


def timed(command):
    begin = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
    return Times(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def duckdb_timed(sql):
    """A process of its own; what it takes to load DuckDB is not counted."""
    # Without its progress bar, which it writes to standard output.
    program = ("import duckdb, json, sys, time; c = duckdb.connect(); c.execute('SET enable_progress_bar = false');"
               " w, p = time.perf_counter(), time.process_time();"
               " c.execute(sys.argv[1]).fetchall(); print(json.dumps([time.perf_counter() - w, time.process_time() - p]))")
    out = subprocess.run([sys.executable, "-c", program, sql], check=True, stdout=subprocess.PIPE, text=True).stdout
    wall, processor = json.loads(out)
    return Times(wall, processor, 0)


def median(times):
    return Times(*(statistics.median(getattr(one, name) for one in times) for name in ("wall", "processor", "mb")))


def case(given, one):
    paths = sorted(one.files.iterdir())
    size = int(subprocess.run([given.inflate, *paths], check=True, stdout=subprocess.PIPE, text=True).stdout) / MB
    beside = [given.inflate, *paths] if one.beside is None else [given.program, *one.beside]
    samples = {"beside": [], "hunt": [], "duckdb": []}
    for _ in range(given.rounds):
        samples["beside"].append(timed(beside))
        samples["hunt"].append(timed([given.program, *one.arguments]))
        samples["duckdb"].append(duckdb_timed(one.sql))
    base, hunt, other = (median(samples[key]) for key in ("beside", "hunt", "duckdb"))
    over, speed = hunt.processor / base.processor, size / hunt.processor
    print(f"{one.name}: {size:.0f} MB of text\n"
          f"  {'hunt':<10} wall {hunt.wall:7.3f} s, processor {hunt.processor:7.3f} s, {speed:5.0f} MB/s a core, {hunt.mb:.0f} MB\n"
          f"  {'duckdb':<10} wall {other.wall:7.3f} s, processor {other.processor:7.3f} s, {size / other.processor:5.0f} MB/s a core\n"
          f"  {'the scan' if one.beside else 'inflating':<10} wall {base.wall:7.3f} s, processor {base.processor:7.3f} s")
    bars = [(f"over {one.over}: {over:.2f}", over <= one.over) for _ in [0] if one.over]
    bars += [(f"at least {one.speed} MB/s a core: {speed:.0f}", speed >= one.speed) for _ in [0] if one.speed]
    bars += [(f"at most {one.memory} MB: {hunt.mb:.0f}", hunt.mb <= one.memory) for _ in [0] if one.memory]
    bars.append((f"ahead of DuckDB: {other.wall / hunt.wall:.1f} x by the wall, {other.processor / hunt.processor:.1f} x by the processor",
                 hunt.wall < other.wall and hunt.processor < other.processor))
    return told(bars)


def start(given, name, arguments, most):
    samples = [timed([given.program, *arguments]) for _ in range(4 * given.rounds)]
    wall, processor = (1000 * getattr(median(samples), key) for key in ("wall", "processor"))
    print(f"{name}: wall {wall:.1f} ms, processor {processor:.1f} ms")
    return told([(f"under {most} ms: {wall:.1f}", wall < most)])


def told(bars):
    for words, is_met in bars:
        print(f"  {'met' if is_met else 'MISSED'}: {words}", flush=True)
    return all(is_met for _, is_met in bars)


if __name__ == "__main__":
    sys.exit(main())
