"""The fixers of UCX on the same files: what they destroy, counted by karat and by plain text search.

Usage: python bench/refactor_ucx.py CHECKOUT [CHECKOUT ...]    (a Python with databricks-labs-ucx installed; KARAT names the binary)

Each .py and .sql file of a checkout is copied, fixed by the classes that `databricks labs ucx migrate-local-code` calls, with the same
mapping that bench/refactor.py makes, and compared: files that `karat refactor verify` does not license, cell markers, comment lines and
titles before and after. The same counts are printed for karat's own edits.
"""

import logging
import os
import pathlib
import shutil
import sys
import tempfile
import time

import refactor

logging.disable(logging.CRITICAL)


def fix(path, names):
    from databricks.labs.ucx.hive_metastore.table_migration_status import TableMigrationIndex, TableMigrationStatus
    from databricks.labs.ucx.source_code.base import CurrentSessionState
    from databricks.labs.ucx.source_code.linters.context import LinterContext
    from databricks.labs.ucx.source_code.linters.files import NotebookLinter
    from databricks.labs.ucx.source_code.notebooks.sources import Notebook
    from databricks.labs.ucx.source_code.path_lookup import PathLookup
    from databricks.sdk.service.workspace import Language

    index = TableMigrationIndex([TableMigrationStatus(d, t, "main", d, t) for d, t in names])
    context = LinterContext(index, CurrentSessionState())
    language = Language.PYTHON if path.suffix == ".py" else Language.SQL
    source = path.read_text(encoding="utf-8")
    if "Databricks notebook source" in source.split("\n")[0]:
        notebook = Notebook.parse(path, source, language)
        NotebookLinter(notebook, PathLookup(path.parent, []), context).apply()
    else:
        fixed = context.apply_fixes(language, source)
        if fixed != source:
            path.write_text(fixed, encoding="utf-8")
    for backup in path.parent.glob(path.name + ".bak"):
        backup.unlink()


def counts(root):
    markers = comments = titles = 0
    for path in root.rglob("*"):
        if path.suffix in (".py", ".sql"):
            for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
                stripped = line.strip()
                markers += "MAGIC %" in stripped
                titles += "DBTITLE" in stripped
                comments += stripped.startswith(("#", "--")) and "MAGIC" not in stripped and "COMMAND ---" not in stripped and "DBTITLE" not in stripped
    return markers, comments, titles


def main():
    for checkout in map(pathlib.Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            before, ucx, own = work / "before", work / "ucx", work / "karat"
            for path in sorted(checkout.rglob("*")):
                if path.is_file() and path.suffix in (".py", ".sql"):
                    target = before / path.relative_to(checkout)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
            names = refactor.names_of(before)
            refactor.write_mapping(names, work / "mapping.csv")
            shutil.copytree(before, ucx)
            start, failed = time.monotonic(), 0
            for path in sorted(ucx.rglob("*")):
                if path.is_file():
                    try:
                        fix(path, names)
                    except Exception:
                        failed += 1
            seconds = time.monotonic() - start
            verdict, _, _ = refactor.karat("verify", before, ucx, "--mapping", work / "mapping.csv")
            start = time.monotonic()
            refactor.karat("apply", before, "--mapping", work / "mapping.csv", "--out", own)
            own_seconds = time.monotonic() - start
            own_verdict, _, _ = refactor.karat("verify", before, own, "--mapping", work / "mapping.csv")
            changed = sum(1 for path in before.rglob("*") if path.is_file() and path.read_bytes() != (ucx / path.relative_to(before)).read_bytes())
            print(f"\n{checkout.name}: {sum(1 for p in before.rglob('*') if p.is_file())} files, {len(names)} names")
            print("| | before | UCX | karat |\n|---|---|---|---|")
            for label, *values in zip(("cell markers", "comment lines", "titles"), counts(before), counts(ucx), counts(own)):
                print(f"| {label} | " + " | ".join(map(str, values)) + " |")
            print(f"| files changed | | {changed} | {len(own_verdict['changed'])} |")
            print(f"| licensed names changed | | {verdict['licensed_changes']} | {own_verdict['licensed_changes']} |")
            print(f"| files with a change that nothing licenses | | {len(verdict['unlicensed'])} | {len(own_verdict['unlicensed'])} |")
            print(f"| files that made it fail | | {failed} | 0 |\n| seconds | | {seconds:.1f} | {own_seconds:.1f} |")


if __name__ == "__main__":
    os.environ.setdefault("KARAT", "karat")
    main()
