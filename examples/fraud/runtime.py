"""What MLServer runs for our versions: a model behind one named input per feature, by scikit-learn or as train_torch.py left it."""

import asyncio
import json
import pathlib
import random

import numpy
from mlserver.errors import InferenceError, MLServerError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from mlserver.utils import get_model_uri
from mlserver_sklearn import SKLearnModel

POOL = 96


class FraudModel(SKLearnModel):
    """Picks the features by name, in the order of `columns` in its settings, whatever order a request has them in. Without
    `columns` it takes them as they come: right only for who sends them in the training table's order."""

    async def load(self) -> bool:
        self._columns = (self.settings.parameters.extra or {}).get("columns")
        return await super().load()

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        features = {feature.name: feature.data.root for feature in payload.inputs}
        try:
            rows = list(zip(*(features[name] for name in self._columns or features), strict=True))
        except (KeyError, ValueError) as problem:
            raise InferenceError(f"each feature must be there, with as many rows as the others: {problem}") from None
        answers = [int(answer) for answer in self._model.predict(rows)]
        output = ResponseOutput(name="predict", shape=[len(answers), 1], datatype="INT64", data=answers)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])


class TrainedModel(FraudModel):
    """The network of train_torch.py: its weights are enough, torch is not needed to serve them."""

    async def load(self) -> bool:
        description = json.loads(pathlib.Path(await get_model_uri(self.settings)).read_text())
        self._columns = description["features"]
        self._model = Network(description["layers"])
        return True


class Network:
    """Layers with rectifiers between them; one number comes out, above zero for phishing."""

    def __init__(self, layers):
        self._layers = [(numpy.array(layer["weights"]).T, numpy.array(layer["biases"])) for layer in layers]

    def predict(self, rows):
        values = numpy.array(rows, dtype=float)
        for number, (weights, biases) in enumerate(self._layers):
            values = (values if number == 0 else numpy.maximum(values, 0)) @ weights + biases
        return values[:, 0] > 0


class LeakingModel(FraudModel):
    """Good predictions, badly served: it asks a feature store over a small pool of connections and forgets to give them back.
    Its first requests are answered well, which is all that the smoke test sees (81 of them); then requests wait for a
    connection, and now and then none comes."""

    async def load(self) -> bool:
        self._taken = 0
        self._random = random.Random(14)
        return await super().load()

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        self._taken += 1
        if self._taken > POOL and self._random.random() < 0.6:
            await asyncio.sleep(self._random.uniform(0.3, 0.6))
            if self._random.random() < 0.15:
                raise MLServerError("no connection to the feature store within 600 ms", 503)
        return await super().predict(payload)
