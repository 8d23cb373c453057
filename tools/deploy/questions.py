"""What a first deployment asks, and the template's parameters that follow from the answers. Nothing here knows AWS."""

import re
import secrets

MEMBER_ROLE = "portcullis"

QUESTIONS = [
    (
        "AlarmEmail",
        "E-mail address that findings and alarms go to",
        "none",
    ),
    (
        "OrganizationId",
        "Accounts to guard: this one, or those of the organisation that this account administers, by its id (o-…)",
        "this one",
    ),
    (
        "Regions",
        "Regions to sweep and to revoke in: this one, a list such as eu-west-1,us-east-1, or * for all",
        "this one",
    ),
]


class NotAccepted(Exception):
    """A value that the template would refuse; says what it accepts."""


def ask(rules, given, read=input, say=print):
    """Asks for what is not given already; gives the parameters that follow from the answers, beside those given.

    `rules` are the template's parameters: an answer is held to the same pattern that CloudFormation would hold it to.
    """
    asked = [question for question in QUESTIONS if question[0] not in given]
    if asked:
        say("Enter takes what stands in brackets. It starts in alert mode: it reports, and has no permission to revoke.")
    answers = {}
    for parameter, text, default in asked:
        answers[parameter] = answer(rules[parameter], f"{text} [{default}]: ", read, say)
    return follow_up(answers, given)


def answer(rule, prompt, read, say):
    while True:
        value = read(prompt).strip()
        try:
            check(rule, value)
        except NotAccepted as why:
            say(f"  {value!r} {why}")
        else:
            return value


def check(rule, value):
    if not re.search(rule["AllowedPattern"], value):
        raise NotAccepted(rule["ConstraintDescription"])


def follow_up(answers, given):
    """An organisation needs three parameters more, which have one good value each for whoever begins."""
    organization = given.get("OrganizationId") or answers.get("OrganizationId")
    if organization:
        more = {"Accounts": "*", "MemberRole": MEMBER_ROLE, "ExternalId": f"gate-{secrets.token_hex(8)}"}
        answers = answers | {name: value for name, value in more.items() if name not in given}
    return answers


def parse(overrides):
    """Parameters by name, from Key=Value words as SAM takes them: a value may stand in double quotes."""
    if isinstance(overrides, str):
        overrides = re.findall(r'[A-Za-z0-9]+=(?:"(?:\\.|[^"\\])*"|\S*)', overrides)
    parameters = {}
    for word in overrides:
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z0-9]+", name):
            raise NotAccepted(f"{word!r} must be Key=Value")
        if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters[name] = value
    return parameters


def words(parameters):
    """The same as SAM takes them; always quoted, so that a value may be empty or have a space."""
    escaped = {name: re.sub(r'(["\\])', r"\\\1", value) for name, value in parameters.items()}
    return [f'{name}="{value}"' for name, value in escaped.items()]
