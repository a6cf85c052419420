"""Ranks that add up numbers over TCP, as if each were on a machine of its own, and go on when others die."""
import array
import json
import os
import queue
import socket
import struct
import sys
import threading
import time

slot, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
os.environ["OPENCLAW_HOST"] = f"host-{slot}"
from openclaw.mesh import Mesh, MeshBroken  # noqa: E402  (the library reads OPENCLAW_HOST)

FLOAT32, SUM = 0, 0
steps = int(os.environ["STEPS"])
joining = os.environ.get("OPENCLAW_JOINING") == "1"
mesh = Mesh(os.environ["OPENCLAW_COLLECTIVES"], slot, os.environ["OPENCLAW_LISTEN"])
line = socket.socket(socket.AF_UNIX)
line.connect(os.environ["OPENCLAW_WORKER_SOCKET"])
memberships = queue.Queue()
epoch = 0


def say(**message):
    line.sendall((json.dumps(message) + "\n").encode())


def listen():
    told = 0
    for text in line.makefile("r"):
        message = json.loads(text)
        if message["type"] == "dead":
            mesh.abort(message["slot"], "its Worker says so")
        elif message["type"] == "membership" and message["epoch"] > told:
            # A Worker whose daemon came back tells the newest one again: that ends nothing.
            told = message["epoch"]
            mesh.abort(-1, "others make up the mesh now")
            memberships.put(message)
        elif message["type"] == "stop":
            os._exit(75)
    os._exit(1)


class Member:
    def __init__(self, told):
        self.slot, self.address, self.host, self.state = (told[name] for name in ("slot", "address", "host", "state"))


def meet(step):
    """Connects to whoever makes up the newest mesh, and returns the furthest step of all."""
    global epoch
    while True:
        message = memberships.get(timeout=120)
        while not memberships.empty():
            message = memberships.get()
        members = [member for member in map(Member, message["members"]) if member.state != "gone"]
        if message["epoch"] <= epoch or slot not in [member.slot for member in members]:
            continue
        try:
            mesh.configure(message["epoch"], members, 60)
            epoch = message["epoch"]
            step = max(struct.unpack("<q", block)[0] for block in mesh.all_gather(struct.pack("<q", step)).values())
            print("met", len(members), "in epoch", epoch, "at step", step, flush=True)
            return step, [member.slot for member in members]
        except MeshBroken as broken:
            print("again:", broken, flush=True)


threading.Thread(target=listen, daemon=True).start()
say(type="hello", pid=os.getpid(), framework="none", version="0", survives=True, why_not=[])
say(type="mesh", epoch=0, address=mesh.address, host=mesh.host, peer="")
step, slots = meet(0)
if joining:
    say(type="joined", epoch=epoch, step=step)
total, whole, ready = 0, world * (world + 1) // 2, 0
# Where UNTIL names a file the job goes on until all ranks have seen it: the last of the numbers counts them.
until = os.environ.get("UNTIL")
while step < steps or total != whole or ready < world:
    values = array.array("f", [slot + 1] * 1000 + [not until or os.path.exists(until)])
    try:
        if not memberships.empty():
            step, slots = meet(step)
            continue
        mesh.all_reduce(values.buffer_info()[0], len(values), FLOAT32, SUM)
    except MeshBroken:
        step, slots = meet(step)
        continue
    expected = sum(one + 1 for one in slots)
    if values[0] != expected or values[999] != expected:
        sys.exit(f"the sum is {values[0]}, not {expected}")
    total, ready, step = int(values[0]), int(values[1000]), step + 1
    say(type="progress", step=step, samples=step, step_s=0.02, compute_s=0.015, communication_s=0.005, wait_s=0, wire_bytes=0,
        logical_bytes=0, epoch=epoch)
    time.sleep(0.02)
print("sum", total, "at", mesh.address, flush=True)
say(type="bye")
mesh.close()
