"""The rules on calls against Portcullis itself, deployed from the real templates on an AWS emulator.

Each call that can switch Portcullis off has to match exactly the rule that tells of it, the same call on somebody else's
resource none; each rule's message has to arrive at the topic as it should read. Exit status: 0 if all of it holds.
"""

import json
import sys
import tempfile
from pathlib import Path

import calls
from messages import check_messages
from policies import check_alarms, check_policies, check_scp
from stage import ACCOUNT, HUB, REGION, ROLE, ROOT, SECOND_TOPIC, STACK, Hub, Wrong, deploy, rules_of

from emulator import Emulator  # the demo's, on whose folder `stage` has put the path
from stack import member_template, without_tls


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
            check_alarms(emulator.session().client("cloudwatch"), hub.ids)
            check_policies(emulator.session().client("iam"), hub)
        finally:
            emulator.stop()
    print(f"tamper: {count} calls matched as they should, {len(hub.rules)} messages arrived, alarms and policies hold")


def matching(events, rules, event):
    text = json.dumps(event)
    return {
        name
        for name, rule in rules.items()
        if events.test_event_pattern(EventPattern=rule["EventPattern"], Event=text)["Result"]
    }


def check_patterns(events, rules, told, untold):
    """Each call matches its rule and no other; answers how many calls there were."""
    # Events from members arrive on a bus of their own, which receives nothing else.
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
        call = f"{event['detail']['eventName']} with {event['detail']['requestParameters']}"
        raise Wrong(f"{call}: expected {sorted(expected)}, matched {sorted(seen)}")


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
        # The role is another Region's. IAM reports its calls only in this Region.
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
    # The hub reports every event that a member forwards.
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


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"tamper: {wrong}")
