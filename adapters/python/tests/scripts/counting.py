"""A job that is no training: adds numbers up, one by one, and says where it is."""

import sys
import time

import openclaw

sums = openclaw.state({"sum": 0})
for number in openclaw.resume(range(1, 401)):
    sums["sum"] += number
    print("at", number, flush=True)
    time.sleep(float(sys.argv[1]))
print("sum", sums["sum"], flush=True)
