"""A model version that answers as it is told to, from Python's standard library alone.

usage: model_server.py --port PORT --behaviour FILE

FILE holds JSON: {"accuracy": 0.95, "errors": 0.0, "seconds": 0.0}. Every answer says whether it was right, which the test sends
back as feedback. What is right is drawn from the request's number, so that a run can be repeated.
"""

import argparse
import json
import random
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 << 10

    def do_GET(self):
        self.answer(200, {"ready": True})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        draw = random.Random(body.get("number", 0))
        time.sleep(float(body.get("seconds", behaviour.get("seconds", 0.0))))
        if draw.random() < behaviour.get("errors", 0.0):
            self.answer(500, {"error": "told to fail"})
        else:
            self.answer(200, {"correct": draw.random() < behaviour["accuracy"]})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--behaviour", required=True)
options = parser.parse_args()
with open(options.behaviour) as file:
    behaviour = json.load(file)
server = Server(("127.0.0.1", options.port), Handler)
print(f"listening on {server.server_address[1]}", flush=True)
server.serve_forever()
