"""What the gateway is measured against, and what stands behind all of them: each one process with one worker, its
settings as their manuals recommend for a fast keep-alive proxy."""

import os

from product import Process, free_port

ANSWER = '{"model_name":"fraud-model","outputs":[{"name":"predict","shape":[1,1],"datatype":"INT64","data":[0]}]}'

# A short answer of a language model.
PROMPT_TOKENS = 231
CHAT = (
    '{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"' + "I am sorry for the trouble. The second charge is a hold, and it goes by itself. " * 8 +
    '"},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,"completion_tokens":152,'
    '"total_tokens":%d}}' % (PROMPT_TOKENS, PROMPT_TOKENS + 152)
)

NGINX_COMMON = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    tcp_nodelay on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/json;
{rest}
}}
"""

NGINX_UPSTREAM = """
    server {{ listen 127.0.0.1:{good} backlog=4096; location / {{ return 200 '{answer}'; }} }}
    server {{
        listen 127.0.0.1:{bad} backlog=4096;
        location / {{ if ($request_method = POST) {{ return 500 '{answer}'; }} return 200 '{answer}'; }}
    }}
"""

NGINX_PROXY = """
    upstream model {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering {buffering};
        }}
    }}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend model
backend model
    server one 127.0.0.1:{upstream} pool-max-conn 256
"""


def executable(name):
    """Debian keeps daemons in sbin, which is not in every user's PATH."""
    for folder in [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin"]:
        if folder and os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    raise RuntimeError(f"{name} was not found; `make setup-bench` installs it")


def nginx(name, folder, rest):
    folder = folder / name
    folder.mkdir(parents=True)
    config = folder / "nginx.conf"
    config.write_text(NGINX_COMMON.format(folder=folder, rest=rest))
    return Process(name, [executable("nginx"), "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)], folder / "log")


class Upstream:
    """The model server behind every proxy: answers at once. A second port answers GET, as readiness is asked, and
    fails every POST."""

    answer = ANSWER

    def __init__(self, folder):
        self.port, self.bad_port = free_port(0), free_port(0)
        rest = NGINX_UPSTREAM.format(good=self.port, bad=self.bad_port, answer=self.answer)
        self.process = nginx("upstream", folder, rest)
        self.process.wait_for(f"http://127.0.0.1:{self.port}/", limit=10)

    def stop(self):
        self.process.stop()


class ChatUpstream(Upstream):
    """Answers as a language model's server does, at once and always the same."""

    answer = CHAT


class Nginx:
    name = "nginx"

    def __init__(self, folder, upstream, buffering="on"):
        self.port = free_port(0)
        rest = NGINX_PROXY.format(port=self.port, upstream=upstream.port, buffering=buffering)
        self.process = nginx("nginx", folder, rest)
        self.process.wait_for(f"http://127.0.0.1:{self.port}/", limit=10)

    def stop(self):
        self.process.stop()


class Haproxy:
    name = "haproxy"

    def __init__(self, folder, upstream):
        self.port = free_port(0)
        folder = folder / "haproxy"
        folder.mkdir(parents=True)
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=self.port, upstream=upstream.port))
        self.process = Process("haproxy", [executable("haproxy"), "-db", "-f", str(config)], folder / "log")
        self.process.wait_for(f"http://127.0.0.1:{self.port}/", limit=10)

    def stop(self):
        self.process.stop()
