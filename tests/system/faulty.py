"""What stands between a worker and its target in a trial, and does what networks and overloaded servers do.
`Wire` forwards bytes of any protocol and cuts, stops or refuses connections; `HttpWire` also knows requests, so
that an answer can be lost after the effect, or be somebody else's; `SmtpWire` knows submissions and answers for the
server at each of their stages. Which fault comes is drawn by the caller's random
numbers; each one is counted by its name.
"""
import collections
import http.client
import http.server
import random
import selectors
import socket
import ssl
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


class SmtpWire(Wire):
    """Forwards submissions, with a TLS session of its own to either side. What is answered for the server at the dot
    never reached it, but for "taken, cut behind the dot": that letter is delivered."""
    REPLIES = {"421 at the greeting": ("greeting", b"421 4.3.2 closing for a moment"),
               "454 at the login": ("AUTH", b"454 4.7.0 the log-in is away"),
               "451 for the sender": ("MAIL", b"451 4.3.0 try later"),
               "450 for the recipient": ("RCPT", b"450 4.2.0 greylisted"),
               "452 for the text": ("DATA", b"452 4.3.1 no room"),
               "451 at the dot": (".", b"451 4.3.0 not now"),
               "554 at the dot": (".", b"554 5.7.1 not this text"),
               "550 for the recipient": ("RCPT", b"550 5.1.1 nobody here")}
    FAULTS = Wire.FAULTS + tuple(REPLIES) + ("cut before the dot is heard", "taken, cut behind the dot", "slow at the dot")

    def __init__(self, target, seed, certificate, key, ca, rate=0.0):
        self.own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.own.load_cert_chain(certificate, key)
        self.trust = ssl.create_default_context(cafile=ca)
        super().__init__(target, seed, rate)

    def draw(self):
        fault = super().draw()
        if fault and fault.startswith("55") and self.random.random() < 0.5:  # most troubles pass
            self.faults[fault] -= 1
            fault = "taken, cut behind the dot"
            self.faults[fault] += 1
        return fault

    def forward(self, client, server, fault):
        if fault in Wire.FAULTS:
            return super().forward(client, server, fault)
        try:
            return Talk(self, client, server, fault).go_on()
        except (OSError, EOFError):
            return None


class Talk:
    """One submission through the wire."""

    def __init__(self, wire, client, server, fault):
        self.wire, self.fault = wire, fault
        self.stage, self.reply = SmtpWire.REPLIES.get(fault, (None, None))
        self.client, self.server = client, server
        self.open_files()

    def open_files(self):
        self.from_client, self.from_server = self.client.makefile("rb"), self.server.makefile("rb")

    def go_on(self):
        if self.stage == "greeting":
            return self.tell(self.reply)
        self.pass_reply()
        while True:
            line = self.line_of(self.from_client)
            command = line[:4].upper().decode("latin-1")
            if command == self.stage:
                self.tell(self.reply)
                continue
            self.server.sendall(line)
            reply = self.pass_reply()
            if command == "STAR" and reply.startswith(b"220"):
                self.encrypt()
            while command == "AUTH" and reply.startswith(b"334"):
                self.server.sendall(self.line_of(self.from_client))
                reply = self.pass_reply()
            if command == "DATA" and reply.startswith(b"354") and not self.pass_text():
                return None
            if command == "QUIT":
                return None

    def pass_text(self):
        """False: the conversation is over."""
        text = b""
        while not text.endswith(b"\r\n.\r\n"):
            text += self.line_of(self.from_client)
        if self.fault == "cut before the dot is heard":
            return False
        if self.stage == ".":
            self.tell(self.reply)  # and the server, which has heard no text, is left
            return False
        if self.fault == "slow at the dot":
            time.sleep(self.wire.random.uniform(1, 8))
        self.server.sendall(text)
        if self.fault == "taken, cut behind the dot":
            self.reply_of_server()
            return False
        self.pass_reply()
        return True

    def encrypt(self):
        self.server = self.wire.trust.wrap_socket(self.server, server_hostname="localhost")
        self.client = self.wire.own.wrap_socket(self.client, server_side=True)
        self.open_files()

    def reply_of_server(self):
        reply = line = self.line_of(self.from_server)
        while line[3:4] == b"-":
            line = self.line_of(self.from_server)
            reply += line
        return reply

    def pass_reply(self):
        reply = self.reply_of_server()
        self.client.sendall(reply)
        return reply

    def tell(self, text):
        self.client.sendall(text + b"\r\n")

    @staticmethod
    def line_of(file):
        line = file.readline()
        if not line:
            raise EOFError
        return line


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
            return answer(one, status, content[:len(content) // 2], kind, left_out=len(content) - len(content) // 2 + 10)
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


def answer(one, status, content, kind, retry_after=False, left_out=0):
    try:
        one.send_response(status)
        if kind:
            one.send_header("Content-Type", kind)
        if retry_after:
            one.send_header("Retry-After", "1")
        if status != 204:
            one.send_header("Content-Length", str(len(content) + left_out))
        one.send_header("Connection", "close")
        one.end_headers()
        if status != 204:
            one.wfile.write(content)
    except OSError:
        pass  # the worker gave up first
