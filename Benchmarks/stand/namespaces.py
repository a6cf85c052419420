"""Two network namespaces and a link between them whose rate can be set: two hosts, as far as sockets can tell."""

import os
import shutil
import subprocess


class Link:
    """Made and torn down by the row that uses it. `addresses` and `interfaces` are those of the two ends."""

    def __init__(self):
        if os.geteuid() != 0:
            raise RuntimeError("network namespaces can only be made by root")
        for program in ("ip", "tc"):
            if not shutil.which(program):
                raise RuntimeError(f"{program} is not installed (package iproute2)")
        mark = f"{os.getpid() % 100_000}"
        self.namespaces = [f"openclaw-bench-{mark}-{end}" for end in range(2)]
        self.interfaces = [f"ocb{mark}{end}" for end in "ab"]
        self.addresses = ["10.213.77.1", "10.213.77.2"]
        try:
            for namespace in self.namespaces:
                call("ip", "netns", "add", namespace)
            call("ip", "link", "add", self.interfaces[0], "type", "veth", "peer", "name", self.interfaces[1])
            for namespace, interface, address in zip(self.namespaces, self.interfaces, self.addresses):
                call("ip", "link", "set", interface, "netns", namespace)
                self.within(namespace, "ip", "address", "add", f"{address}/24", "dev", interface)
                self.within(namespace, "ip", "link", "set", interface, "up")
                self.within(namespace, "ip", "link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise

    def shape(self, megabits):
        """Each direction to so many Mbit/s; None for as fast as it goes."""
        for namespace, interface in zip(self.namespaces, self.interfaces):
            subprocess.run(
                ["ip", "netns", "exec", namespace, "tc", "qdisc", "del", "dev", interface, "root"], capture_output=True)
            if megabits:
                self.within(
                    namespace, "tc", "qdisc", "add", "dev", interface, "root", "tbf", "rate", f"{megabits}mbit", "burst", "256kb",
                    "latency", "50ms")

    def prefix(self, end):
        """What a command is started with, to run at that end."""
        return ["ip", "netns", "exec", self.namespaces[end]]

    def within(self, namespace, *command):
        call("ip", "netns", "exec", namespace, *command)

    def remove(self):
        for namespace in self.namespaces:  # its interface goes with it, and the other end with that
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
        subprocess.run(["ip", "link", "del", self.interfaces[0]], capture_output=True)


def call(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
