"""Faults: how each is made, what the doctor has to say, and how it is mended again."""

import json
from collections import namedtuple

from openings import delete_schedules, forget_role, forget_schedule, leave_open, refuse_the_end
from stage import ACCOUNT, ELSEWHERE, EVIDENCE, LOGS, MEMORY, POLICY, REGION, STACK

# `breaks` makes it, and answers what mends it.
Fault = namedtuple("Fault", "name told breaks")

WRONG = "wrong"


def disable_rule(events, name, **bus):
    events.disable_rule(Name=name, **bus)
    return lambda: events.enable_rule(Name=name, **bus)


def change_rule(events, name, change):
    """Puts the rule with another pattern."""
    rule = events.describe_rule(Name=name)
    pattern = json.loads(rule["EventPattern"])
    change(pattern)
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    return lambda: events.put_rule(Name=name, EventPattern=rule["EventPattern"])


def remove_targets(events, name):
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
    return lambda: events.put_targets(Rule=name, Targets=targets)


def delete_rule(events, name):
    rule = events.describe_rule(Name=name)
    put_back = remove_targets(events, name)
    events.delete_rule(Name=name)

    def mend():
        events.put_rule(Name=name, EventPattern=rule["EventPattern"])
        put_back()

    return mend


def redirect(events, name):
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.put_targets(Rule=name, Targets=[target | {"Arn": target["Arn"] + "-2"} for target in targets])
    return lambda: events.put_targets(Rule=name, Targets=targets)


def without_modify(pattern):
    pattern["detail"]["eventName"].remove("ModifySecurityGroupRules")


def take_permission(stage):
    client = stage.client("lambda")
    policy = json.loads(client.get_policy(FunctionName=STACK)["Policy"])
    (one,) = [each for each in policy["Statement"] if stage.ids["Rule"] in json.dumps(each)]
    client.remove_permission(FunctionName=STACK, StatementId=one["Sid"])
    return lambda: client.add_permission(
        FunctionName=STACK,
        StatementId=one["Sid"],
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=stage.outputs["RuleArn"],
    )


def switch_off(stage):
    client = stage.client("lambda")
    client.put_function_concurrency(FunctionName=STACK, ReservedConcurrentExecutions=0)
    return lambda: client.delete_function_concurrency(FunctionName=STACK)


def set_variable(stage, **variable):
    before = stage.variables()
    stage.set_variables(**variable)
    return lambda: stage.set_variables(**before)


def break_policy(stage):
    stage.put_policy("version: 1\nguards: [ssh]\n")
    return lambda: stage.put_policy("version: 1\nguard: [ssh]\n")


def delete_policy(stage):
    stage.client("s3").delete_object(Bucket=POLICY[0], Key=POLICY[1])
    return lambda: stage.put_policy("version: 1\nguard: [ssh]\n")


def delete_memory(stage):
    stage.client("dynamodb").delete_table(TableName=MEMORY)
    return stage.put_memory


def delete_evidence(stage):
    stage.client("s3").delete_bucket(Bucket=EVIDENCE)
    return stage.put_evidence


def unsubscribe(stage):
    stage.client("sns").unsubscribe(SubscriptionArn=stage.subscription)

    def mend():
        stage.subscription = stage.subscribe()

    return mend


def leave_dead_letter(stage):
    sqs, url = stage.client("sqs"), stage.ids["FunctionDeadLetters"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    return lambda: sqs.purge_queue(QueueUrl=url)


def stop_reading(stage):
    client, mapping = stage.client("lambda"), stage.ids["SweepQueueReader"]
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    return lambda: client.update_event_source_mapping(UUID=mapping, Enabled=True)


def stop_notices(stage):
    stage.notify(False)
    return lambda: stage.notify(True)


def stop_trail(stage):
    cloudtrail = stage.client("cloudtrail")
    cloudtrail.stop_logging(Name="all")
    return lambda: cloudtrail.start_logging(Name="all")


def narrow_trail(stage):
    cloudtrail = stage.client("cloudtrail")

    def select(kind):
        selector = {"ReadWriteType": kind, "IncludeManagementEvents": True}
        cloudtrail.put_event_selectors(TrailName="all", EventSelectors=[selector])

    select("ReadOnly")
    return lambda: select("All")


def delete_trail(stage):
    cloudtrail = stage.client("cloudtrail")
    cloudtrail.delete_trail(Name="all")

    def mend():
        cloudtrail.create_trail(Name="all", S3BucketName=LOGS, IsMultiRegionTrail=True)
        cloudtrail.start_logging(Name="all")

    return mend


def disarm_alarm(stage):
    cloudwatch, name = stage.client("cloudwatch"), stage.ids["ErrorAlarm"]
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    return lambda: cloudwatch.enable_alarm_actions(AlarmNames=[name])


def raise_alarm(stage):
    cloudwatch, name = stage.client("cloudwatch"), stage.ids["ThrottleAlarm"]
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="Threshold Crossed")
    return lambda: cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="over")


