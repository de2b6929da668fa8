"""A collector of traces of the tests: OTLP over HTTP as JSON, on a port of its own. Refuses what the specification does
not allow, so that a test sees it."""
import http.server
import json
import re
import threading


class Collector:
    def __init__(self, port=0):
        self.lock, self.spans, self.wrong, self.answer, self.posts = threading.Lock(), {}, [], 200, 0
        self.headers, self.services = [], set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.take(self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def take(self, path, headers, body):
        with self.lock:
            self.posts += 1
            if self.answer != 200:
                return self.answer
            try:
                self.read(path, headers, json.loads(body))
            except (AssertionError, KeyError, ValueError, TypeError) as wrong:
                self.wrong.append(f"{type(wrong).__name__} {wrong}: {body[:400]}")
                return 400
            return 200

    def read(self, path, headers, said):
        assert path == "/v1/traces", path
        assert headers["Content-Type"] == "application/json", headers
        self.headers.append(headers)
        for resource in said["resourceSpans"]:
            about = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
            self.services.add(about["service.name"])
            for scope in resource["scopeSpans"]:
                assert scope["spans"], "an empty envelope"
                for span in scope["spans"]:
                    self.add(span)

    def add(self, span):
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and re.fullmatch("[0-9a-f]{16}", span["spanId"]), span
        assert re.fullmatch("[0-9a-f]{16}", span.get("parentSpanId", "0" * 16)), span
        assert span["kind"] in (1, 2, 4), span
        assert isinstance(span["startTimeUnixNano"], str) and isinstance(span["endTimeUnixNano"], str), span
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]), span
        span["is"] = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
        self.spans[span["spanId"]] = span

    def of(self, trace):
        with self.lock:
            return [one for one in self.spans.values() if one["traceId"] == trace]

    def tree(self, trace):
        """[(name, name of the parent or its id)], sorted."""
        spans = {one["spanId"]: one for one in self.of(trace)}
        name = lambda one: spans[one]["name"] if one in spans else one
        return sorted((one["name"], name(one.get("parentSpanId", ""))) for one in spans.values())
