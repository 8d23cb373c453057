"""What the demo says and how it looks: steps with their time, rules, findings; colours only on a terminal."""

import os
import sys
import time
from contextlib import contextmanager

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(colour, text):
    return f"\033[{_COLOURS[colour]}m{text}\033[0m" if _COLOURED else text


def say(text="", indent=2):
    print(" " * indent + text if text else "", flush=True)


def headline(text):
    print("\n" + paint("bold", text), flush=True)


@contextmanager
def step(what):
    """Names a step before it runs and adds the time it took; an error leaves the line unfinished and passes on."""
    print(f"  {what} … ", end="", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(paint("red", "failed"), flush=True)
        raise
    print(paint("dim", f"{time.monotonic() - started:.1f} s"), flush=True)


def show_rules(title, rules):
    """Prints ingress rules as EC2 lists them (DescribeSecurityGroupRules)."""
    say(title)
    for rule in rules:
        say(f"{rule['SecurityGroupRuleId']}  {rule['IpProtocol']} {rule['FromPort']:<5} from {rule['CidrIpv4']}", 4)
    if not rules:
        say("none", 4)


_ACTION_COLOURS = {"revoked": "green", "would_revoke": "yellow", "failed": "red"}


def show_finding(finding):
    """What was open, who opened it, and what became of each rule."""
    for exposure in finding["exposures"]:
        say(f"{exposure['protocol']} {exposure['port']} ({exposure['guard']}) from {', '.join(exposure['sources'])}", 4)
    if not finding["exposures"]:
        say(finding["reason"], 4)
    name = f" ({finding['group_name']})" if finding.get("group_name") else ""
    place = [finding.get("account"), finding.get("region"), finding.get("group") and finding["group"] + name]
    if any(place):
        say(f"in  {' '.join(part for part in place if part)}", 4)
    if finding.get("actor"):  # a sweep knows of none
        say(f"by  {finding['actor']}", 4)
    for rule in finding["rules"]:
        action = paint(_ACTION_COLOURS.get(rule["action"], "dim"), rule["action"].replace("_", " "))
        say(f"{rule['id']}  {traffic(rule)} from {rule.get('source') or 'nowhere any more'}  {action}", 4)


def traffic(rule):
    """What a rule admits, as people say it."""
    protocol, first, last = (rule.get(key) for key in ("protocol", "from_port", "to_port"))
    if protocol == "-1":
        return "all traffic"
    ports = "" if first is None else f" {first}" if first == last else f" {first}-{last}"
    return f"{protocol}{ports}"
