"""What a script says of itself reaches its Worker, whatever the numbers are."""

import json
import os
import pathlib
import socket
import sys
import tempfile
import types
import unittest
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from openclaw import line, saying  # noqa: E402
from openclaw.worker import Worker  # noqa: E402


class WorkerSide:
    """A listener that stands for the Worker, and one connection of a script to it."""

    def __init__(self, test):
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "worker")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        self.script = Worker(path)
        self.connection, _ = listener.accept()
        self.connection.settimeout(30)
        listener.close()
        test.addCleanup(self.connection.close)
        test.addCleanup(self.script._socket.close)

    def heard(self, count):
        """Strictly read: whatever is no JSON ends a script's connection."""
        def refuse(text):
            raise ValueError(f"{text} is no JSON")

        received = b""
        while received.count(b"\n") < count:
            received += self.connection.recv(65536)
        return [json.loads(one, parse_constant=refuse) for one in received.splitlines()]


class Saying(unittest.TestCase):
    def test_a_loss_that_is_no_number_ends_no_connection_and_is_told_once(self):
        side = WorkerSide(self)
        for step in (6, 7):
            side.script.send("log", step=step, values={"loss": float("nan"), "rate": 0.1})
        side.script.send("progress", step=8, step_s=float("inf"))
        heard = side.heard(4)
        self.assertEqual([one["type"] for one in heard], ["log", "warning", "log", "progress"] if heard[1]["type"] == "warning"
                         else ["warning", "log", "log", "progress"])
        logs = [one for one in heard if one["type"] == "log"]
        self.assertEqual([one["values"] for one in logs], [{"loss": None, "rate": 0.1}] * 2)
        warning = next(one for one in heard if one["type"] == "warning")
        self.assertIn("loss is nan", warning["what"])
        self.assertIn("step 6", warning["why"])
        self.assertIsNone(heard[3]["step_s"])

    def test_a_script_that_says_how_much_there_is_to_do_has_it_told(self):
        said = []
        with unittest.mock.patch.object(line, "say", lambda kind, **values: said.append((kind, values))):
            saying.total(steps=100, epochs=4)
            training = types.SimpleNamespace(totals={}, is_mute=False, step=3)
            with unittest.mock.patch.object(saying, "_training", lambda: training):
                saying.total(steps=50)
        self.assertEqual(said, [("progress", {"step": 0, "steps_total": 100, "epochs_total": 4})])
        self.assertEqual(training.totals, {"steps_total": 50})

    def test_a_tensor_that_gradients_flow_through_is_logged_as_its_number(self):
        class Tensor:
            def __float__(self):
                raise UserWarning("gradients flow through it")

            def detach(self):
                return 0.5

        said = []
        with unittest.mock.patch.object(line, "say", lambda kind, **values: said.append(values["values"])):
            saying.log(loss=Tensor(), accuracy=1)
        self.assertEqual(said, [{"loss": 0.5, "accuracy": 1.0}])


if __name__ == "__main__":
    unittest.main()
