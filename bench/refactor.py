"""Real estates through `karat refactor`: files, occurrences, verdicts, time, and whether any byte outside the edits changed.

Usage: cargo xtask bench refactor CHECKOUT [CHECKOUT ...] [--style literal|use_catalog|parameter] [--multiply NOTEBOOKS PIPELINES]

A checkout is a folder with notebooks, pipelines and scripts. The mapping is made from the two-part names that a regular expression finds
behind FROM, JOIN, INTO, TABLE and their like, and in calls such as saveAsTable(...): each goes to `main.<database>.<table>`. Then karat scans,
applies into a new tree and verifies; this script checks the bytes itself: each changed file must be the old file with the proof's edits put
in, every other file the same bytes; Python and JSON must parse, or not, as before (Python's own parsers judge, cell by cell in Jupyter notebooks); and
the inverse patch, put on by git, must give every file back that patches show. With --multiply, copies of all notebooks and pipelines are made up to these numbers, and the scan is timed.
"""

import argparse
import ast
import collections
import csv
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import time
import warnings

KARAT = os.environ.get("KARAT", "karat")
NAMES = re.compile(
    r"""(?:\b(?:from|join|into|table|update|view|overwrite|optimize|vacuum|exists)\s+|(?:table|saveAsTable|insertInto|forName)\(\s*f?["'])"""
    r"""(?:hive_metastore\.)?`?([A-Za-z_]\w*)`?\.`?([A-Za-z_]\w*)`?(?![\w.(])""",
    re.IGNORECASE,
)
NOT_DATABASES = {"pyspark", "delta", "parquet", "csv", "json", "live", "dbo", "sys", "information_schema", "spark", "self", "system", "dbutils", "df"}
TEXT = {".py", ".sql", ".scala", ".r", ".ipynb", ".json", ".md", ".yml", ".yaml", ".csv"}
NOTEBOOKS = {".py", ".sql", ".scala", ".r", ".ipynb"}


def names_of(root):
    found = set()
    for path in root.rglob("*"):
        if path.is_file() and path.suffix.lower() in TEXT and path.stat().st_size < 20_000_000:
            for match in NAMES.finditer(path.read_text(encoding="utf-8", errors="replace")):
                database, table = match.group(1).lower(), match.group(2).lower()
                # `from a.b import c` is Python.
                behind = match.string[match.end() : match.end() + 10].split("\n")[0]
                if database not in NOT_DATABASES and not behind.strip().startswith("import"):
                    found.add((database, table))
    return sorted(found)


def write_mapping(names, path):
    with open(path, "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["old_database", "old_table", "new_catalog", "new_schema", "new_table"])
        # A mapping without a table is a mistake; where a search finds none, this one stands for none.
        writer.writerows([database, table, "main", database, table] for database, table in names or [("no_such_database", "no_such_table")])


def karat(*arguments):
    start = time.monotonic()
    done = subprocess.run([KARAT, "refactor", *map(str, arguments), "--json"], capture_output=True, text=True)
    seconds = time.monotonic() - start
    if done.returncode not in (0, 1):
        raise SystemExit(f"karat refactor {arguments} exited {done.returncode}: {done.stderr}")
    return json.loads(done.stdout), done.returncode, seconds


def changed_outside_edits(before, after, proof):
    """Files whose bytes are not those before with the proof's edits in them."""
    edits = {entry["path"]: entry.get("edits", []) for entry in proof["files"]}
    archives = {path.split("!/")[0] for path in edits if "!/" in path}
    wrong = []
    for path in sorted(before.rglob("*")):
        name = path.relative_to(before).as_posix()
        if not path.is_file() or path.is_symlink() or name in archives:
            continue
        old, new = path.read_bytes(), (after / name).read_bytes()
        expected, at = bytearray(), 0
        encoding = "utf-16-le" if old[:2] == b"\xff\xfe" else "utf-16-be" if old[:2] == b"\xfe\xff" else "utf-8"
        for edit in edits.get(name, []):
            stood = edit["old"].encode(encoding)
            if old[edit["at"] : edit["at"] + len(stood)] != stood:
                wrong.append(name)
            expected += old[at : edit["at"]] + edit["new"].encode(encoding)
            at = edit["at"] + len(stood)
        if bytes(expected + old[at:]) != new:
            wrong.append(name)
    return wrong


def parses(path, data):
    """How a file parses: one answer for each piece of Python in it, or one for its JSON; None for other files."""
    text = data.decode("utf-8-sig", errors="replace")

    def python(code):
        # Lines of IPython are no Python.
        lines = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in code.splitlines()]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse("\n".join(lines))
            return True
        except (SyntaxError, ValueError, RecursionError):
            return False

    if path.suffix == ".py":
        return [python(text)]
    if path.suffix not in (".json", ".ipynb"):
        return None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return [False]
    cells = whole.get("cells", []) if path.suffix == ".ipynb" and isinstance(whole, dict) else []
    return [True] + [python("".join(cell.get("source", ""))) for cell in cells if cell.get("cell_type") == "code"]


def parsed_otherwise(before, after):
    """Changed files of Python and JSON of which some piece does not parse as it did; pieces that were put in parse."""
    wrong = []
    for path in sorted(before.rglob("*")):
        name = path.relative_to(before).as_posix()
        if path.is_file() and not path.is_symlink():
            old, new = path.read_bytes(), (after / name).read_bytes()
            if old != new and (was := parses(path, old)) is not None:
                now = parses(path, new)
                if [piece for piece in now if not piece] != [piece for piece in was if not piece] or len(now) < len(was):
                    wrong.append(name)
    return wrong


