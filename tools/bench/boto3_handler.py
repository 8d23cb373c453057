"""The function's counterpart: the same remediation as a boto3 handler, written as one would for Lambda.

The client is made while the module loads, so that warm invocations find it. What counts is what EC2 shows now: a
guarded port open to 0.0.0.0/0 or ::/0. The rules go by id, in one call.
"""

import json

import boto3
from botocore.config import Config

GUARDED = {("tcp", 22), ("tcp", 3389), ("udp", 3389), ("tcp", 3306), ("tcp", 1433)}
ANYWHERE = {"0.0.0.0/0", "::/0"}
ALL_PROTOCOLS = "-1"

ec2 = boto3.client(
    "ec2",
    config=Config(connect_timeout=1.5, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}),
)


def handler(event, context):
    detail = event["detail"]
    if detail.get("errorCode") or detail["eventName"] != "AuthorizeSecurityGroupIngress":
        return told({"outcome": "none", "revoked": []})
    added = detail["responseElements"]["securityGroupRuleSet"]["items"]
    added_ids = {rule["securityGroupRuleId"] for rule in added}
    group = added[0]["groupId"]

    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )
    rules = [rule for page in pages for rule in page["SecurityGroupRules"]]
    exposing = [
        rule["SecurityGroupRuleId"]
        for rule in rules
        if rule["SecurityGroupRuleId"] in added_ids and not rule["IsEgress"] and is_exposing(rule)
    ]
    if not exposing:
        return told({"outcome": "none", "group": group, "revoked": []})

    answer = ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=exposing)
    revoked = [rule["SecurityGroupRuleId"] for rule in answer["RevokedSecurityGroupRules"]]
    outcome = "reverted" if set(exposing) <= set(revoked) else "failed"
    return told({"outcome": outcome, "group": group, "revoked": revoked})


def is_exposing(rule):
    if rule.get("CidrIpv4", rule.get("CidrIpv6")) not in ANYWHERE:
        return False
    if rule["IpProtocol"] == ALL_PROTOCOLS:
        return True
    return any(
        rule["IpProtocol"] == protocol and rule["FromPort"] <= port <= rule["ToPort"] for protocol, port in GUARDED
    )


def told(finding):
    print(json.dumps(finding), flush=True)
    return finding
