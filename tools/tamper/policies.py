"""The alarms on silence, the policies of topic, queues and role as deployed, and the SCP."""

import json

from stage import ORGANIZATION, ROOT, SECOND_TOPIC, STACK, Wrong

SCP_MOST_CHARACTERS = 5120


def check_scp():
    text = (ROOT / "policies" / "scp-protect-portcullis.json").read_text(encoding="utf-8")
    if len(text) > SCP_MOST_CHARACTERS:
        raise Wrong(f"the SCP has {len(text)} characters, Organizations takes {SCP_MOST_CHARACTERS}")
    for statement in json.loads(text)["Statement"]:
        if statement["Effect"] != "Deny" or "ArnNotLike" not in statement["Condition"]:
            raise Wrong(f"the SCP's {statement['Sid']} is no denial that leaves somebody out")


def check_alarms(cloudwatch, ids):
    """What says nothing any more raises an alarm, at the second topic as well, and so does a topic that fails."""
    silence = {
        "SweepSilenceAlarm": ("Portcullis", "Swept", 2),
        "InvocationSilenceAlarm": ("AWS/Lambda", "Invocations", 2),
        "LogSilenceAlarm": ("AWS/SQS", "NumberOfMessagesSent", 6),
    }
    for logical in [*silence, "PublishAlarm", "RuleDeadLetterAlarm"]:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[ids[logical]])["MetricAlarms"]
        if set(alarm["AlarmActions"]) != {ids["Topic"], SECOND_TOPIC}:
            raise Wrong(f"{logical} tells {alarm['AlarmActions']}")
        if logical not in silence:
            continue
        seen = (alarm["Namespace"], alarm["MetricName"], int(alarm["EvaluationPeriods"]))
        how = [alarm[key] for key in ("Statistic", "Period", "Threshold", "ComparisonOperator", "TreatMissingData")]
        if seen != silence[logical] or how != ["Sum", 3600, 1, "LessThanThreshold", "breaching"]:
            raise Wrong(f"{logical} watches {seen}, {how}")


def check_policies(iam, hub):
    """Who may subscribe, send without TLS, and be assumed."""
    topic = json.loads(hub.sns.get_topic_attributes(TopicArn=hub.ids["Topic"])["Attributes"]["Policy"])["Statement"]
    allowed = {(each["Principal"]["Service"], each["Action"]) for each in topic if each["Effect"] == "Allow"}
    if allowed != {("cloudwatch.amazonaws.com", "sns:Publish"), ("events.amazonaws.com", "sns:Publish")}:
        raise Wrong(f"the topic's policy allows {sorted(allowed)}")
    if not {"OnlyByTls", "NobodyElseSubscribes"} <= {each["Sid"] for each in topic if each["Effect"] == "Deny"}:
        raise Wrong("the topic's policy does not refuse what it should")
    queues = [url for name, url in hub.ids.items() if name.endswith(("DeadLetters", "Queue"))]
    for url in queues:
        attributes = hub.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
        denied = [each for each in json.loads(attributes["Policy"])["Statement"] if each["Effect"] == "Deny"]
        if [(each["Sid"], list(each["Condition"]["Bool"])) for each in denied] != [("OnlyByTls", ["aws:SecureTransport"])]:
            raise Wrong(f"{url} takes what comes without TLS")
    dead_letters = hub.sqs.get_queue_attributes(QueueUrl=hub.ids["RuleDeadLetters"], AttributeNames=["Policy"])
    statements = json.loads(dead_letters["Attributes"]["Policy"])["Statement"]
    (allow,) = [each for each in statements if each["Effect"] == "Allow"]
    sources = [pattern.split(":", 5)[5] for pattern in allow["Condition"]["ArnEquals"]["aws:SourceArn"]]
    if not {f"rule/{STACK}-tamper-*", f"rule/{STACK}/{STACK}-tamper-*"} <= set(sources):
        raise Wrong(f"the tamper rules cannot leave dead letters: {sources}")
    role = {"RoleName": hub.ids["FunctionRole"], "PolicyName": "act-in-member-accounts"}
    (assume,) = iam.get_role_policy(**role)["PolicyDocument"]["Statement"]
    # The emulator does not know the condition's key, so the operator is not checked here.
    (condition,) = assume["Condition"].values()
    if condition != {"aws:ResourceOrgID": ORGANIZATION}:
        raise Wrong(f"the member role is assumed on {condition}")
