"""The data of the demo: 1 250 web sites described by nine features, each known to be phishing (1) or honest (0).

Half of the rows are exact copies of others, so what is held out is chosen by distinct row: otherwise a model would be
scored on rows that it has learnt by heart.
"""

import random

from river.datasets import Phishing

TRAINING_SHARE = 0.6
SPLIT_SEED = 12


def rows():
    """All rows as (features by name, label), in the data set's own order."""
    return [(dict(features), int(label)) for features, label in Phishing()]


def split():
    """(training rows, held-out rows); copies of a row stay on the same side."""
    everything = rows()
    distinct = list(dict.fromkeys(tuple(features.values()) for features, _ in everything))
    random.Random(SPLIT_SEED).shuffle(distinct)
    known = set(distinct[: int(len(distinct) * TRAINING_SHARE)])
    training = [row for row in everything if tuple(row[0].values()) in known]
    held_out = [row for row in everything if tuple(row[0].values()) not in known]
    return training, held_out


def service_columns():
    """The order in which our clients send the features: that of the data set."""
    return list(rows()[0][0])


def training_columns():
    """The order of the table that models are trained from. It is not the clients' order, and need not be: features have
    names. A model that forgets the names and goes by position is right on everything exported from this table (smoke
    requests, regression cases) and wrong on live traffic."""
    return service_columns()[::-1]


def inference_request(features, columns):
    """One row as a KServe V2 request with one named input per feature."""
    return {
        "inputs": [
            {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [features[name]]} for name in columns
        ],
    }
