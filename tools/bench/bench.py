"""Measures the function beside a boto3 handler that does the same: starts, remediations, memory, size.

Both run as Lambda would run them, from an environment with nothing of the caller's in it: this is the Runtime API on
loopback, and the model of EC2 over TLS stands in for AWS. Each round starts every function anew, in turns; the numbers
are medians over the rounds, beside the smallest and the largest. Each remediation is checked: the answer says
`reverted` and EC2 shows no ingress rule, or the bench ends with an error.

  start         from exec to the first poll for an event
  start + cold  from exec to the answer to the first event: DescribeSecurityGroupRules, RevokeSecurityGroupIngress
  warm          from an event's delivery to its answer, later in the same process; of each round the median
  at 128 MB     the same on the CPU that Lambda gives a function of that memory, by a control group (needs root)
  peak memory   the high-water mark of the resident set after the warm events
  zip           what is uploaded; boto3 itself is part of Lambda's Python runtime
  harmless      a 4 KB event that opens HTTPS, from the bytes of its payload to the verdict; `over serde_json` is how
  event         many times as long that takes as only reading them into a `Value`, in turns
  log files     200 of 5,000 records, one in a hundred a call to be judged, read from memory on all cores; `over
                libdeflate` is how many times as long that takes as only unzipping them with libdeflate, in turns

Both trust all that the machine trusts, and the authority that this makes for itself; `trusting 1 authority` is
portcullis with that one alone, beside the same boto3.

Exit status: 0 when every bar is met, 1 when one is missed or a function failed, 2 when called wrongly.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median

import cpu_share
import lifetimes
import stage
from runtime_api import FunctionFailed
from table import Bar, Measured, Row, printed

EXAMPLES = """
examples:
  make bench                                    build what is shipped, measure everything (five minutes when built)
  make bench BENCH="--only full --rounds 31"    without the CPU limit, more rounds
  make bench BENCH="--json bench.json"          keep every sample
  .venv/bench/bin/python tools/bench/bench.py --only scan
  .venv/bench/bin/python tools/bench/bench.py --only zip --bootstrap target/quick/portcullis-lambda
"""

PARTS = ["full", "share", "zip", "harmless", "scan"]
LIVES = {"full", "share"}
COLD_BAR = Bar(ratio=35)
MEMORY_BAR = Bar(ratio=6)
ZIP_BAR = Bar(value=3.5, unit="MB")
HARMLESS_BAR = Bar(value=0.7, unit="x")
SCAN_BAR = Bar(value=1.2, unit="x")
EXPECTED_CALLS = ["DescribeSecurityGroupRules", "RevokeSecurityGroupIngress"]
HERE = Path(__file__).parent
RELEASE = HERE.parent.parent / "target" / "release"


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        rows = measure(options)
    except KeyboardInterrupt:
        sys.exit(130)
    except (FunctionFailed, OSError, subprocess.CalledProcessError) as error:
        progress("")
        sys.exit(f"bench: {error}")
    print(f"\n{machine()}\n{options.rounds} rounds in turns, {options.warm} warm events in each\n")
    print(printed(rows))
    if options.json:
        options.json.write_text(json.dumps(report(options, rows), indent=1) + "\n", encoding="utf-8")
    if missed := [row.title for row in rows if row.is_met is False]:
        sys.exit(f"\nbench: bar missed: {'; '.join(missed)}")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=parts, default=PARTS, metavar="PART,…", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=at_least_one, default=11, help="how often each is started (default 11)")
    parser.add_argument("--warm", type=at_least_one, default=20, help="warm events in each round (default 20)")
    parser.add_argument(
        "--period",
        type=at_least_one,
        default=cpu_share.PERIOD_US // 1000,
        metavar="MS",
        help="the period in which the CPU share is given out; a short one lets less run in one go (default 100)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument(
        "--bootstrap", type=Path, default=RELEASE / "portcullis-lambda", metavar="FILE", help="the function's program"
    )
    parser.add_argument(
        "--model", type=Path, default=RELEASE / "ec2-model", metavar="FILE", help="the program of the model of EC2"
    )
    options = parser.parse_args()
    for program in [options.bootstrap] + [options.model] * bool(LIVES & set(options.only)):
        if not os.access(program, os.X_OK):
            parser.error(f"no program at {program}; `make bench` builds it")
    return options


def parts(text):
    chosen = text.split(",")
    if unknown := [part for part in chosen if part not in PARTS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    return chosen


def at_least_one(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def measure(options):
    """The rows of the table."""
    rows = []
    if LIVES & set(options.only):
        with ExitStack() as ends:
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="portcullis-bench-")))
            authority = stage.Authority(folder)
            contest = Contest(options, ends.enter_context(stage.ec2_model(options.model, authority)), authority)
            contest.warm_up()
            if "full" in options.only:
                rows += contest.rows("")
            if "share" in options.only:
                rows += contest.share_rows()
    if "zip" in options.only:
        rows.append(zip_row(options.bootstrap))
    if "harmless" in options.only:
        rows += harmless_rows(options.bootstrap.parent / "examples" / "harmless", options.rounds)
    if "scan" in options.only:
        rows += scan_rows(options.bootstrap.parent / "examples" / "scan", options.rounds)
    return rows


def report(options, rows):
    """Every sample, for a program to read."""
    table = []
    for row in rows:
        entry = {"row": row.title, "bar": str(row.bar or ""), "met": row.is_met}
        for name, measured in (("portcullis", row.ours), ("boto3", row.theirs)):
            if isinstance(measured, Measured):
                entry[name] = {"unit": measured.unit, "median": measured.median, "samples": measured.samples}
        table.append(entry)
    return {"machine": machine(), "rounds": options.rounds, "warm": options.warm, "table": table}


class Contest:
    """The functions, in turns: A B C A B C …"""

    def __init__(self, options, ec2, authority):
        self.options, self.ec2, self.authority = options, ec2, authority
        self.ours, self.theirs = lifetimes.portcullis(options.bootstrap), lifetimes.boto3()

    def warm_up(self):
        """One life of each that counts for nothing: it fills the page cache and Python's, and shows the calls."""
        for function in (self.ours, self.theirs):
            progress(f"warm-up: {function.name}")
            before = len(self.ec2.actions())
            lifetimes.live(function, self.ec2, self.authority.among_all, warm_events=0)
            if (calls := self.ec2.actions()[before:]) != EXPECTED_CALLS:
                raise FunctionFailed(f"{function.name} called {calls}, not {EXPECTED_CALLS}")

    def share_rows(self):
        if why := cpu_share.why_not():
            print(f"bench: nothing is measured at 128 MB: {why}", file=sys.stderr)
            return [Row("at 128 MB", "not measured")]
        return self.rows(" at 128 MB", self.options.period * 1000)

    def rows(self, where, period_us=None):
        among_all, alone = self.authority.among_all, self.authority.alone
        turns = [
            ("ours", self.ours, among_all, self.options.warm),
            ("theirs", self.theirs, among_all, self.options.warm),
            ("alone", self.ours, alone, 0),
        ]
        lives = defaultdict(list)
        for round_number in range(1, self.options.rounds + 1):
            for key, function, trusted, warm_events in turns:
                progress(f"round {round_number} of {self.options.rounds}{where}: {function.name}")
                lives[key].append(lifetimes.live(function, self.ec2, trusted, warm_events, period_us))
        progress("")

        def of(key, what, unit="ms"):
            return Measured([what(life) for life in lives[key]], unit)

        def both(title, what, unit="ms", bar=None):
            return Row(title, of("ours", what, unit), of("theirs", what, unit), bar)

        rows = [
            both(f"start{where}", lambda life: life.start),
            both(f"start + cold{where}", lambda life: life.cold, bar=COLD_BAR),
            Row("  trusting 1 authority", of("alone", lambda life: life.cold), of("theirs", lambda life: life.cold)),
            both(f"warm{where}", lambda life: median(life.warm)),
        ]
        if period_us is None:
            rows.append(both("peak memory", lambda life: life.peak, "MiB", MEMORY_BAR))
        return rows


