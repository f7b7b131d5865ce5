#!/usr/bin/env python3
"""Checks the receipts of a lake without karat: each commit of each Delta log names a receipt, and the log has the files that
the receipts tell of; the rest is `check_receipt.py`'s. Standard library only.

    check_lake.py LAKE [--keys FOLDER] [--head DIGEST]
"""

import json
from urllib.parse import unquote

from check_receipt import Wrong, main, require


def versions_in_log(folder):
    """Version, digest of its receipt, and sizes of its live files by path, for each entry of a Delta log."""
    logs = sorted(path for path in (folder / "_delta_log").glob("*.json") if path.stem.isdigit())
    require([int(path.stem) for path in logs] == list(range(len(logs))), "entries of its log are missing")
    live = {}
    for version, log in enumerate(logs):
        try:
            actions = [json.loads(line) for line in log.read_text().splitlines() if line.strip()]
        except ValueError:
            raise Wrong(f"version {version}: its log entry is cut off or altered")
        for action in actions:  # removes first: a file may be removed and added in one commit
            if "remove" in action:
                live.pop(unquote(action["remove"]["path"]), None)
        for action in actions:
            if "add" in action:
                live[unquote(action["add"]["path"])] = action["add"]["size"]
        yield version, next((a["commitInfo"].get("karat.receipt") for a in actions if "commitInfo" in a), None), dict(live)


def tables(lake):
    found = {}
    for log in lake.glob("*/*/*/_delta_log"):
        domain, layer, table = log.parent.relative_to(lake).parts
        found[f"{domain}_{layer}.{table}"] = (log.parent, lambda folder=log.parent: versions_in_log(folder))
    return found


if __name__ == "__main__":
    main(tables)
