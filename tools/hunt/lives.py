"""Holds what the views for Athena make of rules and interfaces over time to what the program makes of the same records.

Usage: lives.py PROGRAM [WORLDS]. Each world is made from its seed: groups, rules, interfaces and instances, and the calls that
make, change and remove them, in the shapes in which CloudTrail writes them. The views are those of --ddl, translated from
Trino's SQL to DuckDB's; the tables below them are filled with the records themselves. So this is a witness of the views' text,
and of its translation. No Athena and no Trino takes part. What asks flow logs is asked about two formats of them.

Exit status: 0 if every table has the same rows in both, in every world.
"""

import gzip
import json
import random
import re
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import sqlglot

ACCOUNT, REGION, DAY = "111122223333", "eu-west-1", datetime(2026, 11, 20, tzinfo=timezone.utc)
FIELDS = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
          " tcp-flags flow-direction")
# The default format, which has neither of the last two.
VERSION_2 = FIELDS.rsplit(" ", 2)[0]
# The columns that both have.
TABLES = {
    "rule_changes": "event_time event_id kind rule_id group_id group_name account_id region direction protocol from_port to_port"
                    " source source_kind old_protocol old_from_port old_to_port old_source actor source_ip how",
    "sg_rules": "rule_id group_id group_name account_id region direction protocol from_port to_port icmp_type icmp_code source"
                " source_kind opened_at opened_by opened_from opened_how opened_event closed_at closed_by closed_how closed_event",
    "security_groups": "group_id group_name vpc_id account_id region created_at created_by deleted_at members_known",
    "interface_groups": "interface_id group_id attached_at detached_at attached_by",
    "group_changes": "event_time event_id interface_id group_id change actor source_ip how",
    "instance_interfaces": "instance_id name interface_id attached_at detached_at",
    "coverage": "interface_id from_time to_time status records accepted groups_known",
    "flow_logs": "start_time end_time interface_id src_addr dst_port protocol action log_status direction initiator",
}
HUNTS = ["rules-changed", "groups-attached", "unused-groups", "ssh-attempts", "coverage"]
OF_FLOWS = {"flow_logs", "coverage", "ssh-attempts"}


def main():
    program, worlds = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 30
    rows, different = dict.fromkeys([*TABLES, *HUNTS], 0), 0
    hunts = {name: query_of(program, name) for name in HUNTS}
    for fields in (FIELDS, VERSION_2):
        views = translated(program, fields)
        asked = {*TABLES, *HUNTS} if fields == FIELDS else OF_FLOWS
        for seed in range(worlds):
            different += compared(program, (World(seed), fields), views, hunts, asked, rows)
    for name, count in rows.items():
        print(f"lives: {name:<20} {count:>6} rows in {worlds} worlds{'' if different else ', the same'}")
    return 1 if different or not all(rows.values()) else 0


def compared(program, made, views, hunts, asked, rows):
    """How many answers about a world are different. Adds to the rows of each."""
    (world, fields), different = made, 0
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        world.write(logs, fields)
        second = duckdb.connect()
        world.load(second, fields)
        for name, view in views:
            second.execute(f"CREATE VIEW {name} AS {view}")
        for table in (name for name in TABLES if name in asked):
            names = TABLES[table].split()
            query = Path(folder) / "query.sql"
            query.write_text(f"SELECT {', '.join(names)} FROM {table}")
            ours = sorted([json.dumps([row[name] for name in names]) for row in answer(program, query, logs)])
            theirs = sorted(json.dumps([plain(value) for value in row]) for row in
                            second.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall())
            rows[table] += len(ours)
            different += told(world.seed, table, ours, theirs)
        for hunt in (name for name in hunts if name in asked):
            result = second.execute(hunts[hunt])
            names = [column[0] for column in result.description]
            theirs = [json.dumps([plain(value) for value in row]) for row in result.fetchall()]
            ours = [json.dumps([row[name] for name in names]) for row in answer(program, hunt, logs)]
            rows[hunt] += len(ours)
            different += told(world.seed, hunt, ours, theirs)
    return different


