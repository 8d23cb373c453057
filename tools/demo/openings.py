"""What an operator opens: an act that is undone, and an opening that ends by itself. The emulator has EventBridge Scheduler,
and its schedules fire, so that nothing stands in for the end."""

import json
import time

from drill import portcullis

OPEN_SECONDS = 10
# EventBridge Scheduler is exact to a minute; the emulator looks at its schedules every few seconds.
ENDS_WITHIN_SECONDS = 60


def undo(cli, url, stage, act):
    """Puts back what an act took away, for an hour, although the policy forbids it."""
    outputs = stage.stack.outputs()
    place = ["--evidence", outputs["EvidenceLocation"], "--memory", outputs["MemoryTableName"]]
    return portcullis(cli, url, ["undo", act, "--waive", "1h", "--reason", "DEMO-1", "--yes", *place])


def open_for_a_while(cli, url, stage, group):
    """Opens PostgreSQL to one address, for some seconds. The evidence's place is named, for the emulator has no Object Lock."""
    what = ["--port", "postgres", "--from", "203.0.113.7", "--for", f"{OPEN_SECONDS}s", "--reason", "DEMO-2"]
    place = ["--evidence", stage.stack.outputs()["EvidenceLocation"]]
    return portcullis(cli, url, ["open", group, *what, "--yes", *place])


def wait_for_the_end(stage, is_open):
    """Waits until EC2 does not show the rule any more; answers the function's finding."""
    started = time.monotonic()
    while is_open():
        if time.monotonic() - started > OPEN_SECONDS + ENDS_WITHIN_SECONDS:
            raise RuntimeError("the opening is still there; the function's log:\n" + "\n".join(stage.stack.log_lines()[-20:]))
        time.sleep(0.2)
    while time.monotonic() - started < OPEN_SECONDS + ENDS_WITHIN_SECONDS:
        for line in stage.stack.log_lines():
            if '"call":"End"' in line and line.startswith("{"):
                return json.loads(line)
        time.sleep(0.2)
    raise RuntimeError("the rule is gone, and the function's log has no finding of it")
