"""A small made world, and five hunts that tell its story: someone opens SSH, scanners come, the gate drops.

Usage: hunt.py PROGRAM [FOLDER]. It writes the logs, as CloudTrail and VPC would, into FOLDER (.demo/hunt), then asks. Nothing
of it is real: accounts, addresses and names are those that documentation uses.
"""

import gzip
import json
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

ACCOUNT, REGION, DAY = "111122223333", "eu-west-1", datetime(2026, 11, 20, tzinfo=timezone.utc)
WEB, WEB_ADDRESS, GROUP = "eni-0a1b2c3d4e5f60001", "10.0.1.10", "sg-0a1b2c3d4e5f60001"
SSH, HTTPS, OFFICE = "sgr-0a1b2c3d4e5f60001", "sgr-0a1b2c3d4e5f60002", "sgr-0a1b2c3d4e5f60003"
OPENED, CLOSED = 10 * 60 + 2, 10 * 60 + 40


def main():
    program = sys.argv[1]
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else ".demo/hunt")
    write(folder)
    story = [
        ("dangerous-rules", [], "At 10:02 ann opens SSH to everybody. The guard's own judgement of the logs says so."),
        ("ssh-attempts", ["--where", "name=web"], "Scanners come: refused before, accepted while the rule is there."),
        ("exposure", [], "At 10:40 the gate drops: Portcullis revokes the rule. One connection goes on: revoking cuts none."),
        ("unused-rules", [], "The office's rule let nobody in, and the logs cover all the time that it was there: so that is an answer."),
        ("coverage", [], "What the answers rest on: no gap in the flow log, and all groups known."),
    ]
    for hunt, more, words in story:
        print(f"\n{words}\n$ portcullis hunt {' '.join([hunt, str(folder), *more])}", flush=True)
        run(program, hunt, folder, more)
        page = folder.parent / f"{hunt}.html"
        with page.open("w") as out:
            run(program, hunt, folder, [*more, "--format", "html"], stdout=out, stderr=subprocess.DEVNULL)
    print(f"\nThe same as pages, with pictures: {folder.parent}/*.html")
    return 0


def run(program, hunt, folder, more, **options):
    # 1 is what a hunt for something to act on ends with when it finds something.
    status = subprocess.run([program, hunt, str(folder), *more], **options).returncode
    if status not in (0, 1):
        sys.exit(status)


def at(minutes):
    return DAY + timedelta(minutes=minutes)


def record(minutes, name, request, answer, who="ann"):
    arn = f"arn:aws:iam::{ACCOUNT}:user/{who}"
    return {
        "eventVersion": "1.11", "eventTime": at(minutes).strftime("%Y-%m-%dT%H:%M:%SZ"), "eventName": name,
        "eventSource": "ec2.amazonaws.com", "awsRegion": REGION, "recipientAccountId": ACCOUNT, "readOnly": False,
        "eventID": f"{name}-{minutes}", "sourceIPAddress": "203.0.113.9", "userAgent": "aws-cli/2.31",
        "userIdentity": {"type": "IAMUser", "userName": who, "arn": arn, "accountId": ACCOUNT},
        "requestParameters": request, "responseElements": answer,
    }


def opened(minutes, rule, port, source, who="ann"):
    listed = {"groupId": GROUP, "securityGroupRuleId": rule, "isEgress": False, "ipProtocol": "tcp", "fromPort": port,
              "toPort": port, "cidrIpv4": source}
    answer = {"_return": True, "securityGroupRuleSet": {"items": [listed]}}
    return record(minutes, "AuthorizeSecurityGroupIngress", {"groupId": GROUP, "ipPermissions": {}}, answer, who)