def delete_alarm(stage):
    """Nothing but CloudFormation puts it back: it is the last of the alarms' faults."""
    cloudwatch, name = stage.client("cloudwatch"), stage.ids["PublishAlarm"]
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    cloudwatch.delete_alarms(AlarmNames=[name])
    kept = ["AlarmName", "AlarmActions", "Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods"]
    kept += ["Threshold", "ComparisonOperator", "TreatMissingData"]
    return lambda: cloudwatch.put_metric_alarm(ActionsEnabled=True, **{key: alarm[key] for key in kept})


def events(stage, region=REGION):
    return stage.client("events", region)


TRAIL = f"arn:aws:cloudtrail:{REGION}:123456789012:trail/all"
TAMPER = f"{STACK}-tamper"

FAULTS = [
    Fault("the rule is disabled", [("rule", WRONG, "{Rule}")], lambda it: disable_rule(events(it), it.ids["Rule"])),
    Fault("its pattern is narrower", [("rule", WRONG, "{Rule}")],
          lambda it: change_rule(events(it), it.ids["Rule"], without_modify)),
    Fault("it has no target", [("rule", WRONG, "{Rule}")], lambda it: remove_targets(events(it), it.ids["Rule"])),
    Fault("it is deleted", [("rule", WRONG, "{Rule}")], lambda it: delete_rule(events(it), it.ids["Rule"])),
    Fault("it may not invoke the function", [("permission", WRONG, "{Rule}")], take_permission),
    Fault("the sweep's rule is disabled", [("rule", WRONG, "{SweepRule}")],
          lambda it: disable_rule(events(it), it.ids["SweepRule"])),
    Fault("the function is switched off", [("function", WRONG, STACK)], switch_off),
    Fault("its mode was changed by hand", [("mode", WRONG, STACK)], lambda it: set_variable(it, PORTCULLIS_MODE="alert")),
    Fault("a variable does not parse", [("variables", WRONG, STACK)],
          lambda it: set_variable(it, PORTCULLIS_MODE="off")),
    Fault("its findings go nowhere", [("variables", WRONG, STACK)],
          lambda it: set_variable(it, PORTCULLIS_TOPIC_ARN="")),
    Fault("the policy does not parse", [("policy", WRONG, "s3://{}/{}".format(*POLICY))], break_policy),
    Fault("the policy is not there", [("policy", WRONG, "s3://{}/{}".format(*POLICY))], delete_policy),
    Fault("the memory is deleted", [("memory", WRONG, MEMORY)], delete_memory),
    Fault("the evidence's bucket is deleted", [("evidence", WRONG, f"s3://{EVIDENCE}/portcullis")], delete_evidence),
    Fault("the group of schedules is deleted", [("schedules", WRONG, STACK)], delete_schedules),
    Fault("an opening has lost its schedule", [("opening", WRONG, "w-1a2b3c4d")],
          lambda it: forget_schedule(it, "w-1a2b3c4d")),
    Fault("an opening is past its end", [("opening", WRONG, "w-5e6f7a8b")],
          lambda it: leave_open(it, it.client, (ACCOUNT, REGION), "w-5e6f7a8b")),
    Fault("nobody is subscribed", [("topic", WRONG, "{Topic}")], unsubscribe),
    Fault("a dead letter", [("dead letters", WRONG, "FunctionDeadLetters")], leave_dead_letter),
    Fault("the sweep's queue is not read", [("queue reader", WRONG, "SweepQueueReader")], stop_reading),
    Fault("the bucket does not notify", [("log files", WRONG, LOGS)], stop_notices),
    Fault("the trail is stopped", [("trail", WRONG, TRAIL)], stop_trail),
    Fault("its selectors leave writes out", [("trail", WRONG, TRAIL)], narrow_trail),
    Fault("there is no trail", [("trail", WRONG, "")], delete_trail),
    Fault("a tamper rule is disabled", [("tamper rule", WRONG, f"{TAMPER}-trail")],
          lambda it: disable_rule(events(it), f"{TAMPER}-trail")),
    Fault("a tamper rule is deleted", [("tamper rule", WRONG, f"{TAMPER}-topic")],
          lambda it: delete_rule(events(it), f"{TAMPER}-topic")),
    Fault("a tamper rule tells another topic", [("tamper rule", WRONG, f"{TAMPER}-role")],
          lambda it: redirect(events(it), f"{TAMPER}-role")),
    Fault("IAM's events are not forwarded", [("tamper rule", WRONG, f"{TAMPER}-us-east-1")],
          lambda it: disable_rule(events(it, ELSEWHERE), f"{TAMPER}-us-east-1")),
    Fault("an alarm is disarmed", [("alarm", WRONG, "ErrorAlarm")], disarm_alarm),
    Fault("an alarm is raised", [("alarm", WRONG, "ThrottleAlarm")], raise_alarm),
    Fault("an alarm is deleted", [("alarm", WRONG, "PublishAlarm")], delete_alarm),
]


