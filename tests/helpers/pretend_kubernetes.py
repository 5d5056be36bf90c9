"""A Kubernetes API server that runs the container of each job as a process on this machine.

It knows what snakemake-executor-plugin-kubernetes asks for. A pod has a working folder of its own,
the environment of its image (given here) and its secrets; a volume is mounted where it is.
"""

import base64
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]
NEW = re.compile(r"/api(?:s/batch)?/v1/namespaces/(?P<namespace>[^/]+)/(?P<kind>jobs|secrets)$")
STATUS = re.compile(r"/apis/batch/v1/namespaces/[^/]+/jobs/(?P<name>[^/]+)/status$")
PODS = re.compile(r"/api/v1/namespaces/[^/]+/pods(?:/(?P<log>[^/]+)/log)?$")


@dataclass
class Cluster:
    """The state of the server.

    Attributes:
        folder: where pods work.
        image: the environment of their image.
        jobs: every job as it was asked for, by name.
        processes: the container of each.
        secrets: values of each secret.
        kubeconfig: what KUBECONFIG names.
    """

    folder: Path
    image: dict[str, str]
    jobs: dict[str, Json] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    kubeconfig: Path = Path()

    def start(self, job: Json) -> None:
        """Run the container of a new job."""
        name = job["metadata"]["name"]
        [container] = job["spec"]["template"]["spec"]["containers"]
        work = self.folder / name
        work.mkdir()
        secret = {
            one["name"]: self.secrets[key["name"]][key["key"]]
            for one in container.get("env", [])
            for key in [one["valueFrom"]["secretKeyRef"]]
        }
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=work,
                env=self.image | secret,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.jobs[name] = job

    def status(self, name: str) -> Json:
        """Return a job with its status."""
        code = self.processes[name].poll()
        counts = {} if code is None else {"failed": 1} if code else {"succeeded": 1}
        return {**self.jobs[name], "status": counts}

    def pod(self, name: str) -> Json:
        """Return the pod of a job."""
        code = self.processes[name].poll()
        state: Json = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
        container = {"name": "snakemake", "image": "i", "imageID": "i", "ready": True}
        return {
            "metadata": {"name": f"pod-{name}"},
            "status": {"containerStatuses": [{**container, "restartCount": 0, "state": state}]},
        }

    def kill(self, name: str) -> None:
        """End a pod without warning."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)

    def stop(self) -> None:
        """End all pods."""
        for name, process in self.processes.items():
            if process.poll() is None:
                self.kill(name)


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

        def answer(self, body: Json | str, code: int = 200) -> None:
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(code)
            kind = "text/plain" if isinstance(body, str) else "application/json"
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            made = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = NEW.match(self.path.partition("?")[0])
            if found is None:
                self.answer({"message": self.path}, 404)
            elif found["kind"] == "secrets":
                values = made.get("data") or {}
                decoded = {key: base64.b64decode(value).decode() for key, value in values.items()}
                cluster.secrets[made["metadata"]["name"]] = decoded
                self.answer(made, 201)
            else:
                cluster.start(made)
                self.answer(made, 201)

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if found := STATUS.match(path):
                self.answer(cluster.status(found["name"]))
            elif found := PODS.match(path):
                if found["log"]:
                    log = cluster.folder / f"{found['log'].removeprefix('pod-')}.log"
                    self.answer(log.read_text(encoding="utf-8", errors="replace"))
                else:
                    name = query.rpartition("job-name%3D")[2]
                    self.answer({"items": [cluster.pod(name)]})
            else:
                self.answer({"message": self.path}, 404)

        def do_DELETE(self) -> None:
            self.answer({"status": "Success"})

    return Handler


@contextmanager
def started(folder: Path, image: dict[str, str]) -> Iterator[Cluster]:
    """Serve a cluster; its pods end with it.

    Args:
        folder: for the files of pods, which must be new.
        image: the environment of every container.
    """
    folder.mkdir()
    cluster = Cluster(folder, image)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cluster))
    address = f"http://127.0.0.1:{server.server_port}"
    cluster.kubeconfig = folder / "kubeconfig"
    named = {"name": "pretend"}
    cluster.kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{**named, "cluster": {"server": address}}],
                "users": [{**named, "user": {}}],
                "contexts": [{**named, "context": {"cluster": "pretend", "user": "pretend"}}],
                "current-context": "pretend",
            }
        ),
        encoding="utf-8",
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield cluster
    finally:
        cluster.stop()
        server.shutdown()
