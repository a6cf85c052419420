"""What a script does that no death can be hidden from is seen in its source."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

try:
    from openclaw.pytorch import limits
except ImportError as error:
    raise unittest.SkipTest(f"torch cannot be imported: {error}")

HERE = pathlib.Path(__file__).resolve().parent


class Limits(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(text)
            file.flush()
            return limits.of_script(file.name)

    def test_the_stock_script_has_no_limit(self):
        self.assertEqual(limits.of_script(HERE / "scripts" / "ddp.py"), ([], False))

    def test_sending_from_rank_to_rank_needs_torchs_own_group(self):
        for text in ("import torch.distributed as dist\ndist.send(t, 1)", "from torch.distributed import recv\nrecv(t)",
                     "import torch\ntorch.distributed.isend(t, 1)"):
            reasons, needs_own = self.read(text)
            self.assertTrue(needs_own and reasons, text)

    def test_a_socket_that_sends_is_no_sending_from_rank_to_rank(self):
        self.assertEqual(self.read("import torch.distributed as dist\nsocket.send(b'x'); mail.recv(1)"), ([], False))

    def test_subgroups_and_sharded_models_need_torchs_own_group(self):
        for text in ("dist.new_group([0, 1])", "model = FullyShardedDataParallel(model)", "fully_shard(model)"):
            self.assertTrue(self.read(text)[1], text)

    def test_own_hooks_and_iterable_data_are_told_but_keep_the_group(self):
        for text in ("model.register_comm_hook(None, hook)", "class Rows(IterableDataset): pass"):
            reasons, needs_own = self.read(text)
            self.assertTrue(reasons and not needs_own, text)

    def test_a_loop_that_stops_by_its_loss_is_told(self):
        self.assertTrue(self.read("for x in y:\n    if loss.item() < 0.1:\n        break")[0])
        self.assertEqual(self.read("for x in y:\n    if step > 100:\n        break")[0], [])

    def scaling(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(text)
            file.flush()
            return limits.of_scaling(file.name)

    def test_a_loop_that_reckons_with_the_first_number_of_ranks_keeps_it(self):
        for text in ("world = dist.get_world_size()\nfor x in y:\n    loss = total / world",
                     "rank, world = dist.get_rank(), dist.get_world_size()\nwhile True:\n    rows = data[rank::world]",
                     "n = int(os.environ['WORLD_SIZE'])\nfor x in y:\n    parts = [zeros() for _ in range(n)]",
                     "def train(rank, world_size):\n    for x in y:\n        loss /= world_size"):
            self.assertEqual(len(self.scaling(text)), 1, text)

    def test_a_number_of_ranks_that_is_asked_for_where_it_is_used_is_none_that_is_kept(self):
        for text in ("for x in y:\n    world = dist.get_world_size()\n    loss = total / world",
                     "world = dist.get_world_size()\nsampler = DistributedSampler(data, world)\nfor x in y:\n    print(x, world)",
                     "def mean(t):\n    world = dist.get_world_size()\n    return t / world\nfor x in y:\n    mean(x)"):
            self.assertEqual(self.scaling(text), [], text)
        self.assertEqual(limits.of_scaling(HERE / "scripts" / "ddp.py"), [])

    def test_what_cannot_be_read_has_no_limit_that_is_known(self):
        self.assertEqual(self.read("def ("), ([], False))
        self.assertEqual(limits.of_script("/nowhere"), ([], False))


if __name__ == "__main__":
    unittest.main()