def not_given_back(root, mapping, style, work):
    """Files that the patch and then its inverse do not leave as they were, and how many the patch changes."""
    tree = work / "patched"
    shutil.copytree(root, tree, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    there, back = work / "there.patch", work / "back.patch"
    karat("apply", root, "--mapping", mapping, "--style", style, "--patch", there, "--inverse", back)

    def digests():
        return {path.relative_to(tree).as_posix(): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()}

    def put_on(patch):
        if patch.exists() and patch.stat().st_size:
            environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(work)}
            done = subprocess.run(["git", "apply", "--whitespace=nowarn", str(patch)], cwd=tree, env=environment, capture_output=True, text=True)
            if done.returncode:
                print(f"{root.name}: git does not take {patch.name}: {done.stderr[:300]}")

    start = digests()
    put_on(there)
    changed = {name for name, data in digests().items() if data != start[name]}
    put_on(back)
    wrong = [name for name, data in digests().items() if data != start[name]]
    shutil.rmtree(tree)
    return wrong, len(changed)


def measure(root, work, style):
    names = names_of(root)
    mapping = work / "mapping.csv"
    write_mapping(names, mapping)
    scan, _, seconds = karat("scan", root, "--mapping", mapping, "--style", style)
    out, proof = work / "out", work / "proof.json"
    _, _, apply_seconds = karat("apply", root, "--mapping", mapping, "--style", style, "--out", out, "--proof", proof)
    verdict, _, _ = karat("verify", root, out, "--mapping", mapping, "--style", style, "--proof", proof)
    proof_read = json.loads(proof.read_text())
    wrong = changed_outside_edits(root, out, proof_read)
    again, _, _ = karat("apply", out, "--mapping", mapping, "--style", style, "--patch", work / "again.patch")
    otherwise = parsed_otherwise(root, out)
    not_back, patched = not_given_back(root, mapping, style, work)
    if wrong or otherwise or not_back or not verdict["ok"]:
        print(f"{root.name}: outside edits {wrong[:5]}, parsed otherwise {otherwise[:5]}, not given back {not_back[:5]}, verify {json.dumps(verdict)[:600]}")
    totals = scan["totals"]
    reasons = collections.Counter()
    # Cells, statements and lines that are put in; what makes a text take a parameter is shorter.
    edits = [edit for entry in proof_read["files"] for edit in entry.get("edits", [])]
    insertions = sum(1 for edit in edits if not edit["old"] and edit["new"].endswith("\n"))
    for asset in scan["assets"]:
        for finding in asset["findings"]:
            if finding["rule"] == "style/parameter":
                reasons["style/parameter"] += 1
        for occurrence in asset["occurrences"]:
            verdict_of = occurrence["verdict"]
            if verdict_of["verdict"] == "needs_person":
                reasons[verdict_of["doubt"]["rule"]] += 1
    shutil.rmtree(out)
    return {
        "estate": root.name,
        "names": len(names),
        "files": totals["files"],
        "assets": totals["assets"],
        "occurrences": totals["occurrences"],
        "rewritten": totals["rewritten"],
        "not a table": totals["not_a_table"],
        "needs a person": totals["needs_person"],
        "of these not understood": totals["not_understood"],
        "put in": insertions,
        "files patched": patched,
        "changed outside edits": len(wrong),
        "parsed otherwise": len(otherwise),
        "not given back": len(not_back),
        "verify": "ok" if verdict["ok"] else "NOT OK",
        "edits the second time": again["edits"],
        "seconds": round(seconds, 2),
        "seconds of apply": round(apply_seconds, 2),
    }, reasons


def multiplied(roots, notebooks, pipelines, work):
    code, jsons = [], []
    for root in roots:
        for path in sorted(root.rglob("*")):
            if not path.is_file() or path.is_symlink():
                continue
            if path.suffix.lower() in NOTEBOOKS:
                code.append(path)
            elif path.suffix.lower() == ".json" and b'"activities"' in path.read_bytes():
                jsons.append(path)
    tree = work / "many"
    size = 0
    for kind, paths, wanted in (("notebooks", code, notebooks), ("pipelines", jsons, pipelines)):
        for number in range(wanted if paths else 0):
            source = paths[number % len(paths)]
            target = tree / kind / f"{number // 500}" / f"{number}_{source.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            size += source.stat().st_size
    write_mapping(sorted({name for root in roots for name in names_of(root)}), work / "mapping.csv")
    start = time.monotonic()
    done = subprocess.run([KARAT, "refactor", "scan", str(tree), "--mapping", str(work / "mapping.csv")], capture_output=True, text=True)
    seconds = time.monotonic() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"\n{notebooks} notebooks and {pipelines} pipelines, {size // 1_000_000} MB: {seconds:.1f} s, at most {memory} MB of memory, exit {done.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkouts", nargs="+", type=pathlib.Path)
    parser.add_argument("--style", choices=["literal", "use_catalog", "parameter"], default="literal")
    parser.add_argument("--multiply", nargs=2, type=int, metavar=("NOTEBOOKS", "PIPELINES"))
    arguments = parser.parse_args()
    rows, all_reasons = [], collections.Counter()
    for root in arguments.checkouts:
        with tempfile.TemporaryDirectory() as work:
            row, reasons = measure(root, pathlib.Path(work), arguments.style)
            rows.append(row)
            all_reasons += reasons
    headings = list(rows[0])
    print("| " + " | ".join(headings) + " |\n|" + "---|" * len(headings))
    for row in rows:
        print("| " + " | ".join(str(row[heading]) for heading in headings) + " |")
    print("\nneeds a person, by rule: " + ", ".join(f"{rule} {count}" for rule, count in all_reasons.most_common()))
    if arguments.multiply:
        with tempfile.TemporaryDirectory() as work:
            multiplied(arguments.checkouts, *arguments.multiply, pathlib.Path(work))


if __name__ == "__main__":
    main()
