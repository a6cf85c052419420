"""Submits a job from Python, waits for it, and looks at what it left."""

from openclaw import train

job = train.submit("python3 hello.py", ranks=2, name="from-python", env={"WHO": "world"}, recovery={"max_failures": 0})
status = job.wait(timeout_s=100)
print("state", status["state"])
print("losses", job.report()["state"], sorted(line.split(" ", 2)[2] for line in job.logs().splitlines() if "hello" in line))
print("listed", [one["name"] for one in train.jobs()], len(train.nodes()))
try:
    train.submit("true", ranks=0)
except train.Fault as fault:
    print("refused", fault.status, bool(fault.what and fault.why and fault.fix))
try:
    train.Daemon(server="http://127.0.0.1:9").jobs()
except train.Fault as fault:
    print("unreachable", fault.status)
long = train.submit("sleep 600", name="long")
long.cancel("enough")
print("cancelled", long.wait(timeout_s=60)["state"])
