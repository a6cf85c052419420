"""A script that speaks to its Worker as docs/protocols/worker.md says, without any framework: steps of nothing."""
import json
import os
import signal
import socket
import sys
import time

slot, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
joining = os.environ.get("OPENCLAW_JOINING") == "1"
steps = int(os.environ.get("STEPS", "100"))
victims = [int(part) for part in os.environ.get("VICTIMS", "").split(",") if part]
frozen = [int(part) for part in os.environ.get("FROZEN", "").split(",") if part]
line = socket.socket(socket.AF_UNIX)
line.connect(os.environ["OPENCLAW_WORKER_SOCKET"])
buffer = b""


def say(**message):
    line.sendall((json.dumps(message) + "\n").encode())


def hear(seconds):
    """The next message, or None when none came in time."""
    global buffer
    end = time.monotonic() + seconds
    while b"\n" not in buffer:
        left = end - time.monotonic()
        if left <= 0:
            return None
        line.settimeout(left)
        try:
            piece = line.recv(65536)
        except TimeoutError:
            return None
        if not piece:
            sys.exit("the Worker is gone")
        buffer += piece
    text, buffer = buffer.split(b"\n", 1)
    return json.loads(text)


def states(membership):
    return {member["slot"]: member["state"] for member in membership["members"]}


say(type="hello", pid=os.getpid(), framework="none", version="0", survives=os.environ.get("SURVIVES", "1") == "1", why_not=[],
    scales=os.environ.get("SCALES") == "1", why_fixed=[] if os.environ.get("SCALES") == "1" else ["it was told not to"])
assert hear(60)["type"] == "welcome"
say(type="mesh", epoch=0, address=f"127.0.0.1:{20000 + slot}", host="here", peer="")
epoch = 0
while True:
    message = hear(60)
    assert message is not None, "no membership came"
    if message["type"] == "membership" and states(message).get(slot) in ("live", "joining"):
        epoch = message["epoch"]
        break
step = 0
if joining:
    step = int(os.environ.get("JOIN_AT", "30"))
    say(type="joined", epoch=epoch, step=step)
    print("joined in epoch", epoch, flush=True)
frozen_is_gone = joining or not frozen
# Whoever saw it all does not leave before all victims died and their replacements came, however slow these are.
awaited = set() if joining or slot in victims else set(victims)
died = set()
while step < steps or awaited:
    step += 1
    # As in an all-reduce: nobody gets past the step that one is stuck at.
    while step == 25 and not frozen_is_gone:
        message = hear(60)
        if message["type"] == "stack_wanted":
            say(type="stack", threads=["MainThread\n  openclaw all_reduce wait"])
        elif message["type"] == "membership":
            frozen_is_gone = "gone" in states(message).values()
    say(type="progress", step=step, samples=step * 8, step_s=0.02, compute_s=0.015, communication_s=0.005, wait_s=0,
        wire_bytes=step * 100, logical_bytes=step * 400, epoch=epoch, steps_total=steps)
    say(type="log", step=step, values={"loss": 1.0 / step})
    if slot in victims and not joining and step == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    if slot in frozen and not joining and step == 20:
        os.kill(os.getpid(), signal.SIGSTOP)
    if step == 10 and slot == 0:
        say(type="checkpoint", path=os.environ["OPENCLAW_CHECKPOINTS"] + "/10", step=10, bytes=123, copy_s=0.01, write_s=0.1)
    message = hear(0.02)
    if message and message["type"] == "dead":
        print("dead", message["slot"], flush=True)
        died.add(message["slot"])
    elif message and message["type"] == "membership":
        epoch = message["epoch"]
        if states(message).get(slot) == "leaving":
            break  # between two steps: nothing of its own is left undone
        if message["world"] != world:
            if slot == 0:
                say(type="rescaled", epoch=epoch, step=step, seconds=0.01, world=message["world"], before=world)
            world = message["world"]
        awaited -= {one for one in died if states(message).get(one) in ("joining", "live")}
        if frozen and any(state == "gone" for state in states(message).values()):
            frozen_is_gone = True
        print("epoch", epoch, json.dumps(states(message), sort_keys=True), flush=True)
    elif message and message["type"] == "stop":
        say(type="checkpoint", path=os.environ["OPENCLAW_CHECKPOINTS"] + "/last", step=step, bytes=123, copy_s=0.01, write_s=0.1)
        sys.exit(75)
say(type="bye")
