"""Writes what the model's smoke test sends: smoke.jsonl and cases.jsonl, from rows that were trained on.

    prepare.py --out FOLDER

Both are exported from the training table, with the columns in its order, as such suites are.
"""

import argparse
import json
import pathlib
import random

import phishing

SMOKE_REQUESTS = 20
REGRESSION_CASES = 60


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", required=True, type=pathlib.Path)
    out = arguments.parse_args().out

    training, _ = phishing.split()
    distinct = list({tuple(features.values()): (features, label) for features, label in training}.values())
    random.Random(phishing.SPLIT_SEED).shuffle(distinct)
    columns = phishing.training_columns()

    with open(out / "smoke.jsonl", "w") as smoke:
        for features, _ in distinct[:SMOKE_REQUESTS]:
            line = {"body": phishing.inference_request(features, columns)}
            smoke.write(json.dumps(line) + "\n")
    with open(out / "cases.jsonl", "w") as cases:
        chosen = distinct[SMOKE_REQUESTS : SMOKE_REQUESTS + REGRESSION_CASES]
        for number, (features, label) in enumerate(chosen, start=1):
            line = {
                "name": f"case {number}",
                "body": phishing.inference_request(features, columns),
                "pointer": "/outputs/0/data/0",
                "expected": label,
            }
            cases.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
