"""CloudTrail's records of calls against Portcullis, as EventBridge hands them out.

The names and fields are CloudTrail's: a field of the API begins with a small letter; Lambda's calls carry the API's version
behind their names; a queue goes by its URL, a subscription by its ARN, an S3 object by `resources`.
"""

ACCOUNT = "123456789012"


def event(service, call, request=None, *, region="eu-west-1", response=None, resources=None, error=None):
    """An EventBridge event of the call that somebody made in `region`."""
    detail = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE1234567890:mallory",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Developer/mallory",
            "accountId": ACCOUNT,
        },
        "eventTime": "2026-11-25T09:30:00Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": call,
        "awsRegion": region,
        "sourceIPAddress": "198.51.100.9",
        "userAgent": "aws-cli/2.31.0",
        "requestParameters": request,
        "responseElements": response,
        "requestID": "8f7c1f7e-0000-4000-8000-000000000001",
        "eventID": "8f7c1f7e-0000-4000-8000-000000000002",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": service != "s3",
        "recipientAccountId": ACCOUNT,
    }
    if resources:
        detail["resources"] = resources
    if error:
        detail["errorCode"] = error
    return {
        "version": "0",
        "id": "8f7c1f7e-0000-4000-8000-000000000003",
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{service}",
        "account": ACCOUNT,
        "time": "2026-11-25T09:30:05Z",
        "region": region,
        "resources": [],
        "detail": detail,
    }


