"""Fuzzes every target for some time, one after the other, and prints what came of it.

    python3 fuzz/run.py --seconds 60 [TARGET …]

Coverage-guided on the stable toolchain: `--sanitizer none` needs nothing else, and without unsafe code there is little
for a sanitizer to find. What the fuzzer learns stays in fuzz/corpus and is gone on from; what breaks a check lies in
fuzz/artifacts. Make it small and keep it, for `make test` to replay:

    cargo fuzz tmin --sanitizer none TARGET fuzz/artifacts/TARGET/crash-…
    mv fuzz/artifacts/TARGET/minimized-from-… fuzz/findings/TARGET/what-it-broke
"""

import argparse
import pathlib
import re
import subprocess
import sys

FUZZ = pathlib.Path(__file__).resolve().parent
EVENTS = FUZZ.parent / "events"
# For each target: its dictionary, its further seeds, its longest input.
TARGETS = {
    "delivery": ("json", [EVENTS], 16384),
    "json": ("json", [EVENTS], 16384),
    "record": ("json", [EVENTS], 16384),
    "policy": ("policy", [], 16384),
    "cidr": ("cidr", [], 512),
    "logfile": ("json", [EVENTS], 16384),
}
# A step that takes longer and a process that uses more memory are findings too.
LIMITS = ["-timeout=10", "-rss_limit_mb=1024"]


def fuzz(target: str, seconds: int) -> dict:
    dictionary, seeds, longest = TARGETS[target]
    corpus, artifacts = FUZZ / "corpus" / target, FUZZ / "artifacts" / target
    for folder in (corpus, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(artifacts.iterdir())
    command = ["cargo", "fuzz", "run", "--sanitizer", "none", target, corpus, FUZZ / "findings" / target, *seeds, "--"]
    command += [f"-max_total_time={seconds}", f"-dict={FUZZ / 'dictionaries' / dictionary}.dict", f"-max_len={longest}"]
    command += LIMITS + ["-print_final_stats=1", f"-artifact_prefix={artifacts}/"]
    log = artifacts.parent / f"{target}.log"
    print(f"{target} …", flush=True)
    with log.open("wb") as out:
        status = subprocess.run(command, cwd=FUZZ.parent, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    text = log.read_text(errors="replace")
    # "#1234  NEW    cov: 567 ft: 890 corp: 12/3Kb …"
    progress = re.findall(r"^#(\d+)\s+(\w+)\s+cov: (\d+) ft: \d+ corp: (\d+)/", text, re.MULTILINE)
    stats = dict(re.findall(r"^stat::(\w+):\s+(\d+)", text, re.MULTILINE))
    crashes = sorted(set(artifacts.iterdir()) - before)
    first = next((line for line in progress if line[1] == "INITED"), None)
    row = {
        "target": target,
        "executions": int(stats.get("number_of_executed_units") or (progress[-1][0] if progress else 0)),
        "a second": int(stats.get("average_exec_per_sec") or 0),
        "coverage": f"{first[2]} → {progress[-1][2]}" if first else "none",
        "corpus": sum(1 for _ in corpus.iterdir()),
        "MB": int(stats.get("peak_rss_mb") or 0),
        "crashes": len(crashes),
    }
    if crashes:
        reason = re.search(r"^thread .* panicked at .*\n.*|^.*ERROR: libFuzzer: .*", text, re.MULTILINE)
        print(f"  {reason.group(0)[:2000] if reason else 'see ' + str(log)}")
        for crash in crashes:
            print(f"  {crash.relative_to(FUZZ.parent)}")
    elif status != 0 or not first:
        sys.exit(f"{target} did not run, status {status}:\n{text[-3000:]}")
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every target, or those that are named.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    given = parser.parse_args()
    if odd := [target for target in given.targets if target not in TARGETS]:
        parser.error(f"no target {odd[0]}: {', '.join(TARGETS)}")
    rows = [fuzz(target, given.seconds) for target in given.targets or TARGETS]
    table = [list(rows[0])] + [[f"{v:,}" if isinstance(v, int) else v for v in row.values()] for row in rows]
    widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
    print()
    for line in table:
        first, *rest = (cell.rjust(width) for cell, width in zip(line, widths))
        print("  ".join([line[0].ljust(widths[0]), *rest]))
    return 1 if any(row["crashes"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
