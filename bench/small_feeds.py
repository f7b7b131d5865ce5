"""A thousand small feeds: what a feed costs beyond its rows, and what a run with nothing to do costs.

Usage: cargo xtask bench small_feeds [--feeds N]
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

KARAT = os.environ["KARAT"]


def run(project):
    started = time.monotonic()
    done = subprocess.run([KARAT, "run", "--json", "--quiet"], cwd=project, capture_output=True, text=True, check=True)
    return time.monotonic() - started, json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=1000)
    feeds = parser.parse_args().feeds
    with tempfile.TemporaryDirectory(prefix="karat-bench-") as name:
        project = pathlib.Path(name)
        (project / "karat.yaml").write_text(
            "karat: 1\nproject: feeds\ntargets:\n  dev: { lake: ./lake, default: true }\nsources:\n  landing: { type: files, path: ./landing }\n"
        )
        domain = project / "domains" / "small"
        domain.mkdir(parents=True)
        lines = ["domain: small", "owner: bench", "feeds:"]
        for number in range(feeds):
            folder = project / "landing" / f"f{number:04}"
            folder.mkdir(parents=True)
            (folder / "a.csv").write_text(f"id,name\n1,one\n2,two {number}\n")
            lines.append(f'  - {{ source: landing, name: f{number:04}, mode: incremental, path: "f{number:04}/*.csv" }}')
        (domain / "domain.yaml").write_text("\n".join(lines) + "\n")

        first, report = run(project)
        assert all(step["status"] == "done" for step in report["steps"]), report
        print(f"first load of {feeds} feeds: {first:.2f} s, {1000 * first / feeds:.1f} ms a feed")
        again, report = run(project)
        assert report["status"] == "nothing_to_do", report["status"]
        print(f"run again, nothing to do: {again:.2f} s")
        for number in range(feeds):
            (project / "landing" / f"f{number:04}" / "b.csv").write_text(f"id,name\n3,three {number}\n")
        second, _ = run(project)
        print(f"second load: {second:.2f} s, {1000 * second / feeds:.1f} ms a feed")


if __name__ == "__main__":
    main()
