"""`portcullis drill` on the emulator, with something in the place of CloudTrail and EventBridge: it sees the drill open its
group, waits as long as they take, and sends the event."""

import os
import subprocess
import threading
import uuid
from contextlib import contextmanager

from cloudtrail import record_of_authorize
from emulator import ACCOUNT, REGION

DELIVERY_SECONDS = 2.0
LONGEST_SECONDS = 60


def run(cli, url):
    """The drill of an operator who is the account's root."""
    return portcullis(cli, url, ["drill", "--yes", "--timeout", f"{LONGEST_SECONDS}s"])


def portcullis(cli, url, arguments):
    """A command of an operator who is the account's root."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "COLUMNS": "110",
        "NO_COLOR": "1",
    }
    limit = LONGEST_SECONDS + 60
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run([cli, *arguments], env=environment, timeout=limit, check=False, **output)


def groups(ec2):
    """The groups with a drill's tag."""
    filters = [{"Name": "tag:portcullis", "Values": ["drill"]}]
    return [group["GroupId"] for group in ec2.describe_security_groups(Filters=filters)["SecurityGroups"]]


@contextmanager
def delivery(stage):
    """While the block runs, the event of what a drill opens is delivered."""
    over = threading.Event()
    thread = threading.Thread(target=_deliver, args=(stage, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _deliver(stage, over):
    while not over.wait(0.05):
        for group in groups(stage.ec2):
            described = stage.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
            rules = [rule for rule in described["SecurityGroupRules"] if not rule["IsEgress"]]
            if rules:
                over.wait(DELIVERY_SECONDS)
                stage.stack.send(_record(group, rules))
                return


def _record(group, rules):
    request = {"GroupId": group, "IpPermissions": [_permission(rule) for rule in rules]}
    response = {"SecurityGroupRules": rules, "ResponseMetadata": {"RequestId": str(uuid.uuid4())}}
    return record_of_authorize(f"arn:aws:iam::{ACCOUNT}:root", request, response, REGION)


def _permission(rule):
    return {
        "IpProtocol": rule["IpProtocol"],
        "FromPort": rule["FromPort"],
        "ToPort": rule["ToPort"],
        "IpRanges": [{"CidrIp": rule["CidrIpv4"]}],
    }