def told(seed, name, ours, theirs):
    if ours == theirs:
        return 0
    print(f"lives: seed {seed}: {name} is DIFFERENT\n  only here  {[row for row in ours if row not in theirs][:3]}\n"
          f"  only there {[row for row in theirs if row not in ours][:3]}")
    return 1


def answer(program, query, logs):
    ran = subprocess.run([program, query, logs, "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ran.returncode not in (0, 1):
        sys.exit(ran.stderr)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def plain(value):
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else value


def translated(program, fields):
    """The views of --ddl in DuckDB's SQL, in order."""
    ddl = subprocess.run([program, "--ddl", "s3://logs", "--accounts", ACCOUNT, "--regions", REGION, "--flow-format", fields],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(name, in_duckdb(view)) for name, view in re.findall(r"CREATE OR REPLACE VIEW (\w+) AS\n(.*?);\n", ddl, re.DOTALL)]


def in_duckdb(sql):
    return sqlglot.transpile(sql, read="trino", write="duckdb", error_level=sqlglot.ErrorLevel.RAISE)[0]


def query_of(program, name):
    text = subprocess.run([program, name, "--explain"], check=True, stdout=subprocess.PIPE, text=True).stdout
    sql = text[re.search(r"^SELECT", text, re.MULTILINE).start():]
    source = (Path(__file__).resolve().parents[2] / "crates/hunt/sql" / f"{name}.sql").read_text()
    for parameter, default in re.findall(r"^-- param: (\w+) = ([^;]*);", source, re.MULTILINE):
        sql = sql.replace(f"${parameter}", default.strip())
    return in_duckdb(sql)


class World:
    """Calls in order, a minute or more apart unless they are told not to be, and the flow logs of the same day."""

    def __init__(self, seed):
        self.seed, self.chance = seed, random.Random(seed)
        self.records, self.second, self.ids, self.is_still = [], 0, 0, False
        self.groups, self.rules, self.interfaces, self.instances = {}, {}, {}, {}
        for _ in range(self.chance.randrange(3)):
            self.create_group()
        for _ in range(self.chance.randrange(10, 60)):
            self.step()
        self.call("DescribeInstances", {}, None)
        self.lines = [line for interface in [*self.interfaces, "eni-unknown"] for line in self.flows(interface)]
        self.chance.shuffle(self.lines)

    def id(self, kind):
        self.ids += 1
        return f"{kind}-{self.ids:017x}"

    def one(self, things):
        things = sorted(things)
        return self.chance.choice(things) if things else None

    def call(self, name, request, answer, **more):
        self.second += 0 if self.is_still else self.chance.choice([1, 60, 61, 600])
        who = self.chance.choice(["ann", "bob", "deploy"])
        self.records.append({
            "eventVersion": "1.11", "eventTime": (DAY + timedelta(seconds=self.second)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": "ec2.amazonaws.com", "eventName": name, "awsRegion": REGION, "eventID": f"e-{len(self.records):05}",
            "recipientAccountId": ACCOUNT, "sourceIPAddress": f"203.0.113.{self.chance.randrange(1, 9)}", "userAgent": "aws-cli/2",
            "userIdentity": {"type": "IAMUser", "userName": who, "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/{who}"},
            "requestParameters": request, "responseElements": answer, "readOnly": False, "eventType": "AwsApiCall", **more,
        })

    def step(self):
        kinds = {
            "create_group": 3, "open": 6, "open_old": 3, "modify": 4, "modify_twice": 2, "close": 3, "close_like": 3, "close_unknown": 2, "delete_group": 1,
            "create_interface": 2, "launch": 2, "attach": 2, "detach": 1, "set_groups": 3, "set_groups_twice": 2, "set_instance": 1,
            "terminate": 1,
            "delete_interface": 1, "tag": 2, "fail": 1,
        }
        getattr(self, self.chance.choices(list(kinds), list(kinds.values()))[0])()

    def create_group(self):
        group = self.id("sg")
        # A group without a record of its creation is older than the records.
        if self.chance.random() < 0.8:
            self.call("CreateSecurityGroup", {"groupName": f"name-{group}", "vpcId": "vpc-1"}, {"groupId": group})
        self.groups[group] = True

    def permission(self):
        protocol, low, high = self.chance.choice(
            [("tcp", 22, 22), ("tcp", 0, 65535), ("udp", 53, 53), ("-1", -1, -1), ("icmp", 8, -1), ("icmpv6", -1, -1), ("6", 443, 443),
             ("50", None, None), ("tcp", None, None)])
        kind = self.chance.choice(["cidrIpv4", "cidrIpv4", "cidrIpv6", "prefixListId", "group"])
        source = {"cidrIpv4": f"198.51.{self.chance.randrange(4)}.0/24", "cidrIpv6": f"2001:db8:{self.chance.randrange(1, 5)}::/48",
                  "prefixListId": f"pl-{self.chance.randrange(3):017x}", "group": self.one(self.groups) or "sg-other"}[kind]
        return protocol, low, high, kind, source

    def listed(self, group, rule, permission, egress):
        protocol, low, high, kind, source = permission
        item = {"groupId": group, "securityGroupRuleId": rule, "isEgress": egress, "ipProtocol": protocol,
                **({} if low is None else {"fromPort": low, "toPort": high})}
        return {**item, **({"referencedGroupInfo": {"groupId": source, "userId": ACCOUNT}} if kind == "group" else {kind: source})}

    def open(self):
        group = self.one(self.groups)
        if not group:
            return
        egress, rules = self.chance.random() < 0.2, []
        for _ in range(self.chance.choice([1, 1, 2, 3])):
            rule, permission = self.id("sgr"), self.permission()
            if self.alike(group, egress, permission):
                continue
            self.rules[rule] = (group, egress, permission, True)
            rules.append(self.listed(group, rule, permission, egress))
        if rules:
            self.call(f"AuthorizeSecurityGroup{'Egress' if egress else 'Ingress'}", {"groupId": group, "ipPermissions": {}},
                      {"_return": True, "securityGroupRuleSet": {"items": rules}})

    def alike(self, group, egress, permission):
        """EC2 refuses a second rule that admits the same. TCP without ports is TCP to all ports."""
        def meant(permission):
            protocol, low, high, kind, source = permission
            return (protocol, 0, 65535, kind, source) if (protocol, low) == ("tcp", None) else permission

        return any(known[:2] == (group, egress) and meant(known[2]) == meant(permission) for known in self.rules.values())

    def asked(self, permission):
        """The form of requests, nested, or flat where that can say it."""
        protocol, low, high, kind, source = permission
        ports = {} if low is None else {"fromPort": low, "toPort": high}
        if kind in ("cidrIpv4", "group") and self.chance.random() < 0.3:
            return {"ipProtocol": protocol, **ports, **({"cidrIp": source} if kind == "cidrIpv4" else {"sourceSecurityGroupId": source})}
        part = {"cidrIpv4": ("ipRanges", "cidrIp"), "cidrIpv6": ("ipv6Ranges", "cidrIpv6"), "prefixListId": ("prefixListIds", "prefixListId"),
                "group": ("groups", "groupId")}[kind]
        return {"ipPermissions": {"items": [{"ipProtocol": protocol, **ports, part[0]: {"items": [{part[1]: source}]}}]}}

    def open_old(self):
        """As records were before rules had ids."""
        group, permission = self.one(self.groups), self.permission()
        if not group or self.alike(group, False, permission):
            return
        self.rules[self.id("old")] = (group, False, permission, False)
        self.call("AuthorizeSecurityGroupIngress", {"groupId": group, **self.asked(permission)}, {"_return": True})

    def modify_twice(self):
        """In one second."""
        rule, before = self.one(rule for rule, known in self.rules.items() if known[3]), len(self.records)
        if rule:
            self.modify(rule)
            self.is_still = len(self.records) > before
            self.modify(rule)
            self.is_still = False

    def modify(self, rule=None):
        rules = [rule] if rule else sorted(rule for rule, known in self.rules.items() if known[3])
        if not rule and self.chance.random() < 0.15 and self.groups:
            # Older than the records.
            rule, group, egress, permission = self.id("sgr"), self.one(self.groups), False, self.permission()
        elif rules:
            rule = self.chance.choice(rules)
            group, egress, permission, _ = self.rules[rule]
        else:
            return
        protocol, low, high, kind, source = permission
        new_protocol, new_low, new_high, new_kind, new_source = self.permission()
        what, new = self.chance.choice(["traffic", "source", "both", "description"]), {"Description": "x"}
        if what in ("traffic", "both"):
            protocol, low, high = new_protocol, new_low, new_high
            new |= {"IpProtocol": protocol, **({} if low is None else {"FromPort": low, "ToPort": high})}
        if what in ("source", "both"):
            kind, source = new_kind, new_source
            key = {"cidrIpv4": "CidrIpv4", "cidrIpv6": "CidrIpv6", "prefixListId": "PrefixListId", "group": "ReferencedGroupId"}[kind]
            new[key] = source
        changed = (protocol, low, high, kind, source)
        if self.alike(group, egress, changed):
            return
        if rule in self.rules:
            self.rules[rule] = (group, egress, changed, True)
        item = {"SecurityGroupRuleId": rule, "SecurityGroupRule": new}
        items = item if self.chance.random() < 0.5 else [item]
        self.call("ModifySecurityGroupRules", {"ModifySecurityGroupRulesRequest": {"GroupId": group, "SecurityGroupRule": items}},
                  {"ModifySecurityGroupRulesResponse": {"return": True}})

    def close(self):
        rule = self.one(rule for rule, known in self.rules.items() if known[3])
        if not rule:
            return
        group, egress, permission, _ = self.rules.pop(rule)
        answer = {"_return": True}
        if self.chance.random() < 0.5:
            answer["revokedSecurityGroupRuleSet"] = {"items": [self.listed(group, rule, permission, egress)]}
        self.call(f"RevokeSecurityGroup{'Egress' if egress else 'Ingress'}",
                  {"groupId": group, "securityGroupRuleIds": {"items": [{"securityGroupRuleId": rule}]}}, answer)

    def close_like(self):
        """By what the rule admits."""
        rule = self.one(rule for rule, known in self.rules.items() if not known[1])
        if not rule:
            return
        group, _, permission, _ = self.rules.pop(rule)
        self.call("RevokeSecurityGroupIngress", {"groupId": group, **self.asked(permission)}, {"_return": True})

    def close_unknown(self):
        """A rule that is older than the records."""
        group, permission = self.one(self.groups), self.permission()
        if not group or self.alike(group, False, permission):
            return
        rule, kind = self.id("sgr"), self.chance.randrange(3)
        request = {"groupId": group, "securityGroupRuleIds": {"items": [{"securityGroupRuleId": rule}]}}
        if kind == 0:
            request = {"groupId": group, **self.asked(permission)}
        answer = {"_return": True}
        if kind == 1:
            answer["revokedSecurityGroupRuleSet"] = {"items": [self.listed(group, rule, permission, False)]}
        self.call("RevokeSecurityGroupIngress", request, answer)

    def delete_group(self):
        group = self.one(self.groups)
        if group:
            del self.groups[group]
            self.rules = {rule: known for rule, known in self.rules.items() if known[0] != group}
            self.call("DeleteSecurityGroup", {"groupId": group}, {"_return": True})

    def some_groups(self):
        groups = [group for group in sorted(self.groups) if self.chance.random() < 0.5]
        return {"items": [{"groupId": group} for group in groups or sorted(self.groups)[:1]]}

    def create_interface(self):
        interface = self.id("eni")
        self.interfaces[interface] = None
        # An interface without a record of its creation is older than the records.
        if self.chance.random() < 0.8:
            groups = self.some_groups() if self.chance.random() < 0.9 else {}
            self.call("CreateNetworkInterface", {"subnetId": "subnet-1"}, {"networkInterface": {
                "networkInterfaceId": interface, "privateIpAddress": "10.0.0.1", "groupSet": groups}})

    def launch(self):
        instance, items = self.id("i"), []
        free = [known for known, at in sorted(self.interfaces.items()) if at is None]
        for device in range(self.chance.choice([1, 1, 2])):
            interface = free.pop() if free and self.chance.random() < 0.4 else self.id("eni")
            attachment = self.id("eni-attach")
            self.interfaces[interface] = (instance, attachment)
            items.append({"networkInterfaceId": interface, "groupSet": self.some_groups(),
                          "attachment": {"attachmentId": attachment, "deviceIndex": device}})
        tags = [{"key": "team", "value": "a"}] + [{"key": "Name", "value": f"name-{instance}"}] * self.chance.randrange(2)
        self.instances[instance] = True
        self.call("RunInstances", {"instancesSet": {}}, {"instancesSet": {"items": [
            {"instanceId": instance, "tagSet": {"items": tags}, "networkInterfaceSet": {"items": items}}]}})

    def attach(self):
        interface, instance = self.one(known for known, at in self.interfaces.items() if at is None), self.one(self.instances)
        if interface and instance:
            attachment = self.id("eni-attach")
            self.interfaces[interface] = (instance, attachment)
            self.call("AttachNetworkInterface", {"networkInterfaceId": interface, "instanceId": instance, "deviceIndex": 5},
                      {"attachmentId": attachment})

    def detach(self):
        interface = self.one(known for known, at in self.interfaces.items() if at)
        if interface:
            attachment = self.interfaces[interface][1]
            self.interfaces[interface] = None
            self.call("DetachNetworkInterface", {"attachmentId": attachment}, {"_return": True})

    def set_groups(self):
        interface = self.one(self.interfaces)
        if interface and self.groups:
            self.call("ModifyNetworkInterfaceAttribute", {"networkInterfaceId": interface, "groupSet": self.some_groups()}, {"_return": True})
            self.call("ModifyNetworkInterfaceAttribute", {"networkInterfaceId": interface, "sourceDestCheck": {"value": False}},
                      {"_return": True})

    def set_groups_twice(self):
        """In one second, or three times, by the interface or by its instance."""
        interface = self.one(self.interfaces)
        if not interface or not self.groups:
            return
        at = self.interfaces[interface]
        for _ in range(self.chance.choice([2, 2, 3])):
            target = {"networkInterfaceId": interface}
            if at and self.chance.random() < 0.4:
                target = {"instanceId": at[0]}
            name = "ModifyInstanceAttribute" if "instanceId" in target else "ModifyNetworkInterfaceAttribute"
            self.call(name, {**target, "groupSet": self.some_groups()}, {"_return": True})
            self.is_still = True
        self.is_still = False

    def set_instance(self):
        instance = self.one(self.instances)
        if instance and self.groups:
            self.call("ModifyInstanceAttribute", {"instanceId": instance, "groupSet": self.some_groups()}, {"_return": True})

    def terminate(self):
        instance = self.one(self.instances)
        if instance:
            del self.instances[instance]
            self.interfaces = {known: None if at and at[0] == instance else at for known, at in self.interfaces.items()}
            self.call("TerminateInstances", {"instancesSet": {"items": [{"instanceId": instance}]}},
                      {"instancesSet": {"items": [{"instanceId": instance}]}})

    def delete_interface(self):
        interface = self.one(known for known, at in self.interfaces.items() if at is None)
        if interface:
            del self.interfaces[interface]
            self.call("DeleteNetworkInterface", {"networkInterfaceId": interface}, {"_return": True})

    def tag(self):
        instance = self.one(self.instances)
        if instance:
            value = {} if (name := self.chance.choice(["CreateTags", "CreateTags", "DeleteTags"])) == "DeleteTags" else {
                "value": self.chance.choice(["web", "db", ""])}
            self.call(name, {"resourcesSet": {"items": [{"resourceId": instance}]}, "tagSet": {"items": [{"key": "Name", **value}]}},
                      {"_return": True})

    def fail(self):
        group = self.one(self.groups)
        self.call("DeleteSecurityGroup", {"groupId": group or "sg-none"}, None, errorCode="Client.DependencyViolation", errorMessage="no")

    def flows(self, interface):
        at, begin = int(DAY.timestamp()), 0
        for _ in range(self.chance.randrange(1, 12)):
            begin += self.chance.choice([30, 60, 600, 720, 721, 3000])
            length = self.chance.choice([0, 30, 60, 600, 1500])
            status = self.chance.choice(["OK", "OK", "NODATA", "SKIPDATA"])
            start, end = at + begin, at + begin + length
            if status != "OK":
                yield f"2 {ACCOUNT} {interface} - - - - - - - {start} {end} - {status} - -"
                continue
            action, way = self.chance.choice(["ACCEPT", "ACCEPT", "REJECT"]), self.chance.choice(["ingress", "egress", "-"])
            protocol, flags = self.chance.choice([(6, "2"), (6, "18"), (6, "3"), (6, "0"), (6, "-"), (17, "0")])
            yield (f"2 {ACCOUNT} {interface} 198.51.100.{self.chance.randrange(4)} 10.9.9.9 {self.chance.randrange(1024, 1030)} "
                   f"{self.chance.choice([22, 443])} {protocol} 3 840 {start} {end} {action} OK {flags} {way}")

    def flow_lines(self, fields):
        """The lines without the fields at the end that the format lacks."""
        return [" ".join(line.split()[:len(fields.split())]) for line in self.lines]

    def write(self, folder, fields):
        folder.mkdir()
        half = len(self.records) // 2
        for n, part in enumerate([self.records[half:], self.records[:half], self.records[-1:]]):
            (folder / f"{n}.json.gz").write_bytes(gzip.compress(json.dumps({"Records": part}).encode(), mtime=0))
        (folder / "flows.log").write_text("\n".join([fields, *self.flow_lines(fields), ""]))

    def load(self, second, fields):
        """The tables that --ddl would make over the files."""
        issuer = "STRUCT(\"type\" VARCHAR, principalid VARCHAR, arn VARCHAR, accountid VARCHAR, username VARCHAR)"
        session = f"STRUCT(attributes STRUCT(mfaauthenticated VARCHAR, creationdate VARCHAR), sessionissuer {issuer})"
        identity = ("STRUCT(\"type\" VARCHAR, principalid VARCHAR, arn VARCHAR, accountid VARCHAR, invokedby VARCHAR, accesskeyid VARCHAR,"
                    f" username VARCHAR, sessioncontext {session})")
        texts = ("eventtime eventsource eventname awsregion sourceipaddress useragent errorcode errormessage requestparameters"
                 " responseelements additionaleventdata eventid readonly eventtype recipientaccountid vpcendpointid day").split()
        second.execute(f"CREATE TABLE cloudtrail (useridentity {identity}, {', '.join(f'{name} VARCHAR' for name in texts)})")
        # Some records come twice, on one day or before and after midnight.
        delivered = [("2026/11/20", self.records), ("2026/11/20", self.records[::3]), ("2026/11/21", self.records[1::2])]
        for day, record in [(day, record) for day, records in delivered for record in records]:
            lower = {key.lower(): value for key, value in record.items()}
            who = {key.lower(): value for key, value in record["userIdentity"].items()}
            marks = ", ".join("?" for _ in texts)
            values = [text_of(lower.get(name)) for name in texts[:-1]]
            second.execute(f"INSERT INTO cloudtrail SELECT CAST(CAST(? AS JSON) AS {identity}), {marks}",
                           [json.dumps({**dict.fromkeys(["principalid", "invokedby", "accesskeyid", "sessioncontext"]), **who}), *values,
                            day])
        numbers = {"version", "srcport", "dstport", "protocol", "tcp-flags", "packets", "bytes", "start", "end"}
        columns = ", ".join(f'"{name.replace("-", "_")}" {"BIGINT" if name in numbers else "VARCHAR"}' for name in fields.split())
        second.execute(f"CREATE TABLE vpc_flow_logs ({columns}, day VARCHAR)")
        # Hive reads what is no number in a column of numbers as NULL.
        rows = [[None if word == "-" and name in numbers else word for name, word in zip(fields.split(), line.split())] + ["2026/11/20"]
                for line in self.flow_lines(fields)]
        second.executemany(f"INSERT INTO vpc_flow_logs VALUES ({', '.join('?' for _ in rows[0])})", rows)


def text_of(value):
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main())
