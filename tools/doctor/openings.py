"""Faults of openings: as `portcullis open` leaves them in the memory, with a rule, and without what should end them."""

import json
import time
from datetime import datetime, timedelta, timezone

from stage import ACCOUNT, MEMORY, REGION, STACK

OPERATOR = f"arn:aws:iam::{ACCOUNT}:role/oncall"
SOURCE = "203.0.113.7/32"


def in_hours(hours):
    when = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=hours)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def put(stage, key, entries):
    """An item of the memory: an attribute for each entry, with the entry's JSON."""
    item = {name: {"S": json.dumps(entry)} for name, entry in entries.items()}
    table, dynamodb = memory(stage), stage.client("dynamodb")
    dynamodb.put_item(TableName=table, Item={"pk": {"S": key}} | item)
    return lambda: dynamodb.delete_item(TableName=table, Key={"pk": {"S": key}})


def memory(stage):
    configuration = stage.client("lambda").get_function_configuration(FunctionName=STACK)
    return configuration["Environment"]["Variables"].get("PORTCULLIS_MEMORY", MEMORY)


def listed(stage, place, group, waiver, until):
    opening = {"group": group, "until": until, "by": OPERATOR, "reason": "INC-1", "what": f"tcp 22 from {SOURCE}"}
    return put(stage, "openings#{}/{}".format(*place), {waiver: opening})


def forget_schedule(stage, waiver):
    """It is open for an hour still, and no schedule is there to end it."""
    return listed(stage, (ACCOUNT, REGION), "sg-0a1b2c3d4e5f60718", waiver, in_hours(1))


def leave_open(stage, client, place, waiver):
    """It was to end an hour ago, and its rule is there."""
    ec2, until = client("ec2"), in_hours(-1)
    group = ec2.create_security_group(GroupName=waiver, Description="opened for a while")["GroupId"]
    described = {"CidrIp": SOURCE, "Description": f"portcullis {waiver} until {until} INC-1"}
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [described]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    waived = {"kind": "open", "by": OPERATOR, "reason": "INC-1", "from": in_hours(-2), "until": until}
    waived |= {"guards": ["ssh"], "sources": [SOURCE], "rules": []}
    unlist = listed(stage, place, group, waiver, until)
    forget = put(stage, "{}/{}/{}".format(*place, group), {f"waiver#{waiver}": waived})

    def mend():
        ec2.delete_security_group(GroupId=group)
        forget()
        unlist()

    return mend


def delete_schedules(stage):
    scheduler = stage.client("scheduler")
    scheduler.delete_schedule_group(Name=STACK)
    return lambda: scheduler.create_schedule_group(Name=STACK)


def forget_role(stage, name):
    client = stage.client("lambda")
    variables = client.get_function_configuration(FunctionName=STACK)["Environment"]["Variables"]

    def write(values):
        client.update_function_configuration(FunctionName=STACK, Environment={"Variables": values})
        for waiter in ("function_updated_v2", "function_active_v2"):
            client.get_waiter(waiter).wait(FunctionName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    write({variable: value for variable, value in variables.items() if variable != name})
    return lambda: write(variables)


def refuse_the_end(stage, account, waiver):
    """The function writes that it could not end an opening, and later that it could."""
    write_end(stage, account, waiver, "failed", "AssumeRole: AccessDenied: not authorized")
    return lambda: write_end(stage, account, waiver, "reverted", "ended by a sweep")


def write_end(stage, account, waiver, outcome, reason):
    finding = {"schema": 1, "id": None, "time": "2026-11-26T09:00:00Z", "account": account, "region": REGION}
    finding |= {"group": "sg-0a1b2c3d4e5f60718", "call": "End", "actor": None, "source_ip": None, "user_agent": None}
    finding |= {"verdict": "exempt", "outcome": outcome, "mode": "alert", "exposures": [], "rules": [], "waiver": waiver}
    finding |= {"reason": reason}
    logs, group = stage.client("logs"), stage.outputs["LogGroupName"]
    stream = f"end-{time.time_ns()}"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    event = {"timestamp": time.time_ns() // 1_000_000, "message": json.dumps(finding)}
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])
