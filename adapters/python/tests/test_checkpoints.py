"""Checkpoints are whole or not there."""

import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

PACKAGE = str(pathlib.Path(__file__).resolve().parent.parent)
sys.path.insert(0, PACKAGE)

from openclaw.checkpoint import CheckpointBroken, CheckpointFolder, CheckpointWriter  # noqa: E402


class Line:
    """What a Worker would have been told."""

    def __init__(self):
        self.sent = []

    def send(self, kind, **values):
        self.sent.append((kind, values))
        return True

    def warn(self, what, why, fix):
        self.send("warning", what=what, why=why, fix=fix)


class Checkpoints(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.path = os.path.join(home.name, "checkpoints")
        self.folder = CheckpointFolder(self.path, keep=3)

    def write(self, step, content=b"weights"):
        return self.folder.write(step, {"state.pt": lambda file: file.write(content)}, {"world": 3})

    def test_what_was_written_is_read_with_its_manifest(self):
        self.write(7, b"seven")
        step, manifest, contents = self.folder.newest()
        self.assertEqual((step, manifest["world"], contents), (7, 3, {"state.pt": b"seven"}))

    def test_only_the_newest_few_are_kept(self):
        for step in range(1, 7):
            self.write(step)
        self.folder.sweep()
        self.assertEqual(self.folder.steps(), [4, 5, 6])

    def test_one_flipped_bit_is_found_and_the_checkpoint_before_is_used(self):
        self.write(1, b"good" * 1000)
        self.write(2, b"soon bad" * 1000)
        for damage in (lambda all: all[:-1] + bytes([all[-1] ^ 1]), lambda all: all[:-1], lambda all: b""):
            file = pathlib.Path(self.folder.place(2), "state.pt")
            file.write_bytes(damage(b"soon bad" * 1000))
            damaged = []
            self.assertEqual(self.folder.newest(lambda step, error: damaged.append(step))[0], 1)
            self.assertEqual(damaged, [2])

    def test_a_damaged_manifest_never_raises_anything_else(self):
        self.write(1)
        manifest = pathlib.Path(self.folder.place(1), "manifest.json")
        whole = manifest.read_bytes()
        for text in (b"", b"{", b"[]", b"null", b'{"format": 1}', b'{"format": 2, "files": {}}', whole.replace(b"sha256", b"sha257"),
                     whole.replace(b'"bytes"', b'"bites"'), b'{"format": 1, "files": {"state.pt": 3}}'):
            manifest.write_bytes(text)
            with self.assertRaises(CheckpointBroken):
                self.folder.read(1)

    def test_a_writer_that_is_killed_leaves_nothing_that_looks_like_a_checkpoint(self):
        self.write(1)
        script = (f"import sys, time; sys.path.insert(0, {PACKAGE!r})\n"
                  "from openclaw.checkpoint import CheckpointFolder\n"
                  "def slow(file):\n"
                  "    file.write(b'half'); file.flush(); print('writing', flush=True); time.sleep(60)\n"
                  f"CheckpointFolder({self.path!r}, 3).write(2, {{'state.pt': slow}}, {{}})\n")
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        self.assertEqual(self.folder.steps(), [1])
        self.folder.sweep()
        self.assertEqual(os.listdir(self.path), ["step-000000000001"])

    def test_a_full_disk_is_told_and_nothing_is_left_behind(self):
        self.write(1)
        line = Line()
        writer = CheckpointWriter(self.folder, line)

        def full(file):
            file.write(b"some")
            raise OSError(errno.ENOSPC, "No space left on device")

        writer.start(2, {"state.pt": full}, {}, copy_s=0.0)
        writer.wait()
        self.assertEqual([kind for kind, _ in line.sent], ["checkpoint_failed", "warning"])
        self.assertIn("No space left", line.sent[0][1]["why"])
        self.assertEqual(os.listdir(self.path), ["step-000000000001"])
        writer.start(3, {"state.pt": lambda file: file.write(b"room again")}, {}, copy_s=0.0)
        writer.wait()
        self.assertEqual(self.folder.newest()[0], 3)

    def test_a_manifest_that_names_a_file_elsewhere_reads_nothing_there(self):
        self.write(1)
        secret = pathlib.Path(self.path, "secret")
        secret.write_bytes(b"weights")
        manifest = pathlib.Path(self.folder.place(1), "manifest.json")
        described = json.loads(manifest.read_bytes())
        described["files"] = {"../secret": described["files"]["state.pt"]}
        manifest.write_text(json.dumps(described))
        with self.assertRaises(CheckpointBroken):
            self.folder.read(1)


if __name__ == "__main__":
    unittest.main()
