"""Makes cargo-lambda's emulator tell the function what Lambda tells it.

The emulator says that every invocation was due ten minutes after the start of 1970, and calls the function
`function-arn`. The function takes both at their word: it stops at its deadline, and its account is that of its ARN. So
this stands between the two and corrects those headers.
"""

import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TIMEOUT_SECONDS = 30


@contextmanager
def corrected(emulator_port, function_arn):
    """Serves the emulator's Runtime API, corrected, on a free loopback port; gives the address for the function."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.forward(body=None)

        def do_POST(self):
            self.forward(body=self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def forward(self, body):
            emulator = HTTPConnection("127.0.0.1", emulator_port)
            headers = {name: value for name, value in self.headers.items() if name.lower().startswith("lambda-")}
            emulator.request(self.command, f"/.rt{self.path}", body, headers)
            answer = emulator.getresponse()
            payload = answer.read()
            self.send_response(answer.status)
            for name, value in (dict(lambda_headers(answer)) | corrections(answer)).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_):
            pass

    def lambda_headers(answer):
        return ((name.lower(), value) for name, value in answer.getheaders() if name.lower().startswith("lambda-"))

    def corrections(answer):
        if answer.getheader("lambda-runtime-aws-request-id") is None:
            return {}
        return {
            "lambda-runtime-deadline-ms": str(int((time.time() + TIMEOUT_SECONDS) * 1000)),
            "lambda-runtime-invoked-function-arn": function_arn,
        }

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # A stopped function leaves its request for the next event unanswered. That is not an error.
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
