"""An S3 server for tests, over real HTTP: moto's, with a record of requests and faults to order.

    python tests/s3_server.py

prints its port and ends when its standard input does, so that it never outlives who started it.
`GET /_requests` gives the requests so far as JSON; `POST /_faults` takes a JSON list of objects
with `method`, `path` (a regular expression), `when` (`before` or `after` the store does it),
`times` and `status`: requests that match are answered with that status so many times.
"""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

Start = Callable[..., Any]


class Store:
    """moto's application, watched."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._requests: list[dict[str, str | None]] = []
        self._faults: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/_requests":
            return Response(json.dumps(self._requests))(environ, start)
        if path == "/_faults":
            self._faults = Request(environ).get_json()
            return Response()(environ, start)
        fault = self._fault(method, path)
        if fault and fault["when"] == "before":
            self._note(environ, str(fault["status"]))
            return Response(status=fault["status"])(environ, start)

        def started(status: str, *arguments: Any) -> Any:
            self._note(environ, status[:3])
            return start(status, *arguments)

        answer: Iterable[bytes] = self._moto(environ, (lambda *_: None) if fault else started)
        if fault:
            b"".join(answer)
            self._note(environ, str(fault["status"]))
            return Response(status=fault["status"])(environ, start)
        return answer

    def _fault(self, method: str, path: str) -> dict[str, Any] | None:
        with self._lock:
            for fault in self._faults:
                if fault["method"] == method and fault["times"] and re.search(fault["path"], path):
                    fault["times"] -= 1
                    return fault
        return None

    def _note(self, environ: dict[str, Any], status: str) -> None:
        condition = environ.get("HTTP_IF_NONE_MATCH")
        seen = {"method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"]}
        self._requests.append({**seen, "if_none_match": condition, "status": status})


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, Store(), threaded=True)
    print(server.port, flush=True)  # noqa: T201  how the starter learns it
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
