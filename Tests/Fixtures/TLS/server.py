"""A server that speaks TLS well, or badly in the way that is asked for. Python's standard library alone.

usage: server.py CERTIFICATE KEY [stall]

Prints "listening on PORT". What a request's path asks for:
/whole      a counted answer that says how its connection came about: {"connection", "request", "resumed", "version", "alpn", "name"}
/close      an answer that ends with the connection, in order
/cut        the same, but the connection ends without TLS having said so
/short      a counted answer of which half is missing
/large      eight million bytes
/read       takes the body slowly and answers how long it was
/events     twenty events, 10 ms apart
With `stall` nobody's handshake is answered.
"""

import json
import os
import socket
import ssl
import sys
import threading
import time

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.set_alpn_protocols(["http/1.1"])
context.sni_callback = lambda connection, name, _: setattr(connection, "asked_for", name)
stalls = "stall" in sys.argv[3:]
connections = 0


def read_request(stream, slowly):
    line = stream.readline()
    if not line:
        return None
    length = 0
    while (field := stream.readline()) not in (b"\r\n", b""):
        if field.lower().startswith(b"content-length:"):
            length = int(field.split(b":")[1])
    path = line.split(b" ")[1].decode()
    read = 0
    while read < length:
        if slowly(path):
            time.sleep(0.001)
        read += len(stream.read(min(65536, length - read)))
    return path, read


def counted(body, kind="application/json"):
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def serve(plain, number):
    if stalls:
        return time.sleep(600)
    try:
        connection = context.wrap_socket(plain, server_side=True)
    except OSError:
        return plain.close()
    stream = connection.makefile("rb")
    try:
        talk(connection, stream, number)
    except OSError:
        pass


def talk(connection, stream, number):
    count = 0
    while (request := read_request(stream, lambda path: path.endswith("/read"))) is not None:
        (path, length), count = request, count + 1
        if path.endswith("/whole"):
            told = {
                "connection": number,
                "request": count,
                "resumed": connection.session_reused,
                "version": connection.version(),
                "alpn": connection.selected_alpn_protocol(),
                "name": getattr(connection, "asked_for", None),
            }
            connection.sendall(counted(json.dumps(told).encode()))
        elif path.endswith("/read"):
            connection.sendall(counted(str(length).encode(), "text/plain"))
        elif path.endswith("/large"):
            connection.sendall(counted(b"x" * 8_000_000, "text/plain"))
        elif path.endswith("/events"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for event in range(20):
                text = f"data: {event}\n\n".encode()
                connection.sendall(f"{len(text):x}\r\n".encode() + text + b"\r\n")
                time.sleep(0.01)
            connection.sendall(b"0\r\n\r\n")
        elif path.endswith("/short"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf.")
            return connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end")
            if path.endswith("/close"):
                connection.unwrap()
            return connection.shutdown(socket.SHUT_RDWR)


listener = socket.create_server(("127.0.0.1", 0), backlog=128)
print("listening on", listener.getsockname()[1], flush=True)
while True:
    plain, _ = listener.accept()
    connections += 1
    threading.Thread(target=serve, args=(plain, connections), daemon=True).start()
