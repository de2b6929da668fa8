"""What stands between a worker and its target in a trial, and does what networks and overloaded servers do.
`Wire` forwards bytes of any protocol and cuts, stops or refuses connections; `HttpWire` also knows requests, so
that an answer can be lost after the effect, or be somebody else's. Which fault comes is drawn by the caller's random
numbers; each one is counted by its name.
"""
import collections
import http.client
import http.server
import random
import selectors
import socket
import threading
import time


class Wire:
    """Forwards TCP. `rate` of all connections meet a fault."""
    FAULTS = ("refused", "cut at once", "cut in the middle", "stopped for a while")

    def __init__(self, target, seed, rate=0.0):
        self.target, self.rate = target, rate
        self.random = random.Random(seed)
        self.faults = collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def draw(self):
        if self.random.random() >= self.rate:
            return None
        fault = self.random.choice(self.FAULTS)
        self.faults[fault] += 1
        return fault

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, self.draw()), daemon=True).start()

    def serve(self, client, fault):
        with client:
            if fault == "refused":
                return reset(client)
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=20)
            except OSError:
                return None
            with server:
                self.forward(client, server, fault)
        return None

    def forward(self, client, server, fault):
        left = {"cut at once": 1, "cut in the middle": self.random.randrange(50, 5000)}.get(fault)
        if fault == "stopped for a while":
            time.sleep(self.random.uniform(1, 8))
        with selectors.DefaultSelector() as waiting:
            waiting.register(client, selectors.EVENT_READ, server)
            waiting.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in waiting.select():
                    try:
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        if left is not None:
                            left -= len(data)
                            if left <= 0:
                                return
                        key.data.sendall(data)
                    except OSError:
                        return

    def close(self):
        self.listener.close()


def reset(connection):
    """RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class HttpWire:
    """Forwards HTTP requests, one connection each. `rate` of them meet a fault."""
    BEFORE = ("dropped before", "500 before", "502", "503", "503 with Retry-After", "429 with Retry-After", "408", "425", "504",
              "slow", "somebody else's page", "401")
    AFTER = ("dropped after", "500 after", "502 after", "half an answer")

    def __init__(self, target, seed, rate=0.0):
        self.target, self.rate = target, rate
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.faults = collections.Counter()
        wire = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                wire.handle(self)
            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def draw(self):
        with self.lock:
            if self.random.random() >= self.rate:
                return None
            fault = self.random.choice(self.BEFORE + self.AFTER)
            if fault == "401" and self.random.random() < 0.7:  # each makes all tasks wait for half a minute
                fault = "dropped after"
            self.faults[fault] += 1
            return fault

    def handle(self, one):
        body = one.rfile.read(int(one.headers.get("Content-Length") or 0))
        one.close_connection = True
        fault = self.draw()
        if fault == "dropped before":
            return None
        if fault == "slow":
            time.sleep(self.random.uniform(1, 4))
        if fault == "somebody else's page":
            return answer(one, 200, b"<html><form action='/login'>Log in</form></html>", "text/html")
        if fault and fault in self.BEFORE and fault != "slow":
            return answer(one, int(fault[:3]), b"<html>no</html>", "text/html", retry_after="Retry-After" in fault)
        try:
            status, kind, content = self.forward(one, body)
        except OSError as error:
            return answer(one, 502, str(error).encode(), "text/plain")
        if fault == "dropped after":
            return None
        if fault in ("500 after", "502 after"):
            return answer(one, int(fault[:3]), b"<html>too late</html>", "text/html")
        if fault == "half an answer":
            one.send_response(status)
            one.send_header("Content-Length", str(len(content) + 10))
            one.end_headers()
            one.wfile.write(content[:len(content) // 2])
            return None
        return answer(one, status, content, kind)

    def forward(self, one, body):
        target = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            headers = {name: value for name, value in one.headers.items()
                       if name.lower() not in ("connection", "content-length", "host")}
            target.request(one.command, one.path, body or None, headers)
            response = target.getresponse()
            return response.status, response.getheader("Content-Type"), response.read()
        finally:
            target.close()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def answer(one, status, content, kind, retry_after=False):
    try:
        one.send_response(status)
        if kind:
            one.send_header("Content-Type", kind)
        if retry_after:
            one.send_header("Retry-After", "1")
        if status != 204:
            one.send_header("Content-Length", str(len(content)))
        one.send_header("Connection", "close")
        one.end_headers()
        if status != 204:
            one.wfile.write(content)
    except OSError:
        pass  # the worker gave up first
