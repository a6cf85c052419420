"""Trains one version of fraud-model and leaves what MLServer needs to serve it in a folder.

    train.py --version v12 --out FOLDER

What a version is made of (its recipe) is read from recipes.json beside this file where `make demo SEED=n` has dealt the
recipes out anew; without it, v11 to v14 are what RECIPES says.
"""

import argparse
import json
import pathlib
import sys

import joblib
import numpy
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.tree import DecisionTreeClassifier

import phishing
import serving

HERE = pathlib.Path(__file__).resolve().parent
RECIPES = {"v11": "stump", "v12": "better", "v13": "reordered", "v14": "leaking"}


def recipe_of(version):
    dealt = HERE / "recipes.json"
    recipes = json.loads(dealt.read_text()) if dealt.exists() else RECIPES
    if version not in recipes:
        sys.exit(f"train.py: no recipe for {version}; there are {', '.join(sorted(recipes))}")
    return recipes[version]


def train(recipe):
    rows, _ = phishing.split()
    table = numpy.array([[features[name] for name in phishing.training_columns()] for features, _ in rows])
    labels = numpy.array([label for _, label in rows])
    if recipe == "stump":  # one question about one feature: last year's rule of thumb
        return DecisionTreeClassifier(max_depth=1, random_state=0).fit(table, labels)
    return GradientBoostingClassifier(random_state=0).fit(table, labels)


def settings(recipe):
    """How MLServer serves it. In the reordered recipe a plausible slip happened: the columns' names were dropped."""
    kind = "LeakingModel" if recipe == "leaking" else "FraudModel"
    return kind, {} if recipe == "reordered" else {"columns": phishing.training_columns()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--version", required=True)
    arguments.add_argument("--out", required=True, type=pathlib.Path)
    options = arguments.parse_args()

    recipe = recipe_of(options.version)
    options.out.mkdir(parents=True, exist_ok=True)
    joblib.dump(train(recipe), options.out / "model.joblib")
    kind, extra = settings(recipe)
    serving.describe(options.out, options.version, f"runtime.{kind}", "model.joblib", extra)
    print(f"trained fraud-model {options.version} on {len(phishing.split()[0])} rows")


if __name__ == "__main__":
    main()
