"""The demo's last act: what a deployment needs beside the stack, and `portcullis doctor`, before and after a fault."""

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from console import paint, say, step
from emulator import ACCOUNT, REGION
from stack import STACK, as_parameters

ROOT = Path(__file__).resolve().parents[2]
IAM_REGION = "us-east-1"
ROLE = "audit"
LOGS = "portcullis-demo-trail"


def ask_the_doctor(stage, emulator, program, members, regions):
    with step("what the doctor asks for: a trail, IAM's events, a role to look at the members, a sweep of everything"):
        create_trail(stage.admin)
        forward_iams_events(stage, emulator)
        for account in members:
            let_look(emulator.session(account))
        sweep(stage, members, regions)
    ask = f"portcullis doctor --role {ROLE}"
    said, status = run(emulator, program)
    say(f"$ {ask}")
    show(said)
    if status != 0:
        raise RuntimeError(f"the doctor ended with status {status} on a whole stack:\n{said}")
    rule = stage.stack.physical_ids()["Rule"]
    events = stage.admin.client("events")
    events.disable_rule(Name=rule)
    say(f"Somebody disables the rule {rule}, and asks again:")
    said, status = run(emulator, program)
    show(said, last=True)
    wanted = f"aws events enable-rule --region {REGION} --name {rule}"
    if status != 1 or wanted not in said:
        raise RuntimeError(f"the doctor did not name the disabled rule (status {status}):\n{said}")
    events.enable_rule(Name=rule)
    if run(emulator, program)[1] != 0:
        raise RuntimeError("the doctor still complains after the rule was enabled")
    say(f"That command enables it, and the doctor says: {paint('green', 'all right')}.")


def create_trail(session):
    """An organisation's trail of all Regions, as `portcullis trail create --organization` makes it."""
    s3 = session.client("s3")
    s3.create_bucket(Bucket=LOGS, CreateBucketConfiguration={"LocationConstraint": REGION})
    cloudtrail = session.client("cloudtrail")
    cloudtrail.create_trail(Name="all", S3BucketName=LOGS, IsMultiRegionTrail=True, IsOrganizationTrail=True)
    cloudtrail.start_logging(Name="all")


def forward_iams_events(stage, emulator):
    cloudformation = emulator.session(region=IAM_REGION).client("cloudformation")
    name = f"{STACK}-tamper-us-east-1"
    role = stage.stack.outputs()["FunctionRoleArn"].rsplit("/", 1)[-1]
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(ROOT / "tamper-us-east-1.yaml").read_text(encoding="utf-8"),
        Parameters=as_parameters({"HubStack": STACK, "HubRegion": REGION, "FunctionRoleName": role}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    wait = {"Delay": 1, "MaxAttempts": 30}
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=wait)


def let_look(session):
    """A role in a member that the hub's account may assume, with what policies/doctor-member.json allows."""
    iam = session.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=document)
    allowed = (ROOT / "policies" / "doctor-member.json").read_text(encoding="utf-8")
    iam.put_role_policy(RoleName=ROLE, PolicyName="look", PolicyDocument=allowed)


def sweep(stage, members, regions):
    """What the schedule starts once an hour."""
    places = [(account, region) for account in members for region in regions]
    for account, region in places:
        stage.stack.invoke({"sweep": {"accounts": [account], "regions": [region]}})
    # CloudWatch makes this metric of the function's log; the emulator does not.
    metric = {"MetricName": "Swept", "Value": len(places), "Timestamp": datetime.now(timezone.utc), "Unit": "Count"}
    stage.admin.client("cloudwatch").put_metric_data(Namespace="Portcullis", MetricData=[metric])


def run(emulator, program):
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "COLUMNS": "110",
    }
    ran = subprocess.run([program, "doctor", "--role", ROLE], env=environment, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr, ran.returncode


def show(said, last=False):
    """What the doctor said, without the lines between the rows; of a second answer only what is wrong."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip("─═ ")]
    if last:
        wrong = [number for number, line in enumerate(lines) if " wrong " in line]
        lines = lines[wrong[0]:] if wrong else lines
    for line in lines:
        say(line, 4)