def s3_object(bucket, key):
    """`resources` of a data event on one object."""
    return [
        {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
        {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
    ]


def against_trails(trail="org-trail"):
    return [
        event("cloudtrail", "StopLogging", {"name": trail}),
        event("cloudtrail", "DeleteTrail", {"name": f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT}:trail/{trail}"}),
        event("cloudtrail", "UpdateTrail", {"name": trail, "isMultiRegionTrail": False}),
        event("cloudtrail", "PutEventSelectors", {"trailName": trail, "eventSelectors": [{"readWriteType": "ReadOnly"}]}),
    ]


def against_rule(name, bus=None, region="eu-west-1"):
    at = {"eventBusName": bus} if bus else {}
    return [
        event("events", "DisableRule", {"name": name, **at}, region=region),
        event("events", "DeleteRule", {"name": name, "force": False, **at}, region=region),
        event("events", "PutRule", {"name": name, "state": "DISABLED", **at}, region=region),
        event("events", "RemoveTargets", {"rule": name, "ids": ["portcullis"], **at}, region=region),
        event("events", "PutTargets", {"rule": name, "targets": [{"id": "portcullis"}], **at}, region=region),
    ]


def against_function(name):
    code, configuration = "UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2"
    arn = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{name}"
    return [
        event("lambda", code, {"functionName": name, "publish": False, "dryRun": False}),
        event("lambda", code, {"functionName": arn}),
        event("lambda", configuration, {"functionName": f"{name}:$LATEST", "timeout": 1}),
        event("lambda", configuration, {"functionName": f"{arn}:$LATEST", "environment": {}}),
        event("lambda", "PutFunctionConcurrency20171031", {"functionName": name, "reservedConcurrentExecutions": 0}),
        event("lambda", "DeleteFunction20150331", {"functionName": f"{ACCOUNT}:function:{name}"}),
        event("lambda", "DeleteFunctionConcurrency20171031", {"functionName": name}),
        event("lambda", "AddPermission20150331v2", {"functionName": name, "principal": "*", "statementId": "x"}),
        event("lambda", "RemovePermission20150331v2", {"functionName": name, "statementId": "x"}),
        event("lambda", "DeleteFunctionEventInvokeConfig", {"functionName": name}),
    ]


def against_mapping(uuid, function_arn):
    call, off = "UpdateEventSourceMapping20150331", {"uUID": uuid, "enabled": False}
    deleted = "DeleteEventSourceMapping20150331"
    return [
        event("lambda", call, off, response={"uUID": uuid, "functionArn": function_arn, "state": "Disabling"}),
        event("lambda", deleted, {"uUID": uuid}, response={"uUID": uuid, "functionArn": function_arn}),
    ]


def against_role(name):
    """IAM's calls, which it tells of in us-east-1 alone."""
    policy = {"roleName": name, "policyName": "revoke"}
    attached = {"roleName": name, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    return [
        event("iam", "PutRolePolicy", {**policy, "policyDocument": "{}"}, region="us-east-1"),
        event("iam", "DeleteRolePolicy", policy, region="us-east-1"),
        event("iam", "AttachRolePolicy", attached, region="us-east-1"),
        event("iam", "DetachRolePolicy", attached, region="us-east-1"),
        event("iam", "PutRolePermissionsBoundary", {"roleName": name, "permissionsBoundary": "x"}, region="us-east-1"),
        event("iam", "UpdateAssumeRolePolicy", {"roleName": name, "policyDocument": "{}"}, region="us-east-1"),
        event("iam", "DeleteRole", {"roleName": name}, region="us-east-1"),
    ]


def against_topic(arn):
    subscription = f"{arn}:6f0f9b5c-0000-4000-8000-000000000004"
    return [
        event("sns", "Unsubscribe", {"subscriptionArn": subscription}),
        event("sns", "SetSubscriptionAttributes", {"subscriptionArn": subscription, "attributeName": "FilterPolicy"}),
        event("sns", "SetTopicAttributes", {"topicArn": arn, "attributeName": "Policy", "attributeValue": "{}"}),
        event("sns", "DeleteTopic", {"topicArn": arn}),
        event("sns", "Subscribe", {"topicArn": arn, "protocol": "email", "endpoint": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
        event("sns", "PutDataProtectionPolicy", {"resourceArn": arn, "dataProtectionPolicy": "{}"}),
    ]


def against_key(arn):
    return [
        event("kms", "DisableKey", {"keyId": arn}),
        event("kms", "ScheduleKeyDeletion", {"keyId": arn.split("/")[1], "pendingWindowInDays": 7}),
    ]


def against_stack(name, stack_id):
    return [
        event("cloudformation", "DeleteStack", {"stackName": name}),
        event("cloudformation", "DeleteStack", {"stackName": stack_id}),
    ]


def against_queue(url):
    name = url.rsplit("/", 1)[-1]
    return [
        event("sqs", "PurgeQueue", {"queueUrl": url}),
        event("sqs", "PurgeQueue", {"queueUrl": f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/{name}"}),
        event("sqs", "DeleteQueue", {"queueUrl": f"https://eu-west-1.queue.amazonaws.com/{ACCOUNT}/{name}"}),
        event("sqs", "SetQueueAttributes", {"queueUrl": url, "attributes": {"Policy": ""}}),
    ]


def against_alarm(name):
    return [
        event("monitoring", "DisableAlarmActions", {"alarmNames": ["somebody-elses", name]}),
        event("monitoring", "DeleteAlarms", {"alarmNames": [name]}),
        event("monitoring", "SetAlarmState", {"alarmName": name, "stateValue": "OK", "stateReason": "x"}),
        event("monitoring", "PutMetricAlarm", {"alarmName": name, "actionsEnabled": False}),
    ]


def against_mutes(name):
    return [event("monitoring", "PutAlarmMuteRule", {"name": "quiet", "muteTargets": {"alarmNames": [name]}})]


def against_object(bucket, key):
    request = {"bucketName": bucket, "key": key}
    return [
        event("s3", "PutObject", request, resources=s3_object(bucket, key)),
        event("s3", "CopyObject", {**request, "x-amz-copy-source": "other/x"}, resources=s3_object(bucket, key)),
        event("s3", "DeleteObject", request, resources=s3_object(bucket, key)),
    ]
