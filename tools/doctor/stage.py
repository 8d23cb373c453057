"""The stages: one account with all that its parameters turn on, and a hub with members, each whole."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in ("demo", "tamper"):
    sys.path.append(str(ROOT / "tools" / folder))

import importlib.util  # noqa: E402

import boto3  # noqa: E402

from emulator import ACCOUNT, REGION  # noqa: E402  the demo's
from stack import as_parameters, create_member, member_template, package, packaged_template, uploaded  # noqa: E402

STACK = "portcullis"
ELSEWHERE = "us-east-1"
POLICY = ("policies", "policy.yaml")
LOGS, EVIDENCE = "trail-logs", "evidence"
MEMORY = "portcullis-memory"
ROLE, EXTERNAL_ID = "audit", "look-7f3a"


class Wrong(Exception):
    """What does not hold."""


class Looked:
    """What the doctor said."""

    def __init__(self, ran):
        self.status, self.summary = ran.returncode, ran.stderr.strip()
        self.checks = [json.loads(line) for line in ran.stdout.splitlines()]
        self.bad = [check for check in self.checks if check["result"] != "right"]

    def told(self):
        return sorted((check["check"], check["result"], check.get("resource", "")) for check in self.bad)


class Stage:
    """An account with the stack, and a user who may look as policies/doctor.json says."""

    def __init__(self, emulator, program, bootstrap):
        self.emulator, self._program, self._bootstrap = emulator, program, bootstrap
        self.admin = emulator.session()
        self._clients = {}
        self._key = self._user()

    def client(self, service, region=REGION):
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = self.emulator.session(region=region).client(service)
        return self._clients[key]

    def _user(self):
        iam = self.client("iam")
        iam.create_user(UserName="doctor")
        iam.put_user_policy(UserName="doctor", PolicyName="look", PolicyDocument=filled("doctor.json"))
        # The emulator takes GetFunctionConcurrency for this, and asks for its permission. The doctor never calls it.
        mistaken = {"Effect": "Allow", "Action": "lambda:PutFunctionConcurrency", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [mistaken]})
        iam.put_user_policy(UserName="doctor", PolicyName="mistaken", PolicyDocument=document)
        key = iam.create_access_key(UserName="doctor")["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def deploy(self, template, **parameters):
        session = self.admin
        packaged = packaged_template(template, session, package(self._bootstrap))
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=STACK,
            TemplateURL=uploaded(packaged, session.client("s3")),
            Parameters=as_parameters(parameters),
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        wait = {"Delay": 1, "MaxAttempts": 60}
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig=wait)
        (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
        self.ids = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def subscribe(self):
        topic = self.outputs["TopicArn"]
        answer = self.client("sns").subscribe(
            TopicArn=topic, Protocol="email", Endpoint="on-call@example.com", ReturnSubscriptionArn=True
        )
        return answer["SubscriptionArn"]

    def create_trail(self, **more):
        self.client("s3").create_bucket(Bucket=LOGS, CreateBucketConfiguration={"LocationConstraint": REGION})
        cloudtrail = self.client("cloudtrail")
        cloudtrail.create_trail(Name="all", S3BucketName=LOGS, IsMultiRegionTrail=True, **more)
        cloudtrail.start_logging(Name="all")

    def tell_of_iam(self):
        """The stack in the Region in which IAM tells of its calls."""
        cloudformation = self.client("cloudformation", ELSEWHERE)
        name = f"{STACK}-tamper-us-east-1"
        values = {
            "HubStack": STACK,
            "HubRegion": REGION,
            "FunctionRoleName": self.outputs["FunctionRoleArn"].rsplit("/", 1)[-1],
        }
        template = (ROOT / "tamper-us-east-1.yaml").read_text(encoding="utf-8")
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=template,
            Parameters=as_parameters(values),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        wait = {"Delay": 1, "MaxAttempts": 60}
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=wait)

    def swept(self, hours_ago=0):
        """The emulator makes no metrics of the function's log."""
        when = datetime.now(timezone.utc) - timedelta(hours=hours_ago, minutes=1)
        metric = {"MetricName": "Swept", "Value": 1, "Timestamp": when, "Unit": "Count"}
        self.client("cloudwatch").put_metric_data(Namespace="Portcullis", MetricData=[metric])

    def look(self, *options):
        key, secret = self._key
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
        }
        command = [self._program, "doctor", "--format", "json", *options]
        return Looked(subprocess.run(command, env=environment, capture_output=True, text=True, check=False))

    def options(self):
        return ()

    def expect(self, told, when):
        """The one thing that is wrong, or nothing."""
        told = [tuple(text.format(**self.ids) for text in each) for each in told]
        looked = self.look(*self.options())
        if looked.told() != sorted(told):
            lines = "\n".join(f"  {json.dumps(check)}" for check in looked.bad)
            raise Wrong(f"{when}: expected {sorted(told)}, the doctor said ({looked.summary})\n{lines}")
        status = (2 if any("error" in check for check in looked.bad) else 1) if told else 0
        if looked.status != status:
            raise Wrong(f"{when}: expected status {status}, not {looked.status}")
        return looked

    def expect_whole(self):
        return self.expect([], "a whole stack")


