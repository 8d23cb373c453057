"""Holds the hunts to a second engine: is their SQL Trino's, and does it give the same rows elsewhere?

Usage: portable.py PROGRAM. Each hunt is read by sqlglot's grammars of Trino and Athena, translated to DuckDB, and asked there
about the same tables: those of the small made world, as the program itself shows them. So this is a witness of the queries and
not of the tables. The statements for Athena (--ddl) are read by the same grammars, as far as these know them. No Athena and no
Trino takes part. The second engine also writes the flow logs as Parquet, with and without Hive folders, and the program must
read the same rows out of them as out of the text.

Exit status: 0 if every hunt gives the same rows in both engines, and both forms of flow logs the same.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import sqlglot

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))
import hunt as world  # noqa: E402

TABLES = ["events", "console_logins", "key_pairs", "flow_logs", "sg_rules", "rule_changes", "dangerous_rules", "rule_use",
          "security_groups", "interface_groups", "group_changes", "interfaces", "instances", "instance_interfaces", "coverage",
          "rule_flows"]
TIME = re.compile(r"(_at|_time|_used|^since|^until|_seen|last_attached)$")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        world.write(logs)
        second = duckdb.connect()
        for table in TABLES:
            load(second, table, asked(program, logs, query(folder, f"SELECT * FROM {table}")), columns(program, logs, folder, table))
        different = [name for name in hunts(program) if not same(program, logs, second, name)]
        different += [words for words in parquet(program, logs, folder, second)]
    for more in ([], ["--flow-files", "parquet", "--organisation", "o-1", "--control-tower", "--hive-compatible-partitions",
                      "--per-hour-partition", "--flow-format", world.FIELDS]):
        views = read_by_both_grammars(program, more)
    print(f"portable: {views} views of --ddl are read by both grammars")
    return 1 if different else 0


def read_by_both_grammars(program, more):
    ddl = subprocess.run([program, "--ddl", "s3://logs", "--accounts", "111122223333", "--regions", "eu-west-1", *more],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    for dialect in ("trino", "athena"):
        views = [view[view.index("CREATE OR"):] for view in ddl.split(";\n") if "CREATE OR REPLACE VIEW" in view]
        for view in views:
            sqlglot.parse_one(view, dialect=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    return len(views)


WHOLE = "SELECT * FROM flow_logs ORDER BY start_time, end_time, src_addr, src_port, dst_port"


def parquet(program, logs, folder, second):
    """Yields what differs between the flow logs as text and as the second engine writes them."""
    text = next(logs.rglob("*_vpcflowlogs_*.log.gz"))
    expected = asked(program, text.parent, query(folder, WHOLE))
    numbers = {"version", "srcport", "dstport", "protocol", "tcp-flags"}
    long = {"packets", "bytes", "start", "end"}
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in world.FIELDS.split())
    read = f"read_csv('{text}', delim = ' ', header = true, nullstr = '-', columns = {{{columns}}})"
    kinds = [(name, "INTEGER" if name in numbers else "BIGINT" if name in long else "VARCHAR") for name in world.FIELDS.split()]
    values = ", ".join(f"CAST(\"{name}\" AS {kind}) AS \"{name.replace('-', '_')}\"" for name, kind in kinds)
    for codec in ("uncompressed", "snappy", "gzip", "zstd"):
        for where in ("plain", "aws-service=vpcflowlogs/year=2026/month=11/day=20"):
            path = Path(folder) / codec / where / "flows.log.parquet"
            path.parent.mkdir(parents=True)
            second.execute(f"COPY (SELECT {values} FROM {read}) TO '{path}' (FORMAT parquet, COMPRESSION {codec}, ROW_GROUP_SIZE 100)")
            ours = asked(program, path.parents[len(Path(where).parts) - 1], query(folder, WHOLE))
            is_same = ours == expected and bool(ours)
            print(f"portable: flow logs as Parquet, {codec:<12} {len(ours):>5} rows {'the same' if is_same else 'DIFFERENT'}")
            if not is_same:
                yield f"{codec} {where}"


def query(folder, text):
    path = Path(folder) / "query.sql"
    path.write_text(text)
    return str(path)


def asked(program, logs, name):
    ran = subprocess.run([program, name, logs, "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ran.returncode not in (0, 1):
        sys.exit(ran.stderr)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def columns(program, logs, folder, table):
    """The names in order, also of a table without rows."""
    ran = subprocess.run([program, query(folder, f"SELECT * FROM {table} LIMIT 0"), logs, "--format", "csv"], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return ran.stdout.strip().split(",")


def load(second, table, rows, names):
    kinds = {}
    for name in names:
        values = [row[name] for row in rows if row[name] is not None]
        if TIME.search(name):
            kinds[name] = "TIMESTAMP"
        elif values and all(isinstance(value, bool) for value in values):
            kinds[name] = "BOOLEAN"
        elif values and all(isinstance(value, int) for value in values) or not values and re.search("port|icmp|protocol", name):
            kinds[name] = "BIGINT"
        else:
            kinds[name] = "VARCHAR"
    described = ", ".join(f'"{name}" {kind}' for name, kind in kinds.items())
    second.execute(f"CREATE TABLE {table} ({described})")
    if rows:
        marks = ", ".join("?" for _ in kinds)
        second.executemany(f"INSERT INTO {table} VALUES ({marks})", [[plain(row[name]) for name in kinds] for row in rows])


def plain(value):
    return value[:-1] if isinstance(value, str) and STAMP.fullmatch(value) else value


def hunts(program):
    listed = subprocess.run([program, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.endswith("?")]


def same(program, logs, second, name):
    text = subprocess.run([program, name, "--explain"], check=True, stdout=subprocess.PIPE, text=True).stdout
    sql = text[re.search(r"^SELECT", text, re.MULTILINE).start():]
    source = (Path(__file__).resolve().parents[2] / "crates/hunt/sql" / f"{name}.sql").read_text()
    for parameter, default in re.findall(r"^-- param: (\w+) = ([^;]*);", source, re.MULTILINE):
        sql = sql.replace(f"${parameter}", default.strip())
    sqlglot.parse_one(sql, dialect="athena", error_level=sqlglot.ErrorLevel.RAISE)
    translated = sqlglot.transpile(sql, read="trino", write="duckdb", error_level=sqlglot.ErrorLevel.RAISE)[0]
    result = second.execute(translated)
    names = [column[0] for column in result.description]
    theirs = [dict(zip(names, map(shown, row))) for row in result.fetchall()]
    ours = [{key: plain(value) for key, value in row.items()} for row in asked(program, logs, name)]
    is_same = ours == theirs
    print(f"portable: {name:<20} {len(ours):>5} rows {'the same' if is_same else 'DIFFERENT'}")
    if not is_same:
        first = next((pair for pair in zip(ours, theirs) if pair[0] != pair[1]), (len(ours), len(theirs)))
        print(f"  {first[0]}\n  {first[1]}")
    return is_same


def shown(value):
    return value.strftime("%Y-%m-%dT%H:%M:%S") if hasattr(value, "strftime") else value


if __name__ == "__main__":
    sys.exit(main())
