"""The rules on calls against Portcullis itself, deployed from the real templates on an AWS emulator.

Each call that can switch Portcullis off has to match exactly the rule that tells of it, the same call on somebody else's
resource none; each rule's message has to arrive at the topic as it should read. Exit status: 0 if all of it holds.
"""

import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "demo"))

import calls  # noqa: E402
from emulator import ACCOUNT, REGION, Emulator  # noqa: E402
from stack import as_parameters, member_template, package, packaged_template, uploaded, without_tls  # noqa: E402

# As long as names may be, for EventBridge takes patterns of up to 2,048 characters.
STACK = "portcullis-0123456789-0123456789-0123456789-01234"
ROLE = "portcullis-0123456789-0123456789-0123456"
MOST_CHARACTERS = 2048
SCP_MOST_CHARACTERS = 5120
HUB = "999988887777"
ORGANIZATION = "o-exampleorgid"
POLICY = ("portcullis-policy", "prod/policy.yaml")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1b6d2f3a-0000-4000-8000-000000000005"
SECOND_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call"
SOURCE = "portcullis.tamper"
TELLING = {"title", "description", "nextSteps"}


class Wrong(Exception):
    """What does not hold."""


def main():
    check_scp()
    with tempfile.TemporaryDirectory() as scratch:
        emulator = Emulator(Path(scratch))
        emulator.start()
        try:
            hub = Hub(emulator)
            count = check_patterns(hub.events, hub.rules, hub.told(), hub.untold())
            count += check_member(emulator)
            count += check_us_east_1(emulator, hub)
            check_messages(hub)
        finally:
            emulator.stop()
    print(f"tamper: {count} calls matched as they should; {len(hub.rules)} rules' messages arrived")


def check_scp():
    text = (ROOT / "policies" / "scp-protect-portcullis.json").read_text(encoding="utf-8")
    if len(text) > SCP_MOST_CHARACTERS:
        raise Wrong(f"the SCP has {len(text)} characters, Organizations takes {SCP_MOST_CHARACTERS}")
    for statement in json.loads(text)["Statement"]:
        if statement["Effect"] != "Deny" or "ArnNotLike" not in statement["Condition"]:
            raise Wrong(f"the SCP's {statement['Sid']} is no denial that leaves somebody out")


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
        ids, function = self.ids, STACK
        ours = [ids["Rule"], ids["SweepRule"], f"{STACK}-tamper-trail", f"{STACK}-tamper-us-east-1"]
        on_bus = [rule["Name"] for rule in self.events.list_rules(EventBusName=STACK)["Rules"]]
        (bus_rule,) = [name for name in on_bus if not name.startswith(f"{STACK}-tamper-")]
        queues = ["RuleDeadLetters", "FunctionDeadLetters", "SweepDeadLetters", "SweepQueue", "LogQueue", "LogDeadLetters"]
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
            "function": calls.against_function(function) + calls.against_mapping(*mapping) + [denied, refused],
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
            *calls.against_mapping("00000000-0000-4000-8000-000000000009", "arn:aws:lambda:eu-west-1:1:function:another"),
            calls.event("lambda", "Invoke", {"functionName": STACK}),
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
            characters = len(json.dumps(json.loads(rule["EventPattern"]), separators=(",", ":")))
            if characters > MOST_CHARACTERS:
                raise Wrong(f"the pattern of {rule['Name']} has {characters} characters")
    return rules


def matching(events, rules, event):
    text = json.dumps(event)
    return {
        name
        for name, rule in rules.items()
        if events.test_event_pattern(EventPattern=rule["EventPattern"], Event=text)["Result"]
    }


def check_patterns(events, rules, told, untold):
    """Each call matches its rule and no other; answers how many calls there were."""
    # What members forward comes by a bus of its own, where nothing else comes by.
    rules = {name: rule for name, rule in rules.items() if name != "members"}
    if told.keys() != rules.keys():
        raise Wrong(f"rules without calls, or calls without a rule: {sorted(told.keys() ^ rules.keys())}")
    for name, group in told.items():
        for event in group:
            expect(events, rules, event, {name})
    for event in untold:
        expect(events, rules, event, set())
    return sum(map(len, told.values())) + len(untold)


def expect(events, rules, event, expected):
    seen = matching(events, rules, event)
    if seen != expected:
        detail = event["detail"]
        raise Wrong(
            f"{detail['eventName']} with {detail['requestParameters']}: expected {sorted(expected)}, matched {sorted(seen)}"
        )