class One(Stage):
    """One account with a policy, log files, memory and evidence."""

    def __init__(self, emulator, program, bootstrap):
        super().__init__(emulator, program, bootstrap)
        s3 = self.client("s3")
        here = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket=POLICY[0], CreateBucketConfiguration=here)
        self.put_policy("version: 1\nguard: [ssh]\n")
        self.create_trail()
        self.put_evidence()
        self.put_memory()
        template = (ROOT / "template.yaml").read_text(encoding="utf-8")
        self.deploy(template, PolicyLocation="s3://{}/{}".format(*POLICY), LogBucket=LOGS, Mode="enforce", Openings="yes")
        self.notify(True)
        self.subscription = self.subscribe()
        self.tell_of_iam()
        self.set_variables()
        self.swept()

    def put_policy(self, text):
        self.client("s3").put_object(Bucket=POLICY[0], Key=POLICY[1], Body=text.encode())

    def put_evidence(self):
        here = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=EVIDENCE, CreateBucketConfiguration=here)

    def put_memory(self):
        key = [{"AttributeName": "pk", "KeyType": "HASH"}]
        types = [{"AttributeName": "pk", "AttributeType": "S"}]
        self.client("dynamodb").create_table(
            TableName=MEMORY, KeySchema=key, AttributeDefinitions=types, BillingMode="PAY_PER_REQUEST"
        )

    def notify(self, on):
        """Whether the bucket tells the queue of new log files."""
        queue = {"QueueArn": self.outputs["LogQueueArn"], "Events": ["s3:ObjectCreated:*"]}
        configuration = {"QueueConfigurations": [queue]} if on else {}
        self.client("s3").put_bucket_notification_configuration(Bucket=LOGS, NotificationConfiguration=configuration)

    def variables(self):
        answer = self.client("lambda").get_function_configuration(FunctionName=STACK)
        return answer["Environment"]["Variables"]

    def set_variables(self, **more):
        stores = {"PORTCULLIS_MEMORY": MEMORY, "PORTCULLIS_EVIDENCE": f"s3://{EVIDENCE}/portcullis"}
        variables = self.variables() | stores | more
        client = self.client("lambda")
        client.update_function_configuration(FunctionName=STACK, Environment={"Variables": variables})
        wait = {"Delay": 1, "MaxAttempts": 30}
        client.get_waiter("function_updated_v2").wait(FunctionName=STACK, WaiterConfig=wait)
        client.get_waiter("function_active_v2").wait(FunctionName=STACK, WaiterConfig=wait)


