"""The CloudTrail record of an AuthorizeSecurityGroupIngress call, as CloudTrail writes it.

No emulator sends CloudTrail records to EventBridge, so the demo writes the one that AWS would write of the call it has
just made: request and response as made, lists as {"items": […]}, empty ones as {}.
"""

import uuid
from datetime import datetime, timezone


def record_of_authorize(user_arn, request, response, region):
    metadata = response["ResponseMetadata"]
    account, user_name = user_arn.split(":")[4], user_arn.rsplit("/", 1)[-1]
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "arn": user_arn, "accountId": account, "userName": user_name},
        "eventTime": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "ec2.amazonaws.com",
        "eventName": "AuthorizeSecurityGroupIngress",
        "awsRegion": region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "Boto3",
        "requestParameters": {
            "groupId": request["GroupId"],
            "ipPermissions": items([permission(each) for each in request["IpPermissions"]]),
        },
        "responseElements": {
            "requestId": metadata["RequestId"],
            "_return": True,
            "securityGroupRuleSet": items([rule(each) for each in response["SecurityGroupRules"]]),
        },
        "requestID": metadata["RequestId"],
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }


def event_of(record):
    """The event that EventBridge makes of a record."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "account": record["recipientAccountId"],
        "time": record["eventTime"],
        "region": record["awsRegion"],
        "resources": [],
        "detail": record,
    }


def permission(asked):
    return {
        "ipProtocol": asked["IpProtocol"],
        "fromPort": asked["FromPort"],
        "toPort": asked["ToPort"],
        "groups": {},
        "ipRanges": items([{"cidrIp": each["CidrIp"]} for each in asked["IpRanges"]]),
        "ipv6Ranges": {},
        "prefixListIds": {},
    }


def rule(made):
    return {
        "groupOwnerId": made["GroupOwnerId"],
        "groupId": made["GroupId"],
        "securityGroupRuleId": made["SecurityGroupRuleId"],
        "isEgress": made["IsEgress"],
        "ipProtocol": made["IpProtocol"],
        "fromPort": made["FromPort"],
        "toPort": made["ToPort"],
        "cidrIpv4": made["CidrIpv4"],
    }


def items(entries):
    return {"items": entries} if entries else {}
