"""The project's own template.yaml, deployed through CloudFormation, and what the demo needs beside it."""

import io
import json
import re
import shutil
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

STACK = "portcullis"
BUCKET = "portcullis-demo-code"
SOURCE = "portcullis.demo"
FINDING_WITHIN_SECONDS = 20


def package(bootstrap):
    """The deployment package: a zip whose one file is the binary, without its debug symbols, called bootstrap."""
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    package_bytes = io.BytesIO()
    with zipfile.ZipFile(package_bytes, "w", compresslevel=1) as package_zip:
        package_zip.writestr(entry, stripped(bootstrap), compresslevel=1)
    return package_bytes.getvalue()


def stripped(bootstrap):
    strip = shutil.which("strip")
    if strip is None:  # only slower
        return bootstrap.read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "bootstrap"
        shutil.copy(bootstrap, copy)
        # Some files, such as scripts, cannot be stripped and need not be.
        subprocess.run([strip, copy], stderr=subprocess.DEVNULL, check=False)
        return copy.read_bytes()


def packaged_template(template, session, code):
    """The template with CodeUri replaced by the uploaded package, as `sam package` does.

    Beside that only this: where CloudFormation makes a number of a parameter, the emulator leaves a text, and its poller
    of queues fails on it; it knows sts:ExternalId in the policy of the role that is assumed, but not in the caller's,
    and no aws:ResourceOrgID; it knows no saved queries, no s3:if-none-match and no Object
    Lock in CloudFormation; a condition of its CloudFormation splits no text; and it speaks no TLS.
    """
    s3 = session.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    s3.put_object(Bucket=BUCKET, Key="function.zip", Body=code)
    before, line, after = with_few_accounts(template).partition("CodeUri: .\n")
    if not line:
        raise RuntimeError("template.yaml has no line `CodeUri: .` to put the package in the place of")
    after = after.replace("MaximumConcurrency: !Ref QueueConcurrency", "MaximumConcurrency: 2")
    after = re.sub(r"(?m)^  \w+:\n    Type: AWS::Logs::QueryDefinition\n(?:    .*\n|\n)+", "", after)
    after = re.sub(r"StringEquals:(\s+sts:ExternalId:)", r"StringEqualsIfExists:\1", after)
    return without_tls(without_write_once(f"{before}CodeUri: {{Bucket: {BUCKET}, Key: function.zip}}\n{after}"))


def uploaded(template, s3):
    """The template's URL: CloudFormation takes no more than 51,200 bytes by themselves. `sam deploy` uploads it too."""
    s3.put_object(Bucket=BUCKET, Key="template.yaml", Body=template.encode())
    return f"https://s3.{s3.meta.region_name}.amazonaws.com/{BUCKET}/template.yaml"


def with_few_accounts(template):
    """The template without counting the accounts: they fit into a rule's pattern here."""
    counted, count = re.subn(
        r"(?m)^  FitsIntoPattern: !Equals\n(?:    .*\n)+", '  FitsIntoPattern: !Equals ["", ""]\n', template
    )
    if count != 1:
        raise RuntimeError("template.yaml has no condition FitsIntoPattern to answer")
    return counted


def without_tls(template):
    """The template without what refuses calls that come over plain HTTP, as all do here."""
    return template.replace('aws:SecureTransport: "false"', 'aws:SecureTransport: "no TLS here"')


def without_write_once(template):
    """The template without what the emulator cannot do with evidence: it does not know s3:if-none-match, and so takes every
    PutObject for one that may overwrite, and its CloudFormation makes buckets without Object Lock."""
    for there, here in {
        '"Null": {s3:if-none-match: "true"}': 'StringEquals: {s3:if-none-match: "not known here"}',
        "PORTCULLIS_EVIDENCE_DAYS: !If [HasEvidence, !Ref EvidenceDays, !Ref AWS::NoValue]": (
            "PORTCULLIS_EVIDENCE_DAYS: !Ref AWS::NoValue"
        ),
    }.items():
        if there not in template:
            raise RuntimeError(f"template.yaml has no `{there}` to leave out")
        template = template.replace(there, here)
    return template


def as_parameters(values):
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def member_template(template, account, region, hub_role_arn):
    """The template with what the emulator does not know filled in: AWS::AccountId and AWS::Region are plain words to it
    in conditions, and aws:PrincipalArn is the session's ARN to it, where AWS compares the role's."""
    hub, role = hub_role_arn.split(":")[4], hub_role_arn.rsplit("/", 1)[-1]
    for there, here in {
        "!Equals [!Ref AWS::AccountId, ": f'!Equals ["{account}", ',
        "!Equals [!Ref AWS::Region, ": f'!Equals ["{region}", ',
        "ArnEquals: {aws:PrincipalArn: !Ref HubRoleArn}": (
            f'ArnLike: {{aws:PrincipalArn: "arn:aws:sts::{hub}:assumed-role/{role}/*"}}'
        ),
    }.items():
        if there not in template:
            raise RuntimeError(f"member.yaml has no `{there}` to fill in")
        template = template.replace(there, here)
    return without_tls(template)


