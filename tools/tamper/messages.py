"""What the rules say: a copy of each, rung at through the emulator, and its message as it arrives."""

import json

import calls
from stage import ACCOUNT, REGION, SECOND_TOPIC, Wrong

SOURCE = "portcullis.tamper"
TELLING = {"title", "description", "nextSteps"}


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
        # The other topic reports changes that silence this topic.
        expected = topics if name == "topic" else {hub.ids["Topic"]}
        if {target["Arn"] for target in targets} != expected:
            raise Wrong(f"{rule['Name']} tells {sorted(target['Arn'] for target in targets)}")
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