def of_member(stage, region=ELSEWHERE, service="events"):
    return stage.of(stage.members[-1], service, region)


def close_bus(stage):
    stage.client("events").remove_permission(EventBusName=STACK, StatementId="members")
    return stage.open_bus


def lock_out(stage):
    iam = stage.of(stage.members[-1], "iam", REGION)
    stage.ids["last"] = stage.members[-1]
    document = iam.get_role(RoleName="audit")["Role"]["AssumeRolePolicyDocument"]
    denied = json.dumps(document).replace("look-7f3a", "another")
    iam.update_assume_role_policy(RoleName="audit", PolicyDocument=denied)
    return lambda: iam.update_assume_role_policy(RoleName="audit", PolicyDocument=json.dumps(document))


def refuse_the_function(stage):
    stage.ids["last"] = stage.members[-1]
    stage.write_sweep(0, [f"{stage.members[-1]} {REGION}: AssumeRole: AccessDenied: not authorized"])


MEMBER_FAULTS = [
    Fault("a member's rule is disabled", [("forwarding", WRONG, "portcullis-forward")],
          lambda it: disable_rule(of_member(it), "portcullis-forward")),
    Fault("a member's rule is deleted", [("forwarding", WRONG, "portcullis-forward")],
          lambda it: delete_rule(of_member(it, REGION), "portcullis-forward")),
    Fault("a member forwards elsewhere", [("forwarding", WRONG, "portcullis-forward")],
          lambda it: redirect(of_member(it), "portcullis-forward")),
    Fault("a member's tamper rule is disabled", [("tamper rule", WRONG, "portcullis-tamper")],
          lambda it: disable_rule(of_member(it), "portcullis-tamper")),
    Fault("the hub's other Region does not forward", [("forwarding", WRONG, "portcullis-forward")],
          lambda it: disable_rule(events(it, ELSEWHERE), "portcullis-forward")),
    Fault("the members' tamper rule is disabled", [("tamper rule", WRONG, f"{TAMPER}-members")],
          lambda it: disable_rule(events(it), f"{TAMPER}-members", EventBusName=STACK)),
    Fault("the bus takes nothing from the members", [("bus", WRONG, STACK)], close_bus),
    Fault("a member's role cannot be assumed", [("member", "cannot_tell", "")], lock_out),
    Fault("a member's opening is past its end", [("opening", WRONG, "w-9c0d1e2f")],
          lambda it: leave_open(it, lambda service: of_member(it, ELSEWHERE, service), (it.members[-1], ELSEWHERE),
                                "w-9c0d1e2f")),
    Fault("the end of an opening fails", [("opening", WRONG, "w-3a4b5c6d")],
          lambda it: refuse_the_end(it, it.members[-1], "w-3a4b5c6d")),
    Fault("the function does not know the role for ends", [("end role", WRONG, "{EndRole}")],
          lambda it: forget_role(it, "PORTCULLIS_END_ROLE")),
    # This stays in the log.
    Fault("the function cannot assume a member's role", [("member role", WRONG, "{last}")], refuse_the_function),
]