def create_member(session, template, **parameters):
    """Begins to deploy member.yaml; answers what waits until it is."""
    cloudformation = session.client("cloudformation")
    name = f"{STACK}-member"
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=template,
        Parameters=as_parameters(parameters),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    return lambda: waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


class Stack:
    def __init__(self, session):
        self._cloudformation = session.client("cloudformation")
        self._cloudwatch = session.client("cloudwatch")
        self._s3 = session.client("s3")
        self._events = session.client("events")
        self._lambda = session.client("lambda")
        self._logs = session.client("logs")
        self._sns = session.client("sns")
        self._sqs = session.client("sqs")

    def create(self, template):
        self._cloudformation.create_stack(
            StackName=STACK,
            TemplateURL=uploaded(template, self._s3),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        self._wait("stack_create_complete")

    def update(self, **parameters):
        """Changes these parameters; the others keep their values."""
        kept = {each["ParameterKey"] for each in self._described()["Parameters"]} - parameters.keys()
        self._cloudformation.update_stack(
            StackName=STACK,
            UsePreviousTemplate=True,
            Parameters=as_parameters(parameters) + [{"ParameterKey": key, "UsePreviousValue": True} for key in kept],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
        self._wait("stack_update_complete")

    def physical_ids(self):
        """The name, ARN or URL of each resource, by its name in the template."""
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        resources = [each for page in pages for each in page["StackResourceSummaries"]]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}

    def dashboard(self):
        """The body of the deployed dashboard."""
        return self._cloudwatch.get_dashboard(DashboardName=STACK)["DashboardBody"]

    def queued(self):
        """How many messages are in each queue of the stack, by the queue's name."""
        urls = self._sqs.list_queues(QueueNamePrefix=f"{STACK}-").get("QueueUrls", [])
        wanted = ["ApproximateNumberOfMessages"]
        counts = [self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"] for url in urls]
        return {url.rsplit("/", 1)[-1]: int(count[wanted[0]]) for url, count in zip(urls, counts)}

    def outputs(self):
        return {each["OutputKey"]: each["OutputValue"] for each in self._described()["Outputs"]}

    def _described(self):
        (stack,) = self._cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        return stack

    def _wait(self, waiter):
        self._cloudformation.get_waiter(waiter).wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    # PutEvents refuses a source that begins with `aws.`, here as on AWS, because only AWS sends such events. So the
    # demo uses a second rule, a copy of the stack's own with another source.
    def add_demo_rule(self):
        outputs = self.outputs()
        rule_name = outputs["RuleArn"].rsplit("/", 1)[-1]
        pattern = json.loads(self._events.describe_rule(Name=rule_name)["EventPattern"])
        pattern["source"] = [SOURCE]
        demo_rule_arn = self._events.put_rule(Name="portcullis-demo", EventPattern=json.dumps(pattern))["RuleArn"]
        self._lambda.add_permission(
            FunctionName=outputs["FunctionName"],
            StatementId="portcullis-demo",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=demo_rule_arn,
        )
        self._events.put_targets(
            Rule="portcullis-demo", Targets=[{"Id": "portcullis", "Arn": outputs["FunctionArn"]}]
        )

    def subscribe_queue(self):
        """Subscribes a queue to the stack's topic, as a person or a chat room would be; answers its URL."""
        topic = self.outputs()["TopicArn"]
        url = self._sqs.create_queue(QueueName="portcullis-demo-inbox")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic_may_send = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [topic_may_send]})
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return url

    def send(self, record):
        entry = {"Source": SOURCE, "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(record)}
        answer = self._events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"EventBridge refused the event: {answer['Entries']}")

    def invoke(self, payload):
        """Hands the function a payload and answers what it says to it."""
        answer = self._lambda.invoke(FunctionName=self.outputs()["FunctionName"], Payload=json.dumps(payload))
        said = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise RuntimeError(f"the function failed: {said}")
        return said

    def finding(self, event_id):
        """The finding on this event, from the function's log, as the line was written."""
        deadline = time.monotonic() + FINDING_WITHIN_SECONDS
        while time.monotonic() < deadline:
            for line in self.log_lines():
                if is_finding(line, event_id):
                    return line
            time.sleep(0.05)
        raise RuntimeError(
            f"no finding within {FINDING_WITHIN_SECONDS} s; the function's log:\n" + "\n".join(self.log_lines()[-20:])
        )

    def subject_of(self, queue_url, event_id):
        """The subject under which the finding on this event came through the topic; None where it did not."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            answer = self._sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                notification = json.loads(message["Body"])
                if is_finding(notification["Message"], event_id):
                    return notification["Subject"]
        return None

    def log_lines(self):
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=self.outputs()["LogGroupName"])
        return [event["message"] for page in pages for event in page["events"]]


def is_finding(text, event_id):
    try:
        finding = json.loads(text)
    except ValueError:
        return False
    return isinstance(finding, dict) and finding.get("id") == event_id and "verdict" in finding
