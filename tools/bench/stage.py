"""The stage: the model of EC2 over TLS on loopback, a certificate authority of its own, and groups to remediate."""

import http.client
import itertools
import json
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from runtime_api import ACCOUNT, REGION, FunctionFailed

SSH_FROM_ANYWHERE = {"protocol": "tcp", "fromPort": 22, "toPort": 22, "sources": ["0.0.0.0/0"]}
PLACE = {"account": ACCOUNT, "region": REGION}
SYSTEM_BUNDLES = [
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Amazon Linux, Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
]


class Authority:
    """A certificate for 127.0.0.1, RSA as EC2's own, and two trust stores for it: among all that the machine trusts,
    which is what a client usually reads, and alone."""

    def __init__(self, folder):
        authority = trustme.CA(key_type=trustme.KeyType.RSA)
        server = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
        self.chain, self.key = folder / "server.pem", folder / "server.key"
        self.chain.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
        self.key.write_bytes(server.private_key_pem.bytes())
        self.alone, self.among_all = folder / "authority.pem", folder / "all.pem"
        own = authority.cert_pem.bytes()
        self.alone.write_bytes(own)
        self.among_all.write_bytes(system_bundle().read_bytes() + own)


def system_bundle():
    candidates = [ssl.get_default_verify_paths().cafile, *SYSTEM_BUNDLES]
    for candidate in filter(None, candidates):
        if Path(candidate).is_file():
            return Path(candidate)
    raise FunctionFailed(f"no bundle of certificate authorities at any of {', '.join(SYSTEM_BUNDLES)}")


@contextmanager
def ec2_model(program, authority):
    """Runs the model on a free port."""
    command = [program, "--listen", "127.0.0.1:0", "--tls", authority.chain, authority.key]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        first_line = process.stdout.readline()
        _, _, url = first_line.rpartition(" ")
        if not url.startswith("https://"):
            raise FunctionFailed(f"ec2-model did not say where it listens: {first_line!r}")
        yield Ec2(url.strip(), authority.alone)
    finally:
        process.kill()
        process.wait()


class Ec2:
    """The model as its user sees it, who opens SSH to the world."""

    def __init__(self, url, trusted):
        self.url = url
        self._connection = http.client.HTTPSConnection(
            urlsplit(url).netloc, context=ssl.create_default_context(cafile=trusted), timeout=10
        )
        self._names = itertools.count(1)

    def open_ssh(self):
        """Makes a group, opens SSH in it; answers the group and the event that tells of it."""
        group = self._post("create-group", name=f"bench-{next(self._names)}", vpc="other")["groupId"]
        self._post("authorize", group=group, permissions=[SSH_FROM_ANYWHERE])
        *_, event = self._get("events")
        if event["detail"]["eventName"] != "AuthorizeSecurityGroupIngress":
            raise FunctionFailed(f"the model's last event is {event['detail']['eventName']}")
        return group, event

    def check_closed_and_delete(self, group):
        rules = self._get(f"rules?account={ACCOUNT}&region={REGION}&group={group}")
        if left := [rule for rule in rules if rule["direction"] == "ingress"]:
            raise FunctionFailed(f"{group} still has {json.dumps(left)}")
        self._post("delete-group", group=group)

    def actions(self):
        """The calls of the EC2 API so far."""
        return [call["action"] for call in self._get("calls") if call["account"]]

    def _get(self, endpoint):
        return self._call("GET", endpoint, None)

    def _post(self, endpoint, **arguments):
        return self._call("POST", endpoint, json.dumps(PLACE | arguments))

    def _call(self, method, endpoint, body):
        self._connection.request(method, f"/_model/{endpoint}", body)
        answer = self._connection.getresponse()
        payload = answer.read()
        if answer.status != 200:
            raise FunctionFailed(f"the model answers {endpoint} with {answer.status} {payload.decode()}")
        return json.loads(payload)
