#!/usr/bin/env python3
"""A server that speaks OpenAI's API and is no language model: it answers from a few sentences, so that prompts, streams, usage
and failures can be tried without a provider. Python's standard library alone.

usage: server.py [--port PORT] [--name NAME] [--first-token MS] [--between-tokens MS] [--tokens N] [--errors RATE] [--key KEY]
                 [--certificate FILE --certificate-key FILE]

It serves POST /v1/chat/completions (streamed too), POST /v1/completions, POST /v1/embeddings and GET /v1/models, counts
tokens (words and marks), and sends usage as OpenAI does. What it says depends on what it is told: a system message that asks
for kindness is answered kindly, one that asks for brevity briefly, so that users who prefer one can tell.

A model's name can ask for trouble: `fail-500`, `fail-429` answer with that status; `no-usage` never tells the usage;
`slow` waits three seconds before its first token; `cut` breaks off in the middle of its answer.
GET /seen answers with the requests it got (the last hundred), with their headers.
"""

import argparse
import collections
import hashlib
import json
import random
import re
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = re.compile(r"\w+|[^\w\s]")

KIND = "I am sorry for the trouble, and thank you for writing. I have looked into it for you: {topic}. Is there anything else I can do?"
BRIEF = "Done: {topic}."
PLAIN = "Your request was received. It concerns: {topic}. Please consult the documentation for further steps."


def tokens(text):
    """Pieces that come out of a stream one by one; together they are the text."""
    pieces, last = [], 0
    for match in WORDS.finditer(text):
        pieces.append(text[last : match.end()])
        last = match.end()
    if last < len(text):
        pieces.append(text[last:])
    return pieces


def text_of(content):
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [] if isinstance(part, dict))


def reply(messages):
    """What is said to a conversation."""
    system = " ".join(text_of(m.get("content")) for m in messages if m.get("role") in ("system", "developer")).lower()
    asked = [text_of(m.get("content")) for m in messages if m.get("role") == "user"]
    topic = (asked[-1] if asked else "nothing").strip()[:80] or "nothing"
    form = KIND if re.search(r"kind|friendl|warm", system) else BRIEF if re.search(r"brief|short", system) else PLAIN
    return form.format(topic=topic)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 << 10

    def do_GET(self):
        if self.path == "/seen":
            return self.answer(200, list(seen))
        if self.path == "/v1/models":
            data = [{"id": name, "object": "model", "created": 0, "owned_by": options.name} for name in ("small", "large")]
            return self.answer(200, {"object": "list", "data": data})
        self.refuse(404, "there is nothing at " + self.path)

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        seen.append({"path": self.path, "headers": dict(self.headers), "body": body})
        if options.key and self.headers.get("Authorization") != "Bearer " + options.key:
            return self.refuse(401, "this key is not known here")
        if not isinstance(body, dict):
            return self.refuse(400, "the body is not a JSON object")
        model = str(body.get("model", ""))
        if model.startswith("fail-"):
            return self.refuse(int(model[5:]), "told to fail")
        if random.random() < options.errors:
            return self.refuse(500, "failed by chance, as it was started to")
        if self.path == "/v1/chat/completions":
            messages = body.get("messages")
            if not isinstance(messages, list):
                return self.refuse(400, "there are no messages")
            count = sum(len(tokens(text_of(m.get("content")))) + 3 for m in messages)
            return self.complete(body, model, reply(messages), count, chat=True)
        if self.path == "/v1/completions":
            prompt = str(body.get("prompt", ""))
            return self.complete(body, model, BRIEF.format(topic=prompt[:80]), len(tokens(prompt)), chat=False)
        if self.path == "/v1/embeddings":
            return self.embed(body, model)
        self.refuse(404, "there is nothing at " + self.path)

    def complete(self, body, model, text, prompt_tokens, chat):
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or 10_000
        pieces = tokens(text)
        while options.tokens and len(pieces) < options.tokens:
            pieces += tokens(" " + text)
        pieces = pieces[: min(limit, options.tokens or limit)]
        usage = {
            "prompt_tokens": prompt_tokens, "completion_tokens": len(pieces), "total_tokens": prompt_tokens + len(pieces),
            "prompt_tokens_details": {"cached_tokens": 0},
        }
        time.sleep(3 if model == "slow" else options.first_token / 1000)
        head = {"id": "chatcmpl-" + hashlib.sha256(text.encode()).hexdigest()[:12], "created": int(time.time()), "model": model}
        if body.get("stream"):
            asks = (body.get("stream_options") or {}).get("include_usage")
            return self.stream(head, pieces, usage if asks and model != "no-usage" else None, chat, model == "cut")
        time.sleep(options.between_tokens * max(0, len(pieces) - 1) / 1000)
        said = "".join(pieces)
        choice = {"index": 0, "finish_reason": "stop", "logprobs": None}
        if chat:
            choice["message"] = {"role": "assistant", "content": said, "refusal": None}
        else:
            choice["text"] = said
        answer = {**head, "object": "chat.completion" if chat else "text_completion", "choices": [choice]}
        if model != "no-usage":
            answer["usage"] = usage
        self.answer(200, answer)

    def stream(self, head, pieces, usage, chat, cuts):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        head = {**head, "object": "chat.completion.chunk" if chat else "text_completion"}

        def event(choices, **more):
            more = {"usage": None, **more} if usage else more
            self.chunk("data: " + json.dumps({**head, "choices": choices, **more}) + "\n\n")

        if chat:
            event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
        for index, piece in enumerate(pieces):
            if index:
                time.sleep(options.between_tokens / 1000)
            if cuts and index == 3:
                self.wfile.flush()
                self.close_connection = True
                return
            part = {"delta": {"content": piece}} if chat else {"text": piece}
            event([{"index": 0, **part, "finish_reason": None}])
        event([{"index": 0, **({"delta": {}} if chat else {"text": ""}), "finish_reason": "stop"}])
        if usage:
            event([], usage=usage)
        self.chunk("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def embed(self, body, model):
        asked = body.get("input", "")
        texts = asked if isinstance(asked, list) else [asked]
        data = []
        for index, text in enumerate(texts):
            digest = hashlib.sha256(str(text).encode()).digest()
            data.append({"object": "embedding", "index": index, "embedding": [byte / 255 for byte in digest[:8]]})
        count = sum(len(tokens(str(text))) for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        self.answer(200, {"object": "list", "data": data, "model": model, "usage": usage})

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def refuse(self, status, why):
        self.answer(status, {"error": {"message": why, "type": "server_error" if status >= 500 else "invalid_request_error", "code": None}})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--name", default="local")
parser.add_argument("--first-token", type=float, default=0, metavar="MS")
parser.add_argument("--between-tokens", type=float, default=0, metavar="MS")
parser.add_argument("--tokens", type=int, default=0, metavar="N", help="so many in every answer")
parser.add_argument("--errors", type=float, default=0, metavar="RATE")
parser.add_argument("--key", default="", help="refuse requests without it")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--certificate", default="", metavar="FILE", help="speak TLS with it (PEM)")
parser.add_argument("--certificate-key", metavar="FILE")
options = parser.parse_args()
random.seed(options.seed)
seen = collections.deque(maxlen=100)

if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.daemon_threads = True
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.certificate_key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("listening on", server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()
