"""A local AWS emulator (ministack) on a free loopback port, gone without a trace when the demo is.

It runs with AUTH=true, so that the function works under the IAM role of the template and with no more rights than that
role has, as it would on AWS.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import boto3

from loopback import free_port

ACCOUNT = "123456789012"
REGION = "eu-west-1"
READY_WITHIN_SECONDS = 20


class Emulator:
    def __init__(self, work_dir):
        self.log = work_dir / "ministack.log"
        self._tmp = work_dir / "tmp"
        self._port = free_port()
        self._process = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self):
        shutil.rmtree(self._tmp, ignore_errors=True)
        self._tmp.mkdir(parents=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("ministack")],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # The emulator gets a process group of its own. The functions that it runs are stopped with it, and
                # Ctrl-C in the terminal reaches the demo first.
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._tmp, ignore_errors=True)

    def session(self, access_key=ACCOUNT, secret_key="demo", region=REGION):
        """A boto3 session; by default as the account's root, which the emulator knows by the account id as key."""
        return Session(self.url, access_key, secret_key, region)

    def _environment(self):
        # The environment is built from nothing, because the emulator passes it on to the functions. Neither may see the
        # user's credentials, profiles or proxies.
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._tmp),
            "TMPDIR": str(self._tmp),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "AWS_ENDPOINT_URL": self.url,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            # The demo does not need these listeners on fixed ports.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None:
                raise RuntimeError(f"ministack ended with status {self._process.returncode}; see {self.log}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"ministack was not ready within {READY_WITHIN_SECONDS} s; see {self.log}")
            time.sleep(0.05)

    def _is_ready(self):
        no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with no_proxy.open(f"{self.url}/_ministack/ready", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Session:
    """boto3 clients of one principal, all of them at the emulator, whatever AWS settings or proxies the caller has."""

    def __init__(self, url, access_key, secret_key, region):
        self._url = url
        self.account, self.region = access_key, region
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ["NO_PROXY"] = "127.0.0.1"
        self._session = boto3.Session(
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region
        )

    def client(self, service):
        return self._session.client(service, endpoint_url=self._url)
