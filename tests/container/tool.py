"""A tool for the recording: says on standard output what it was sent, and takes a second for /slow."""

import http.server
import sys
import time

HEADERS = ["x-onceonly-tool", "x-onceonly-secret-id", "x-onceonly-signature"]


class Tool(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        print("the tool got:", body.decode(), flush=True)
        for name in HEADERS:
            print(f"  {name}: {self.headers[name]}", flush=True)
        if self.path == "/slow":
            time.sleep(2)
        self.send_response(200)
        self.send_header("content-length", "15")
        self.end_headers()
        self.wfile.write(b'{"sent": "yes"}')

    def log_message(self, *_):
        """Its own lines would stand between those of the recording."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tool)
with open(sys.argv[1], "w", encoding="ascii") as file:
    file.write(f"{server.server_port}\n")
server.serve_forever()