def check_member(emulator):
    region = "us-east-1"
    session = emulator.session(region=region)
    cloudformation, events = session.client("cloudformation"), session.client("events")
    hub_role = f"arn:aws:iam::{HUB}:role/portcullis-FunctionRole"
    template = member_template((ROOT / "member.yaml").read_text(encoding="utf-8"), ACCOUNT, region, hub_role)
    parameters = {
        "HubAccount": HUB,
        "HubRegion": REGION,
        "HubRoleArn": hub_role,
        "HomeRegion": region,
        "RoleName": ROLE,
        "ExternalId": "gate-7f3a",
        "AlarmTopicArn": SECOND_TOPIC,
    }
    _, ids, _ = deploy(cloudformation, "StackSet-portcullis", {"TemplateBody": template}, parameters)
    rules = rules_of(events, f"{ROLE}-tamper", "default")
    told = [
        *calls.against_trails(),
        *calls.against_rule(f"{ROLE}-forward", region=region),
        *calls.against_rule(f"{ROLE}-tamper", region=region),
        *calls.against_role(ROLE),
        # Another Region's, for IAM tells of it here alone.
        *calls.against_role(f"{ROLE}-forward-ap-southeast-2"),
        *calls.against_queue(ids["DeadLetters"]),
        *calls.against_alarm(ids["DeadLetterAlarm"]),
    ]
    untold = [
        *calls.against_rule("somebody-elses-rule"),
        *calls.against_role("another-role"),
        *calls.against_role(f"{ROLE}x"),
        *calls.against_queue(f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/another"),
        *calls.against_alarm("another-alarm"),
        *calls.against_function("another"),
    ]
    # Whatever a member forwards, the hub tells.
    hub = emulator.session().client("events")
    listening = rules_of(hub, f"{STACK}-tamper-", STACK)
    for event in told:
        expect(events, rules, event, {""})
        expect(hub, listening, event, {"members"})
    for event in untold:
        expect(events, rules, event, set())
    return len(told) + len(untold)


def check_us_east_1(emulator, hub):
    session = emulator.session(region="us-east-1")
    cloudformation, events = session.client("cloudformation"), session.client("events")
    template = without_tls((ROOT / "tamper-us-east-1.yaml").read_text(encoding="utf-8"))
    parameters = {"HubStack": STACK, "HubRegion": REGION, "FunctionRoleName": hub.ids["FunctionRole"]}
    deploy(cloudformation, "tamper", {"TemplateBody": template}, parameters)
    rules = rules_of(events, f"{STACK}-tamper-us-east-1", "default")
    at_home = {name: rule for name, rule in hub.rules.items() if name != "members"}
    own = calls.against_rule(f"{STACK}-tamper-us-east-1", region="us-east-1")
    roles = calls.against_role(hub.ids["FunctionRole"]) + calls.against_role(f"{STACK}-tamper-us-east-1")
    for event, teller in [(event, "rules") for event in own] + [(event, "role") for event in roles]:
        expect(events, rules, event, {""})
        expect(hub.events, at_home, event, {teller})
    untold = calls.against_role("another-role") + calls.against_rule("somebody-elses-rule")
    for event in untold:
        expect(events, rules, event, set())
    return len(own) + len(roles) + len(untold)


def check_messages(hub):
    """A copy of each rule, for PutEvents takes no source that begins with `aws.`: what does its message say?"""
    url = hub.sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = hub.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    may_send = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_send]})
    hub.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    topics = {hub.ids["Topic"], SECOND_TOPIC}
    allow_events(hub.sns, SECOND_TOPIC)
    for topic in topics:
        hub.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    examples = {name: first_by_text(group) for name, group in hub.told().items()}
    examples["members"] = calls.against_trails()[0]
    for name, event in examples.items():
        rule = hub.rules[name]
        bus = rule["EventBusName"]
        targets = hub.events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
        pattern = json.loads(rule["EventPattern"]) | {"source": [SOURCE]}
        hub.events.put_rule(Name=f"copy-{name}", EventBusName=bus, EventPattern=json.dumps(pattern))
        for target in targets:
            target.pop("DeadLetterConfig")
        hub.events.put_targets(Rule=f"copy-{name}", EventBusName=bus, Targets=targets)
        detail = event["detail"]
        entry = {"Source": SOURCE, "DetailType": event["detail-type"], "Detail": json.dumps(detail), "EventBusName": bus}
        if hub.events.put_events(Entries=[entry])["FailedEntryCount"]:
            raise Wrong(f"the event for {name} was not taken")
        expected = {"topic", "second-topic"} if name == "topic" else {"topic"}
        if {target["Id"] for target in targets} != expected:
            raise Wrong(f"{rule['Name']} tells {sorted(target['Id'] for target in targets)}")
        for _ in targets:
            check_message(name, event, received(hub.sqs, url, name))


def resource(event):
    """What the call was made on: CloudTrail writes it first."""
    return next(iter(event["detail"]["requestParameters"].values()))


def first_by_text(group):
    """EventBridge fills in an element of a list, such as the first of `alarmNames`; the emulator does not."""
    return next(event for event in group if isinstance(resource(event), str))


def allow_events(sns, topic):
    may_publish = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish",
                   "Resource": topic}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_publish]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


def received(sqs, url, name):
    for _ in range(5):
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=1).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return message["Body"]
    raise Wrong(f"no message of the rule {name} arrived")


def check_message(name, event, text):
    detail, message = event["detail"], json.loads(text)
    content = message["content"]
    if (message["version"], message["source"]) != ("1.0", "custom") or not TELLING <= content.keys():
        raise Wrong(f"the message of {name} is none for a chat channel: {text}")
    whole = " ".join([content["title"], content["description"], *content["nextSteps"]])
    facts = [resource(event), ACCOUNT, REGION, detail["userIdentity"]["arn"]]
    for what in facts + [detail[key] for key in ("eventName", "sourceIPAddress", "eventTime", "eventID")]:
        if what not in whole:
            raise Wrong(f"the message of {name} does not say {what}: {text}")
    if detail["eventName"] not in content["title"]:
        raise Wrong(f"the title of {name} does not name the call: {text}")
    if "<" in whole or len(content["title"]) > 250:
        raise Wrong(f"the message of {name} has something left to fill in, or a title too long: {text}")


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"tamper: {wrong}")
