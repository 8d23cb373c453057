"""Portcullis end to end on this machine: the real template and the real function, on an AWS emulator.

Every claim that it prints it has first checked against the emulator's EC2 itself. Exit status: 0 if all of them hold, 1 if not.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

import dashboard
import drill
import openings
from cloudtrail import event_of, record_of_authorize
from console import headline, paint, say, show_finding, show_rules, step
from doctor import ask_the_doctor
from emulator import ACCOUNT, REGION, Emulator
from stack import Stack, create_member, member_template, package, packaged_template

ROOT = Path(__file__).resolve().parents[2]
WORK_DIR = ROOT / ".demo"
MEMBERS = ["444455556666", "777788889999"]
REGIONS = [REGION, "us-east-2"]
MEMBER_ROLE = "portcullis"
EXTERNAL_ID = "gate-7f3a"
VERBOSE = os.environ.get("VERBOSE") == "1"  # shows findings as the log has them, too


def main():
    programs = arguments()
    for program in (programs.bootstrap, programs.cli):
        if not program.is_file():
            sys.exit(f"demo: no program at {program}; `make demo` builds it")
    WORK_DIR.mkdir(exist_ok=True)
    # However the demo ends, it stops the processes that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        tell_the_story(programs)
    except KeyboardInterrupt:
        sys.exit(130)
    except (Unexpected, RuntimeError, BotoCoreError, ClientError) as error:
        print(file=sys.stderr)
        sys.exit(f"{paint('red', 'demo failed')}: {error}\n{emulator_errors(WORK_DIR / 'ministack.log')}")
    say()
    say(f"All of it checked against the emulator's EC2, in {time.monotonic() - started:.0f} s; everything is stopped again.", 0)
    what_next(programs.cli)


def what_next(cli):
    headline("What next")
    for command, what in [
        (f"{cli} check events/ssh-open.json", "what a recorded call would have opened"),
        ("make install", "the command line, into ~/.local/bin"),
        ("portcullis sweep", "what is open in your account now; it changes nothing"),
        ("make deploy", "the function in your account, in alert mode"),
        ("portcullis doctor", "whether it works there"),
    ]:
        say(f"{command:<54} {paint('dim', what)}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", type=Path, required=True, help="the program portcullis-lambda, as built")
    parser.add_argument("--cli", type=Path, required=True, help="the program portcullis, as built")
    parser.add_argument("--picture", type=Path, help="where to draw the dashboard, with what the demo has measured")
    return parser.parse_args()


def tell_the_story(programs):
    headline("The stage: template.yaml and portcullis-lambda, on an AWS emulator on this machine")
    emulator = Emulator(WORK_DIR)
    try:
        with step("starting the emulator"):
            emulator.start()
        stage = set_the_stage(emulator, programs.bootstrap)
        headline("Act 1: alert mode, as deployed by default")
        act_in_alert_mode(stage)
        headline("Act 2: enforce")
        group, act = act_in_enforce_mode(stage)
        headline("Act 3: an undo, and an opening that ends by itself")
        opening = act_on_call(stage, emulator, programs.cli, group, act)
        headline("Act 4: a drill, from the operator's command line, while it is open")
        act_as_an_operator(stage, emulator, programs.cli)
        see_the_end(stage, opening)
        headline("Act 5: a hub and two member accounts, in two Regions")
        act_as_a_hub(stage, emulator)
        headline("Act 6: does all of it work? Ask the doctor")
        ask_the_doctor(stage, emulator, programs.cli, MEMBERS, REGIONS)
        if programs.picture is not None:
            dashboard.draw(stage.stack, programs.picture)
    finally:
        emulator.stop()


class Stage:
    """Who and what is on it: the stack, the administrator, and Alice, who may open security groups."""

    def __init__(self, emulator):
        self.admin = emulator.session()
        self.ec2 = self.admin.client("ec2")
        self.stack = Stack(self.admin)
        self.alice_arn, self.alice = create_user(self.admin.client("iam"), "alice", emulator)


def create_user(iam, name, emulator):
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    may_open_groups = {"Effect": "Allow", "Action": "ec2:AuthorizeSecurityGroupIngress", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may_open_groups]})
    iam.put_user_policy(UserName=name, PolicyName="open-groups", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return arn, emulator.session(key["AccessKeyId"], key["SecretAccessKey"])


def set_the_stage(emulator, bootstrap):
    stage = Stage(emulator)
    with step(f"packing {bootstrap.name}"):
        code = package(bootstrap)
    with step("deploying template.yaml through CloudFormation, with Mode=alert"):
        template = (ROOT / "template.yaml").read_text(encoding="utf-8")
        stage.stack.create(packaged_template(template, stage.admin, code))
    stage.stack.add_demo_rule()
    stage.inbox = stage.stack.subscribe_queue()
    expect("Mode of the deployed stack", "alert", stage.stack.outputs()["Mode"])
    say("The function works under the IAM role that the template gives it.")
    return stage


def act_in_alert_mode(stage):
    expect("that the function's role may revoke", False, may_revoke(stage))
    say("The function's role does not let it revoke anything.")
    group, before = open_ssh_and_https(stage, "web-1")
    finding = let_the_event_through(stage, group)
    expect("verdict", "exposed", finding["verdict"])
    expect("outcome", "would_revert", finding["outcome"])
    after = ingress_rules(stage.ec2, group)
    expect(f"rules of {group} after an alert", ids(before), ids(after))
    show_rules(f"The rules after: {paint('yellow', 'untouched')}", after)


def act_in_enforce_mode(stage):
    with step("updating the stack to Mode=enforce and Openings=yes"):
        stage.stack.update(Mode="enforce", Openings="yes")
    expect("that the function's role may revoke", True, may_revoke(stage))
    say("The function's role lets it revoke ingress rules now.")
    group, before = open_ssh_and_https(stage, "web-2", shows_rules=False)
    finding = let_the_event_through(stage, group)
    expect("verdict", "exposed", finding["verdict"])
    expect("outcome", "reverted", finding["outcome"])
    after = ingress_rules(stage.ec2, group)
    https = [rule for rule in before if rule["FromPort"] == 443]
    expect(f"rules of {group} after the revert (HTTPS alone)", ids(https), ids(after))
    show_rules(f"The rules after: {paint('green', 'SSH gone, HTTPS kept')}", after)
    return group, finding["act"]


def act_on_call(stage, emulator, cli, group, act):
    """Opens a port for some seconds, and undoes an act meanwhile. Answers what sees the end."""
    say(f"Somebody needs PostgreSQL from one address, and for {openings.OPEN_SECONDS} s. The function may open nothing.")
    say("An operator may, and nobody must remember to close it:")
    ran = openings.open_for_a_while(cli, emulator.url, stage, group)
    expect(f"status of the opening: {ran.stdout}", 0, ran.returncode)
    opened = time.monotonic()
    for line in ran.stdout.splitlines():
        say(line, 4)

    def is_open():
        return any(rule["FromPort"] == 5432 for rule in ingress_rules(stage.ec2, group))

    expect("that PostgreSQL is open", True, is_open())
    say("And SSH, which the function has just closed, for an hour after all:")
    ran = openings.undo(cli, emulator.url, stage, act)
    expect(f"status of the undo of {act}: {ran.stdout}", 0, ran.returncode)
    for line in ran.stdout.splitlines()[:4]:
        say(line, 4)
    return group, opened, is_open


def see_the_end(stage, opening):
    group, opened, is_open = opening
    with step("the end of act 3's opening: EventBridge Scheduler → portcullis-lambda"):
        finding = openings.wait_for_the_end(stage, is_open)
    took = time.monotonic() - opened
    expect("outcome of the end", "reverted", finding["outcome"])
    left = [rule["FromPort"] for rule in ingress_rules(stage.ec2, group)]
    expect(f"ports open in {group} after the end", [22, 443], left)
    say(paint("bold", f"Opened for {openings.OPEN_SECONDS} s, and closed by itself {took:.1f} s later."))


def act_as_a_hub(stage, emulator):
    with step("deploying member.yaml in both Regions of both members, and telling the hub of them"):
        template = (ROOT / "member.yaml").read_text(encoding="utf-8")
        sessions = [emulator.session(account, region=region) for account in MEMBERS for region in REGIONS]
        for done in [join(stage, session, template) for session in sessions]:
            done()
        stage.stack.update(
            Accounts=",".join([ACCOUNT, *MEMBERS]),
            MemberRole=MEMBER_ROLE,
            ExternalId=EXTERNAL_ID,
            Regions=",".join(REGIONS),
        )
    for account in MEMBERS:
        expect(f"that the hub's administrator may assume the role in {account}", False, may_assume(stage, account))
    say("Bob opens SSH and HTTPS to the world in each; the events are handed to the hub's function:")
    groups = [open_and_close(stage, session) for session in sessions]
    session, group = sessions[-1], groups[-1]
    request = {"GroupId": group, "IpPermissions": [open_to_the_world(3389)]}
    session.client("ec2").authorize_security_group_ingress(**request)
    say(f"Someone opens RDP in {group}, and no event tells of it. A sweep, by hand:")
    order = {"sweep": {"accounts": [session.account], "regions": [session.region]}}
    with step("sweep"):
        findings = stage.stack.invoke(order)["findings"]
    summary = findings.pop()
    expect("groups that the sweep found open", [group], [finding["group"] for finding in findings])
    expect("outcome of a sweep that only tells", "would_revert", findings[0]["outcome"])
    expect("failures of the sweep", 0, summary["sweep"]["failed"])
    after = ingress_rules(session.client("ec2"), group)
    expect(f"ports open in {group} after the sweep", [443, 3389], [rule["FromPort"] for rule in after])
    show_finding(findings[0])


def act_as_an_operator(stage, emulator, cli):
    say(f"CloudTrail and EventBridge are stood in for: the event comes {drill.DELIVERY_SECONDS} s after the call.")
    with drill.delivery(stage):
        ran = drill.run(cli, emulator.url)
    for line in ran.stdout.splitlines():
        say(line, 4)
    say("The emulator stamps all log lines of an invocation alike, so the function's own share is not known here.")
    expect("status of the drill", 0, ran.returncode)
    expect("groups that the drill left", [], drill.groups(stage.ec2))


def join(stage, session, template):
    hub_role_arn = stage.stack.outputs()["FunctionRoleArn"]
    return create_member(
        session,
        member_template(template, session.account, session.region, hub_role_arn),
        Mode="enforce",
        HubAccount=ACCOUNT,
        HubRegion=REGION,
        HubRoleArn=hub_role_arn,
        RoleName=MEMBER_ROLE,
        ExternalId=EXTERNAL_ID,
    )


def may_assume(stage, account):
    arn = f"arn:aws:iam::{account}:role/{MEMBER_ROLE}"
    try:
        stage.admin.client("sts").assume_role(RoleArn=arn, RoleSessionName="administrator", ExternalId=EXTERNAL_ID)
    except ClientError as error:
        expect(f"the answer to who may not assume {arn}", "AccessDenied", error.response["Error"]["Code"])
        return False
    return True


def open_and_close(stage, session):
    """SSH and HTTPS are opened in a member's Region; the hub takes SSH back. Answers the group."""
    ec2 = session.client("ec2")
    group = ec2.create_security_group(GroupName="web", Description="a member's web servers")["GroupId"]
    request = {"GroupId": group, "IpPermissions": [open_to_the_world(22), open_to_the_world(443)]}
    response = ec2.authorize_security_group_ingress(**request)
    before = ingress_rules(ec2, group)
    expect(f"ports open in {group} before", [22, 443], [rule["FromPort"] for rule in before])
    record = record_of_authorize(f"arn:aws:iam::{session.account}:user/bob", request, response, session.region)
    (finding,) = stage.stack.invoke(event_of(record))["findings"]
    seen = [finding[key] for key in ("account", "region", "group", "outcome")]
    expect("place and outcome of the finding", [session.account, session.region, group, "reverted"], seen)
    expect(f"rules of {group} after the revert (HTTPS alone)", ids(before[1:]), ids(ingress_rules(ec2, group)))
    say(f"{session.account} {session.region:<9} {group}  {paint('green', 'SSH gone, HTTPS kept')}", 4)
    return group