def zip_row(bootstrap):
    """What is uploaded; boto3 itself is in Lambda's own Python runtime."""
    with tempfile.TemporaryDirectory() as folder:
        ours = zipped(bootstrap, "bootstrap", Path(folder)) / 1e6
        theirs = zipped(HERE / "boto3_handler.py", "boto3_handler.py", Path(folder)) / 1e3
    return Row("zip (boto3: the handler alone)", Measured([ours], "MB"), Measured([theirs], "kB"), ZIP_BAR)


def zipped(file, name, folder):
    """Its size as a deployment package, in bytes."""
    package = folder / f"{name}.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(file, name)
    return package.stat().st_size


def harmless_rows(program, rounds):
    """Our time, and how it compares with that of serde_json alone in the same process."""
    title = "harmless 4 KB event: parse + judge"
    if not program.exists():
        return [Row(title, "not built", bar=HARMLESS_BAR)]
    timed = []
    for _ in range(rounds):
        progress(title)
        run = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
        try:
            times = json.loads(run.stdout)
            timed.append((times["portcullis"], times["json"], times["serde_json"]))
        except (ValueError, KeyError):
            raise FunctionFailed(f"{program} printed {run.stdout!r}, not its times") from None
    progress("")
    ratios = Measured([ours / alone for ours, _, alone in timed], "x")
    reading = Measured([reading / alone for _, reading, alone in timed], "x")
    return [
        Row(title, Measured([ours / 1000 for ours, _, _ in timed], "µs")),
        Row("  over serde_json alone", ratios, bar=HARMLESS_BAR),
        Row("  of that, reading the JSON", reading),
    ]


def scan_rows(program, rounds):
    """Our time, and how it compares with libdeflate's in the same round."""
    title = "200 log files of 5,000 records"
    if not program.exists():
        return [Row(title, "not built")]
    progress(title)
    command = [program, "--rounds", str(rounds), "--json"]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    progress("")
    try:
        timed = json.loads(run.stdout)
        reader, alone = timed["reader"], timed["libdeflate"]
    except (ValueError, KeyError):
        raise FunctionFailed(f"{program} printed {run.stdout!r}, not its times") from None
    ratios = [ours / theirs for ours, theirs in zip(reader, alone, strict=True)]
    return [Row(title, Measured(reader, "ms")), Row("  over libdeflate alone", Measured(ratios, "x"), bar=SCAN_BAR)]


def machine():
    kernel, python = platform.release(), platform.python_version()
    return f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {kernel}, Python {python}, boto3 {version('boto3')}"


def progress(text):
    """On a terminal one line that is written over; elsewhere a line for each round."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:<{width}}\r", end="", file=sys.stderr, flush=True)
    elif text:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
