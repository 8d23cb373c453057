"""S3 and EC2 on loopback for `peak_memory.py`: objects and answers that are made while they are sent, however large."""

import gzip
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from urllib.parse import parse_qs

KEY = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/21/111122223333_CloudTrail_eu-west-1_20261121T1000Z_{}.json.gz"
BUCKET = "trail"
# An answer of DescribeSecurityGroupRules has at most this many rules, and a group has 60.
PAGE = 1000
RULES_PER_GROUP = 60


class Aws:
    """Serves objects, each as an iterable of pieces, and a Region with so many lawful rules."""

    def __init__(self, objects=None, rules=0):
        self.objects = objects or {}
        self.rules = rules

    def __enter__(self):
        aws = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                name = self.path.split("?")[0].rsplit("_", 1)[-1].removesuffix(".json.gz")
                self.answer(*aws.objects[name]())

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                action = form["Action"][0]
                if action != "DescribeSecurityGroupRules":
                    raise AssertionError(f"the function called {action}")
                page = rules_page(aws.rules, int(form.get("NextToken", ["0"])[0]))
                self.answer(len(page), [page])

            def answer(self, length, pieces):
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                with suppress(OSError):
                    for piece in pieces:
                        self.wfile.write(piece)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"


def notice(name):
    """S3's notice of an object."""
    s3 = {"bucket": {"name": BUCKET}, "object": {"key": KEY.format(name)}}
    return json.dumps({"Records": [{"eventSource": "aws:s3", "awsRegion": "eu-west-1", "s3": s3}]}).encode()


def plain(record, size):
    """A log file that is not zipped, of that many bytes or a little less."""
    block = b",".join([record] * 1000)
    count = size // (len(block) + 1)
    length = len(b'{"Records":[') + count * (len(block) + 1) + len(b"{}]}")

    def pieces():
        yield b'{"Records":['
        yield from repeat(block + b",", count)
        yield b"{}]}"

    return lambda: (length, pieces())


def zipped(records):
    data = gzip.compress(b'{"Records":[' + b",".join(records) + b"]}")
    return lambda: (len(data), [data])


def rules_page(count, first):
    last = min(first + PAGE, count)
    rules = "".join(map(rule, range(first, last)))
    token = f"<nextToken>{last}</nextToken>" if last < count else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<DescribeSecurityGroupRulesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>'
        f"<securityGroupRuleSet>{rules}</securityGroupRuleSet>{token}</DescribeSecurityGroupRulesResponse>"
    ).encode()


def rule(number):
    return (
        f"<item><securityGroupRuleId>sgr-0{number:016x}</securityGroupRuleId><groupId>sg-0{number // RULES_PER_GROUP:016x}"
        "</groupId><groupOwnerId>111122223333</groupOwnerId><isEgress>false</isEgress><ipProtocol>tcp</ipProtocol>"
        f"<fromPort>443</fromPort><toPort>443</toPort><cidrIpv4>10.{number >> 8 & 255}.{number & 255}.0/24</cidrIpv4></item>"
    )
