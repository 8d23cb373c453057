"""The stage: template.yaml on the emulator with all that its parameters can turn on, and the calls against it."""

import json
import sys
from pathlib import Path

import calls

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "demo"))

from emulator import ACCOUNT, REGION  # noqa: E402  the demo's
from stack import as_parameters, package, packaged_template, uploaded  # noqa: E402

# The longest possible name, because EventBridge accepts patterns of at most 2,048 characters.
STACK = "portcullis-0123456789-0123456789-0123456789-012"
ROLE = "portcullis-0123456789-0123456789-0123456"
MOST_CHARACTERS = 2048
MOST_CHARACTERS_OF_A_NAME = 64
HUB = "999988887777"
ORGANIZATION = "o-exampleorgid"
POLICY = ("portcullis-policy", "prod/policy.yaml")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1b6d2f3a-0000-4000-8000-000000000005"
SECOND_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call"


class Wrong(Exception):
    """What does not hold."""


class Hub:
    """template.yaml with everything that its parameters can turn on."""

    def __init__(self, emulator):
        session = emulator.session()
        self.events, self.sns, self.sqs = (session.client(service) for service in ("events", "sns", "sqs"))
        self.sns.create_topic(Name=SECOND_TOPIC.rsplit(":", 1)[-1])
        cloudformation = session.client("cloudformation")
        template = without_bus_policy((ROOT / "template.yaml").read_text(encoding="utf-8"))
        parameters = {
            "PolicyLocation": "s3://{}/{}".format(*POLICY),
            "TopicKeyArn": KEY,
            "AlarmTopicArn": SECOND_TOPIC,
            "OrganizationId": ORGANIZATION,
            "Accounts": "*",
            "MemberRole": ROLE,
            "LogBucket": "org-trail",
        }
        packaged = packaged_template(template, session, package(Path(__file__)))
        at = {"TemplateURL": uploaded(packaged, session.client("s3"))}
        self.stack_id, self.ids, self.outputs = deploy(cloudformation, STACK, at, parameters)
        self.rules = rules_of(self.events, f"{STACK}-tamper-", "default", STACK)

    def told(self):
        """Each call, by the rule that has to tell of it."""
        ids = self.ids
        ours = [ids["Rule"], ids["SweepRule"], f"{STACK}-tamper-trail", f"{STACK}-tamper-us-east-1"]
        on_bus = [rule["Name"] for rule in self.events.list_rules(EventBusName=STACK)["Rules"]]
        (bus_rule,) = [name for name in on_bus if not name.startswith(f"{STACK}-tamper-")]
        queues = [name for name in ids if name.endswith(("DeadLetters", "Queue"))]
        mapping = (ids["SweepQueueReader"], self.outputs["FunctionArn"])
        denied = calls.event("lambda", "DeleteFunction20150331", {"functionName": STACK}, error="AccessDenied")
        moved = {"sourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{ids['RuleDeadLetters'].rsplit('/', 1)[-1]}"}
        refused = calls.event("lambda", "UpdateEventSourceMapping20150331", {"uUID": mapping[0]}, error="AccessDenied")
        of_bus = {"statementId": "x", "eventBusName": STACK}
        bus_arn = {"eventBusName": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{STACK}"}
        return {
            "trail": calls.against_trails(),
            "rules": [call for name in ours for call in calls.against_rule(name)]
            + calls.against_rule(bus_rule, STACK)
            + [
                calls.event("events", "RemovePermission", of_bus),
                calls.event("events", "PutPermission", bus_arn),
                calls.event("events", "DeleteEventBus", {"name": STACK}),
            ],
            "function": calls.against_function(STACK) + calls.against_mapping(*mapping) + [denied, refused],
            "role": calls.against_role(ids["FunctionRole"]) + calls.against_role(f"{STACK}-tamper-us-east-1"),
            "topic": calls.against_topic(ids["Topic"]) + calls.against_key(KEY)
            + calls.against_stack(STACK, self.stack_id),
            "queues": [call for queue in queues for call in calls.against_queue(ids[queue])]
            + [calls.event("sqs", "StartMessageMoveTask", moved)],
            "alarms": calls.against_alarm(ids["PublishAlarm"]) + calls.against_alarm(ids["SweepSilenceAlarm"])
            + calls.against_mutes(ids["ErrorAlarm"]),
            "policy": calls.against_object(*POLICY),
        }

    def untold(self):
        """The same calls on other resources, and calls that change nothing."""
        topic, other_account = self.ids["Topic"], ACCOUNT.replace("1", "2")
        return [
            *calls.against_rule("somebody-elses-rule"),
            *calls.against_rule(f"other-{STACK}-tamper-trail"),
            calls.event("events", "PutPermission", {"statementId": "x"}),
            calls.event("events", "DeleteEventBus", {"name": f"{STACK}-2"}),
            *calls.against_function("another"),
            *calls.against_function(f"{STACK}-2"),
            *calls.against_function(f"my-{STACK}"),
            *calls.against_mapping("00000000-0000-4000-8000-000000000009", "arn:aws:lambda:eu-west-1:1:function:another"),
            calls.event("lambda", "Invoke", {"functionName": STACK}),
            # Anybody may put events with a source that is not AWS's.
            *({**event, "source": "custom"} for event in calls.against_function(STACK) + calls.against_trails()),
            *calls.against_role("another-role"),
            *calls.against_role(f"{self.ids['FunctionRole']}-2"),
            calls.event("iam", "TagRole", {"roleName": self.ids["FunctionRole"]}, region="us-east-1"),
            *calls.against_topic(f"{topic}-2"),
            *calls.against_topic(f"arn:aws:sns:{REGION}:{ACCOUNT}:another"),
            *calls.against_key(KEY.replace("1b6d2f3a", "2b6d2f3a")),
            *calls.against_stack("another", f"{self.stack_id.rsplit('/', 2)[0]}/another/x"),
            *calls.against_queue(f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/another"),
            *calls.against_queue(self.ids["SweepQueue"].replace(ACCOUNT, other_account).replace(STACK, "x")),
            *calls.against_alarm("another-alarm"),
            *calls.against_mutes("another-alarm"),
            *calls.against_object(POLICY[0], "prod/another.yaml"),
            *calls.against_object("another", POLICY[1]),
            calls.event("s3", "GetObject", {}, resources=calls.s3_object(*POLICY)),
            calls.event("cloudtrail", "StartLogging", {"name": "org-trail"}),
            calls.event("ec2", "AuthorizeSecurityGroupIngress", {"groupId": "sg-0123456789abcdef0"}),
        ]


def without_bus_policy(template):
    """The emulator knows no such resource, and lets the account itself send to its buses."""
    before, bus_policy, after = template.partition("  BusPolicy:\n")
    if not bus_policy:
        raise Wrong("template.yaml has no BusPolicy to leave out")
    return before + after[after.index("  BusRule:\n") :]


def deploy(cloudformation, name, template, parameters):
    """Deploys a stack; answers its id, its resources' ids by their logical names, and its outputs."""
    cloudformation.create_stack(
        StackName=name,
        **template,
        Parameters=as_parameters(parameters),
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    ids = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}
    return stack["StackId"], ids, {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def rules_of(events, prefix, *buses):
    """The rules whose names begin so, by what follows."""
    rules = {}
    for bus in buses:
        for rule in events.list_rules(EventBusName=bus, NamePrefix=prefix)["Rules"]:
            rules[rule["Name"].removeprefix(prefix)] = rule
            if len(rule["Name"]) > MOST_CHARACTERS_OF_A_NAME:
                raise Wrong(f"the rule's name {rule['Name']} is too long")
            characters = len(json.dumps(json.loads(rule["EventPattern"]), separators=(",", ":")))
            if characters > MOST_CHARACTERS:
                raise Wrong(f"the pattern of {rule['Name']} has {characters} characters")
    return rules
