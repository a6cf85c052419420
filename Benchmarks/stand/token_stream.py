"""A server that streams answers as language models' servers do: the first token at once, then one each millisecond, then the
usage. usage: token_stream.py PORT

One thread on raw sockets, so that its own time to the first token varies little; it serves one answer at a time.
"""

import gc
import json
import selectors
import socket
import sys
import time

TOKENS = 4


def event(delta, **rest):
    body = {
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "bench",
        "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **rest}
    data = b"data: " + json.dumps(body).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = event({"content": "so "})
LAST = (
    event({}, choices=[], usage={"prompt_tokens": 20, "completion_tokens": TOKENS, "total_tokens": 20 + TOKENS})
    + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
READY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def serve(connection, heard):
    """Answers each whole request in `heard`; what is left of it."""
    while (end := heard.find(b"\r\n\r\n")) >= 0:
        head = heard[:end].lower()
        length = 0
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(heard) < end + 4 + length:
            break
        heard = heard[end + 4 + length:]
        if head.startswith(b"get"):
            connection.sendall(READY)
            continue
        connection.sendall(HEAD + PIECE)
        for _ in range(TOKENS - 1):
            time.sleep(0.001)
            connection.sendall(PIECE)
        connection.sendall(LAST)
    return heard


def main():
    gc.disable()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    heard = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                heard[connection] = b""
                continue
            connection = key.fileobj
            try:
                piece = connection.recv(65_536)
                if piece:
                    heard[connection] = serve(connection, heard[connection] + piece)
                    continue
            except OSError:
                pass
            selector.unregister(connection)
            connection.close()
            del heard[connection]


if __name__ == "__main__":
    main()
