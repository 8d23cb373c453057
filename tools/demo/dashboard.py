"""A picture of the stack's dashboard, with what the demo has measured: docs/dashboard.svg.

The layout, titles and labels are those of the deployed dashboard. The function's metrics are read from its log, as
CloudWatch reads them; Lambda's from the lines that Lambda writes into the same log; SQS's from the queues. What the
emulator measures nowhere is drawn as `no data`.
"""

import json
import re
from html import escape

COLUMN, ROW, GAP = 40, 34, 8
COLOURS = ["#2a6fbb", "#2e8540", "#c98b00", "#c0392b", "#6b5b95", "#0f7b8a"]
DURATION = re.compile(r"Duration: ([\d.]+) ms")


def draw(stack, path):
    """Draws the dashboard of a stack into a file."""
    widgets = json.loads(stack.dashboard())["widgets"]
    measured = Measured(stack)
    height = max(widget["y"] + widget["height"] for widget in widgets) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN} {height}" font-family="sans-serif">',
        "<!-- Written by tools/demo/dashboard.py from a run of make demo. -->",
        f'<rect width="{24 * COLUMN}" height="{height}" fill="#f2f3f3"/>',
    ]
    for widget in widgets:
        parts += drawn(widget, measured)
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


class Measured:
    """What the demo has measured of a metric: its values, or None where nothing measures it."""

    def __init__(self, stack):
        lines = stack.log_lines()
        self._own = {}
        for line in lines:
            for name, value in embedded(line).items():
                self._own.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        durations = [float(found[1]) for line in lines if line.startswith("REPORT") and (found := DURATION.search(line))]
        started = [1 for line in lines if line.startswith("START RequestId")]
        self._lambda = {"Invocations": started, "Duration": durations or None}
        self._queues = stack.queued()
        self._log = [len(line.encode()) for line in lines]

    def values(self, space, name, dimension):
        if space == "Portcullis":
            return self._own.get(name, [])
        if space == "AWS/Lambda":
            return self._lambda.get(name)
        if name == "ApproximateNumberOfMessagesVisible":
            return [self._queues[dimension]] if dimension in self._queues else None
        return self._log if name == "IncomingBytes" else None


def embedded(line):
    """The metrics of a line in CloudWatch's embedded metric format."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    if not isinstance(record, dict) or "_aws" not in record:
        return {}
    names = [metric["Name"] for each in record["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]]
    return {name: record[name] for name in names}


def statistic(values, stat):
    if values is None:
        return None
    if stat == "Sum":
        return sum(values)
    if not values:
        return 0
    if stat == "Maximum":
        return max(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * int(stat.removeprefix("p")) / 100))]


def rows(widget, measured):
    """The label and the value of each line of a widget."""
    properties = widget["properties"]
    known, lines = {}, []
    for metric in properties["metrics"]:
        options = metric[-1] if isinstance(metric[-1], dict) else {}
        if "expression" in options:
            lines.append((options["label"], options["expression"]))
            continue
        space, name, *rest = [each for each in metric if isinstance(each, str)]
        values = measured.values(space, name, rest[-1] if rest else None)
        value = statistic(values, options.get("stat", properties["stat"]))
        if "id" in options:
            known[options["id"]] = value
        if options.get("visible", True):
            lines.append((options.get("label", name), value))
    return [(label, calculated(value, known) if isinstance(value, str) else value) for label, value in lines]


def calculated(expression, known):
    """The expressions of the dashboard divide and multiply, from the left."""
    first, *rest = re.split(r"([*/])", expression)
    value = known[first]
    for operator, number in zip(rest[::2], rest[1::2]):
        if value is None:
            return None
        value = value * float(number) if operator == "*" else value / float(number)
    return value


def drawn(widget, measured):
    x, y = widget["x"] * COLUMN + GAP, widget["y"] * ROW + GAP
    width, height = widget["width"] * COLUMN - 2 * GAP, widget["height"] * ROW - 2 * GAP
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="#fff" stroke="#d5dbdb"/>'
    yield text(x + 12, y + 22, widget["properties"]["title"], 13, "#16191f", "bold")
    lines = rows(widget, measured)
    most = max([value for _, value in lines if value] or [1])
    for number, (label, value) in enumerate(lines):
        at = y + 48 + number * 26
        yield text(x + 12, at, label, 12, "#545b64")
        middle = x + width * 0.52
        long = width * 0.32 * (value or 0) / most
        if long:
            colour = COLOURS[number % len(COLOURS)]
            yield f'<rect x="{middle:.0f}" y="{at - 11}" width="{long:.1f}" height="13" fill="{colour}"/>'
        yield text(middle + long + 6, at, shown(value), 12, "#16191f" if value is not None else "#879596")


def shown(value):
    if value is None:
        return "no data"
    return f"{value:.0f}" if value == int(value) else f"{value:.2g}"


def text(x, y, words, size, colour, weight="normal"):
    return f'<text x="{x:.0f}" y="{y}" font-size="{size}" fill="{colour}" font-weight="{weight}">{escape(words)}</text>'
