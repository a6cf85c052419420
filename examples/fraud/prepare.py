"""Writes what the model is trained from, data/training.csv and data/held-out.csv, and what its smoke test sends, smoke.jsonl
and cases.jsonl, from rows that were trained on.

    prepare.py --out FOLDER

All are exported from the training table, with the columns in its order.
"""

import argparse
import csv
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

    training, held_out = phishing.split()
    (out / "data").mkdir(exist_ok=True)
    write_table(out / "data" / "training.csv", training)
    write_table(out / "data" / "held-out.csv", held_out)
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


def write_table(path, rows):
    columns = phishing.training_columns()
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*columns, "label"])
        table.writerows([*(features[name] for name in columns), label] for features, label in rows)


if __name__ == "__main__":
    main()