class Hub(Stage):
    """A hub in an organisation, with members in two Regions."""

    def __init__(self, emulator, program, bootstrap, members):
        super().__init__(emulator, program, bootstrap)
        self._boto = boto3.Session()
        organizations = self.client("organizations")
        self.members = [member(organizations, number) for number in range(members)]
        self.create_trail(IsOrganizationTrail=True)
        stage = of_tamper()
        self.deploy(
            stage.without_bus_policy((ROOT / "template.yaml").read_text(encoding="utf-8")),
            OrganizationId=stage.ORGANIZATION,
            Accounts="*",
            MemberRole="portcullis",
            ExternalId="gate-7f3a",
            Regions=f"{REGION},{ELSEWHERE}",
            Openings="yes",
        )
        self._organization = stage.ORGANIZATION
        self.open_bus()
        self.subscribe()
        self.tell_of_iam()
        self.join()
        self.swept()
        self.write_sweep(len(self.members) * 2 + 2)

    def open_bus(self):
        """What BusPolicy does, which the emulator does not know."""
        condition = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": self._organization}
        self.client("events").put_permission(
            EventBusName=STACK, StatementId="members", Action="events:PutEvents", Principal="*", Condition=condition
        )

    def join(self):
        template = (ROOT / "member.yaml").read_text(encoding="utf-8")
        first, *others = self.members
        for region in (REGION, ELSEWHERE):
            self.deploy_member(template, first, region)
        # The hub's own account forwards from its other Region.
        self.deploy_member(template, ACCOUNT, ELSEWHERE)
        for region in (REGION, ELSEWHERE):
            self.copy_rules(first, others, region)
        for account in self.members:
            self.let_look(account)

    def deploy_member(self, template, account, region):
        session = self.emulator.session(account, region=region)
        role = self.outputs["FunctionRoleArn"]
        create_member(
            session,
            member_template(template, account, region, role),
            HubAccount=ACCOUNT,
            HubRegion=REGION,
            HubRoleArn=role,
            ExternalId="gate-7f3a",
        )()

    def copy_rules(self, first, others, region):
        """The same rules in the others: by CloudFormation it would take a minute for a hundred."""
        events = self.of(first, "events", region)
        for rule in events.list_rules(NamePrefix="portcullis-")["Rules"]:
            targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            for account in others:
                there = self.of(account, "events", region)
                there.put_rule(Name=rule["Name"], EventPattern=rule["EventPattern"], State="ENABLED")
                name = "portcullis-member-DeadLetters"
                self.of(account, "sqs", region).create_queue(QueueName=name)
                queue = {"Arn": f"arn:aws:sqs:{region}:{account}:{name}"}
                there.put_targets(Rule=rule["Name"], Targets=[target | {"DeadLetterConfig": queue} for target in targets])

    def let_look(self, account):
        iam = self.of(account, "iam", REGION)
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=document)
        iam.put_role_policy(RoleName=ROLE, PolicyName="look", PolicyDocument=filled("doctor-member.json"))

    def of(self, account, service, region):
        """A client of an account's root. One session for all: each loads the models of its services anew."""
        return self._boto.client(
            service,
            endpoint_url=self.emulator.url,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="demo",
        )

    def write_sweep(self, places, unreachable=()):
        """The summary of a sweep, as the function writes it: the emulator's accounts are too many to sweep here."""
        summary = {"accounts": places // 2, "places": places, "groups": places, "exposed": 0, "reverted": 0, "failed": 0}
        summary |= {"undecided": 0, "open": [], "unreachable": list(unreachable)}
        finding = dict.fromkeys(["id", "account", "region", "group", "actor", "source_ip", "user_agent"])
        finding |= {"schema": 1, "time": "2026-11-26T09:00:00Z", "call": "Sweep", "verdict": "safe", "outcome": "none"}
        finding |= {"mode": "alert", "exposures": [], "rules": [], "reason": "sweep", "sweep": summary}
        logs, group = self.client("logs"), self.outputs["LogGroupName"]
        stream = f"sweep-{time.time_ns()}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        event = {"timestamp": time.time_ns() // 1_000_000, "message": json.dumps(finding)}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])

    def options(self):
        return ("--role", ROLE, "--external-id", EXTERNAL_ID)


def member(organizations, number):
    answer = organizations.create_account(AccountName=f"member-{number}", Email=f"member-{number}@example.com")
    status = answer["CreateAccountStatus"]
    request = status["Id"]
    while "AccountId" not in status:
        time.sleep(0.05)
        answer = organizations.describe_create_account_status(CreateAccountRequestId=request)
        status = answer["CreateAccountStatus"]
    return status["AccountId"]


def filled(name):
    """A policy of policies/, with the names of the stage in the place of those in capitals."""
    text = (ROOT / "policies" / name).read_text(encoding="utf-8")
    names = {"POLICY_BUCKET": POLICY[0], "EVIDENCE_BUCKET": f"*{EVIDENCE}*", "LOG_BUCKET": LOGS, "role/ROLE": f"role/{ROLE}"}
    for there, here in names.items():
        text = text.replace(there, here)
    return text


def of_tamper():
    """The module `stage` beside the tamper rules' check: it has this one's name."""
    spec = importlib.util.spec_from_file_location("tamper_stage", ROOT / "tools" / "tamper" / "stage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
