"""Draws what the demo printed as an SVG, for the README: `make picture` runs it, and draws docs/demo.svg.

    picture.py TEXT_FILE SVG_FILE COMMAND

TEXT_FILE holds all that the command printed. What make says before the first line of the demo, and long-drawn middles of a
stage, are left out: of lines that only count on, every second one.
"""

import html
import pathlib
import re
import sys

WIDTH, LINE, MARGIN = 8.4, 19, 18
COLOURS = {"promoted": "#7ee787", "rolled back": "#ffa657", "ok": "#7ee787", "fail": "#ff7b72", "pass": "#7ee787"}
# A line of the demo begins with its moment, `1:16`; one that tells a figure again is of these.
MOMENT = re.compile(r"\d+:\d\d  ")
COUNTING = re.compile(r" requests answered by it,| samples/s, |undisturbed: \d+ s$|of the users; \d+ seen")


def told(lines):
    """The demo's own lines, from its first moment on, without every second one that only counts on."""
    begun = next((number for number, line in enumerate(lines) if MOMENT.match(line)), 0)
    kept = []
    for line in lines[begun:]:
        is_counting = COUNTING.search(line) is not None
        if not (is_counting and kept and COUNTING.search(kept[-1])):
            kept.append(line)
    return kept


def main():
    text, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    lines = ["$ " + sys.argv[3], *told(text.read_text().rstrip("\n").split("\n"))]
    columns = max(len(line) for line in lines)
    width, height = columns * WIDTH + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    picture = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">',
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>',
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#c9d1d9">',
    ]
    for number, line in enumerate(lines):
        y = MARGIN + (number + 0.75) * LINE
        colour = next((value for word, value in COLOURS.items() if line.rstrip().endswith(word)), None)
        if line.startswith("$ "):
            colour = "#79c0ff"
        style = f' fill="{colour}"' if colour else ""
        length = f' textLength="{len(line) * WIDTH:.1f}"' if line.strip() else ""
        picture.append(f'<text x="{MARGIN}" y="{y:.1f}" xml:space="preserve"{length}{style}>{html.escape(line)}</text>')
    out.write_text("\n".join([*picture, "</g>", "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
