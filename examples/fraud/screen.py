"""What the demo shows: plain lines, and on a terminal one line at the bottom that moves."""

import shutil
import sys
import time


class Screen:
    def __init__(self, out=sys.stdout):
        self.out = out
        self.live = out.isatty()
        self.started = time.monotonic()
        self.moving = False
        self.spoken = 0.0

    def say(self, text=""):
        self.clear()
        self.out.write(text + "\n")
        self.out.flush()

    def step(self, text):
        """One line with the time since the start, for what has happened."""
        self.say(f"{self.clock()}  {text}")

    def moment(self, text, every=10):
        """What is going on now: redrawn in place on a terminal, else said every few seconds."""
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self.out.write("\r\x1b[2K" + f"{self.clock()}  {text}"[:width])
            self.out.flush()
            self.moving = True
        elif time.monotonic() - self.spoken >= every:
            self.spoken = time.monotonic()
            self.step(text)

    def clear(self):
        if self.moving:
            self.out.write("\r\x1b[2K")
            self.moving = False

    def clock(self):
        seconds = int(time.monotonic() - self.started)
        return f"{seconds // 60}:{seconds % 60:02d}"

    def strong(self, text):
        return f"\x1b[1m{text}\x1b[0m" if self.live else text

    def table(self, head, rows, alignment):
        """Columns as wide as they need; `alignment` has one of < and > for each."""
        widths = [max(len(str(row[column])) for row in [head, *rows]) for column in range(len(head))]
        for number, row in enumerate([head, *rows]):
            line = "  ".join(f"{str(cell):{side}{width}}" for cell, side, width in zip(row, alignment, widths)).rstrip()
            self.say("  " + (self.strong(line) if number == 0 else line))
