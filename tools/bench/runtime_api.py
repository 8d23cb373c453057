"""Lambda's Runtime API on loopback, with a clock at the wire.

It answers over bare sockets, one thread a connection, and takes the time in that thread: when a poll has come, when an
event goes out, when its answer has come. So what it costs is little and the same for every function.
"""

import itertools
import json
import queue
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

ACCOUNT = "111122223333"
REGION = "eu-west-1"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:portcullis"
TIMEOUT_SECONDS = 30
ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'

_request_ids = itertools.count(1)


class FunctionFailed(Exception):
    """The function did not do what it is measured for; nothing measured in this run is worth anything."""


@dataclass(frozen=True)
class Answer:
    handed_out_ns: int
    received_ns: int
    payload: object


@dataclass
class RuntimeApi:
    """Serves one function from its start to its end."""

    first_poll_ns: int | None = None
    timeout_seconds: int = TIMEOUT_SECONDS
    _events: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    _answers: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    _handed_out_ns: dict = field(default_factory=dict)
    _sockets: list = field(default_factory=list)

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(self._listener)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._events.put(None)
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    @property
    def address(self):
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def put(self, event):
        """Queues an event: the next poll gets it at once."""
        self.put_bytes(json.dumps(event).encode())

    def put_bytes(self, event):
        """Queues an event as it is."""
        self._events.put(event)

    def take(self, timeout):
        """The next answer; raises `queue.Empty` when none has come in that time."""
        answer = self._answers.get(timeout=timeout)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        # A stopped function leaves its request unanswered. That is its normal end, not an error.
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while request := read_request(lines):
                now = time.monotonic_ns()
                method, path, body = request
                if method == "GET" and path.endswith("/invocation/next"):
                    self._poll(connection, now)
                else:
                    self._posted(path, body, now)
                    connection.sendall(ACCEPTED)

    def _poll(self, connection, now):
        if self.first_poll_ns is None:
            self.first_poll_ns = now
        event = self._events.get()
        if event is None:
            raise OSError("the function's time is over")
        request_id = f"00000000-0000-4000-8000-{next(_request_ids):012}"
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int((time.time() + self.timeout_seconds) * 1000)}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {FUNCTION_ARN}\r\n"
            "Lambda-Runtime-Trace-Id: Root=1-00000000-000000000000000000000000;Sampled=0\r\n"
            f"Content-Length: {len(event)}\r\n\r\n"
        )
        self._handed_out_ns[request_id] = time.monotonic_ns()
        connection.sendall(head.encode() + event)

    def _posted(self, path, body, now):
        *_, request_id, what = path.split("/")
        if what == "response":
            self._answers.put(Answer(self._handed_out_ns.pop(request_id), now, json.loads(body)))
        else:
            self._answers.put(FunctionFailed(f"the function posted to {path}: {body.decode(errors='replace')}"))


def read_request(lines):
    """Method, path and body of the next request; None at the end of the connection."""
    request_line = lines.readline()
    if not request_line:
        return None
    method, path, _ = request_line.decode().split()
    length, chunked = 0, False
    while (line := lines.readline().strip()) != b"":
        name, _, value = line.decode().lower().partition(":")
        if name == "content-length":
            length = int(value)
        elif name == "transfer-encoding":
            chunked = value.strip() == "chunked"
    return method, path, read_chunks(lines) if chunked else lines.read(length)


def read_chunks(lines):
    body = b""
    while size := int(lines.readline().split(b";")[0], 16):
        body += lines.read(size)
        lines.readline()
    lines.readline()
    return body
