"""Puts into the model of EC2 what an event speaks of: the function believes what EC2 shows, not what the event says."""

import json
import sys
import urllib.error
import urllib.request


def restage(event, url, account, region):
    """Makes the event's group and its rules in the model; answers the event with the model's ids for its own.

    An event that names no group, or rules that the model does not take, is answered as it is, and what is wrong with it
    is left for the function to find.
    """
    group, rules = subject(event)
    if group is None:
        return event
    try:
        new_ids = make(url, {"account": account, "region": region}, group, rules)
    except urllib.error.HTTPError as error:
        print(f"invoke: the model of EC2 does not take the event's rules: {error.read().decode()}", file=sys.stderr)
        return event
    text = json.dumps(event)
    for old, new in new_ids.items():
        text = text.replace(old, new)
    return json.loads(text)


def make(url, place, group, rules):
    """Makes the group and its rules; answers the model's ids by those of the event."""
    new_group = call(url, "create-group", **place, name="event", vpc="other")["groupId"]
    new_ids = {group: new_group}
    for rule_id, permission in rules:
        (new_ids[rule_id],) = call(url, "authorize", **place, group=new_group, permissions=[permission])["ruleIds"]
    return new_ids


def subject(event):
    """The group of an AuthorizeSecurityGroupIngress event, and its rules by id, as its response lists them."""
    try:
        entries = event["detail"]["responseElements"]["securityGroupRuleSet"]["items"]
        rules = [(str(entry["securityGroupRuleId"]), permission(entry)) for entry in entries]
        return str(entries[0]["groupId"]), rules
    except (KeyError, IndexError, TypeError, AttributeError):
        return None, []


def permission(entry):
    source = entry.get("cidrIpv4") or entry.get("cidrIpv6") or entry.get("prefixListId")
    ports = {} if entry["ipProtocol"] == "-1" else {"fromPort": entry["fromPort"], "toPort": entry["toPort"]}
    return {"protocol": entry["ipProtocol"], **ports, "sources": [source or entry["referencedGroupInfo"]["groupId"]]}


def call(url, endpoint, **arguments):
    request = urllib.request.Request(f"{url}/_model/{endpoint}", data=json.dumps(arguments).encode(), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as answer:
        return json.load(answer)
