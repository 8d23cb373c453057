"""Runs the boto3 handler as Lambda's Python runtime does: import it, then serve the Runtime API on one connection."""

import importlib
import json
import os
import time
import traceback
from http.client import HTTPConnection

INVOCATION = "/2018-06-01/runtime/invocation"


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))


def main():
    handler = importlib.import_module("boto3_handler").handler
    runtime_api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        runtime_api.request("GET", f"{INVOCATION}/next")
        next_event = runtime_api.getresponse()
        event = json.loads(next_event.read())
        context = Context(next_event.headers)
        try:
            path, answer = "response", handler(event, context)
        except Exception as error:
            traceback.print_exc()
            path, answer = "error", {"errorType": type(error).__name__, "errorMessage": str(error)}
        runtime_api.request("POST", f"{INVOCATION}/{context.aws_request_id}/{path}", json.dumps(answer))
        runtime_api.getresponse().read()


if __name__ == "__main__":
    main()
