"""A model whose predictions are good and whose serving is not: it asks a feature store over a small pool of connections
and forgets to give them back. Its first requests are answered well, which is all that the smoke test sees (81 of them); then
requests wait for a connection, and now and then none comes."""

import asyncio
import random

from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_sklearn import SKLearnModel

POOL = 96


class LeakingModel(SKLearnModel):
    """What a model server runs for a version with the leak."""

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