def trail():
    interface = {"networkInterfaceId": WEB, "privateIpAddress": WEB_ADDRESS, "groupSet": {"items": [{"groupId": GROUP}]},
                 "attachment": {"attachmentId": "eni-attach-1", "deviceIndex": 0}}
    instance = {"instanceId": "i-0a1b2c3d4e5f60001", "tagSet": {"items": [{"key": "Name", "value": "web"}]},
                "networkInterfaceSet": {"items": [interface]}}
    revoke = {"groupId": GROUP, "securityGroupRuleIds": {"items": [{"securityGroupRuleId": SSH}]}}
    yield record(480, "CreateSecurityGroup", {"groupName": "web", "vpcId": "vpc-1"}, {"groupId": GROUP}, "deploy")
    yield opened(481, HTTPS, 443, "0.0.0.0/0", "deploy")
    yield opened(482, OFFICE, 8443, "192.0.2.0/24", "deploy")
    yield record(485, "RunInstances", {}, {"instancesSet": {"items": [instance]}}, "deploy")
    yield opened(OPENED, SSH, 22, "0.0.0.0/0")
    yield record(CLOSED, "RevokeSecurityGroupIngress", revoke, {"_return": True}, "portcullis")
    login = record(590, "ConsoleLogin", None, {"ConsoleLogin": "Success"})
    yield {**login, "eventSource": "signin.amazonaws.com", "additionalEventData": {"MFAUsed": "No"}}
    yield {**record(600, "RunInstances", {"instanceType": "p5.48xlarge"}, None), "errorCode": "Client.UnauthorizedOperation",
           "errorMessage": "You are not authorized to perform this operation."}
    yield record(601, "CreateKeyPair", {"keyName": "temp"}, {"keyName": "temp", "keyPairId": "key-1", "keyFingerprint": "ab:cd"})
    yield record(602, "CreateSecurityGroup", {"groupName": "temp", "vpcId": "vpc-1"}, {"groupId": "sg-0a1b2c3d4e5f60009"})
    yield record(780, "DescribeInstances", {}, None, "deploy")


FIELDS = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
          " tcp-flags flow-direction")


def flow(minute, source, source_port, port, flags=2, accepted=True, size=900):
    start = int(at(minute).timestamp()) + 5
    action = "ACCEPT" if accepted else "REJECT"
    return (f"2 {ACCOUNT} {WEB} {source} {WEB_ADDRESS} {source_port} {port} 6 12 {size} {start} {start + 50} {action} OK"
            f" {flags} ingress")


def flows():
    chance = random.Random(7)
    scanners = [f"198.51.100.{n}" for n in (17, 23, 64, 90, 131, 202)]
    for minute in range(485, 780):
        start = int(at(minute).timestamp())
        yield f"2 {ACCOUNT} {WEB} - - - - - - - {start} {start + 60} - NODATA - -"
        if chance.random() < 0.5:
            yield flow(minute, f"203.0.113.{chance.randrange(1, 200)}", chance.randrange(30000, 60000), 443, 3, True, 4200)
        if chance.random() < 0.3:
            is_open = OPENED <= minute < CLOSED
            yield flow(minute, chance.choice(scanners), chance.randrange(30000, 60000), 22, 3 if is_open else 2, is_open)
    # One of them stays.
    yield flow(OPENED + 9, "198.51.100.23", 51515, 22, 2, True, 5200)
    for minute in range(OPENED + 10, 730):
        yield flow(minute, "198.51.100.23", 51515, 22, 0, True, 48000)


def write(folder):
    day = folder / "AWSLogs" / ACCOUNT
    logs = {
        day / "CloudTrail" / REGION / "2026/11/20" / f"{ACCOUNT}_CloudTrail_{REGION}_20261120T1305Z_made.json.gz":
            json.dumps({"Records": list(trail())}),
        day / "vpcflowlogs" / REGION / "2026/11/20" / f"{ACCOUNT}_vpcflowlogs_{REGION}_fl-1_20261120T1305Z_made.log.gz":
            "\n".join([FIELDS, *flows(), ""]),
    }
    for path, text in logs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    sys.exit(main())
