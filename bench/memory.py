"""Queries that hold many rows, under a memory limit and without, as in the tests (crates/karat/tests/peers/memory.py), with more rows.

Usage: cargo xtask bench memory [ROWS]      (1,000,000 unless told)
"""

import os
import pathlib
import subprocess
import sys
import tempfile

rows = sys.argv[1] if len(sys.argv) > 1 else "1000000"
script = pathlib.Path(__file__).parent.parent / "crates" / "karat" / "tests" / "peers" / "memory.py"
with tempfile.TemporaryDirectory(prefix="karat-memory-") as folder:
    sys.exit(subprocess.run([sys.executable, script, folder, os.environ["KARAT"], rows]).returncode)