def may_revoke(stage):
    answer = stage.admin.client("iam").simulate_principal_policy(
        PolicySourceArn=stage.stack.outputs()["FunctionRoleArn"],
        ActionNames=["ec2:RevokeSecurityGroupIngress"],
        ResourceArns=[f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0123456789abcdef0"],
    )
    return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"


def open_ssh_and_https(stage, name, shows_rules=True):
    """Alice opens SSH and HTTPS to the world in a new group; answers the call, with its group id, and its rules."""
    group = stage.ec2.create_security_group(GroupName=name, Description="the demo's web servers")["GroupId"]
    request = {"GroupId": group, "IpPermissions": [open_to_the_world(22), open_to_the_world(443)]}
    response = stage.alice.client("ec2").authorize_security_group_ingress(**request)
    stage.record = record_of_authorize(stage.alice_arn, request, response, REGION)
    rules = ingress_rules(stage.ec2, group)
    expect(f"ports open in {group} before", [22, 443], sorted(rule["FromPort"] for rule in rules))
    say(f"Alice opens SSH and HTTPS to the world, in one call, in {name} ({group}).")
    if shows_rules:
        show_rules("The rules before:", rules)
    return group, rules


def open_to_the_world(port):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def let_the_event_through(stage, group):
    event_id = stage.record["eventID"]
    started = time.monotonic()
    with step("CloudTrail's event of that call → EventBridge → portcullis-lambda → its log"):
        stage.stack.send(stage.record)
        line = stage.stack.finding(event_id)
    finding = json.loads(line)
    took = time.monotonic() - started
    expect("group of the finding", group, finding["group"])
    expect("account of the finding", ACCOUNT, finding["account"])
    subject = stage.stack.subject_of(stage.inbox, event_id)
    expect("the finding came through the SNS topic too", True, subject is not None)
    if finding["outcome"] == "reverted":
        say(paint("bold", f"Closed {took:.1f} s after the event."))
    say("The subject of the mail that the team gets:")
    say(paint("bold", subject), 4)
    say("The finding, in the mail, in chat and in the log:")
    show_finding(finding)
    if VERBOSE:
        say(paint("dim", line), 4)
    return finding


def ingress_rules(ec2, group):
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )
    rules = [rule for page in pages for rule in page["SecurityGroupRules"] if not rule["IsEgress"]]
    return sorted(rules, key=lambda rule: rule["FromPort"])


def ids(rules):
    return [rule["SecurityGroupRuleId"] for rule in rules]


def emulator_errors(log):
    """The errors in the emulator's log, such as a function that ended in its init phase, and where to read on."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return "\n".join([line for line in lines if " ERROR " in line] + [f"The emulator's log: {log}"])


class Unexpected(Exception):
    """A claim of the story that did not hold."""


def expect(what, expected, seen):
    if seen != expected:
        raise Unexpected(f"{what}: expected {expected}, saw {seen}")


if __name__ == "__main__":
    main()
