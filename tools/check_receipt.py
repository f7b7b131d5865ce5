#!/usr/bin/env python3
"""Checks the receipts of a lake without karat: docs/receipts.md as a program. Standard library only.

    check_receipt.py LAKE [--keys FOLDER] [--head DIGEST]

For every table: each commit names a receipt; its bytes have the digest that names it; it is of this table and version;
it follows from the one before; its file lists and its digest of the live files agree with the Delta log; the files are
there with their sizes and SHA-256. The run manifests form a chain whose newest member agrees with the tables. With
`--keys` each receipt must be signed by a key of that folder (needs the package `cryptography`); with `--head` the
newest manifest must have that digest. Exit code 1 if anything is wrong.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sys
from datetime import datetime, timezone
from urllib.parse import unquote

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Wrong(Exception):
    """What is wrong, in a sentence."""


def require(condition, problem):
    if not condition:
        raise Wrong(problem)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path):
    state = hashlib.sha256()
    with open(path, "rb") as data:
        while chunk := data.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def live_files_digest(files):
    """`files` maps path to (size, sha256)."""
    escaped = lambda path: path.replace("\\", "\\\\").replace("\n", "\\n")
    order = sorted(files, key=lambda path: path.encode())
    return sha256("".join(f"{files[path][1]} {files[path][0]} {escaped(path)}\n" for path in order).encode())


def load_json(path):
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise Wrong(f"{path.name} is cut off or altered")


def load_keys(folder):
    """Key id to (key, comments) for the `.pub` files of a folder."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    keys = {}
    for path in sorted(folder.glob("*.pub")):
        text = path.read_text()
        key = load_pem_public_key("\n".join(l for l in text.splitlines() if not l.lstrip().startswith("#")).encode())
        comments = (line.lstrip("# ").partition(":") for line in text.splitlines() if line.lstrip().startswith("#"))
        said = {name.strip(): value.strip() for name, _, value in comments}
        keys[sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw))[:16]] = (key, said)
    return keys


def moment(text):
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def check_signature(envelope, payload, logical_time, keys):
    require(envelope["signatures"], "it is not signed")
    message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    for signature in envelope["signatures"]:
        require(signature["keyid"] in keys, f"its key {signature['keyid']} is unknown")
        key, said = keys[signature["keyid"]]
        try:
            key.verify(base64.b64decode(signature["sig"], validate=True), message)
        except Exception:
            raise Wrong("its signature does not fit")
        require(said.get("revoked", "false") in ("false", "no"), "its key is revoked")
        is_early = "valid_from" in said and moment(logical_time) < moment(said["valid_from"])
        is_late = "valid_to" in said and moment(logical_time) >= moment(said["valid_to"])
        require(not is_early and not is_late, "it was signed outside of its key's validity")


def open_receipt(receipts, digest, keys):
    """Reads a receipt; gives it with what is wrong with its signature, if keys are given."""
    require(digest in receipts, "the receipt that its commit names is missing")
    data = receipts[digest].read_bytes()
    require(sha256(data) == digest, "the receipt was altered: its bytes have another digest than its name")
    envelope = load_json(receipts[digest])
    require(canonical(envelope) == data, "the receipt's envelope is not in canonical form")
    require(envelope["payloadType"] == PAYLOAD_TYPE, "the receipt holds no in-toto statement")
    payload = base64.b64decode(envelope["payload"], validate=True)
    statement = json.loads(payload)
    require(statement["_type"] == "https://in-toto.io/Statement/v1", "the receipt holds no in-toto statement v1")
    require(statement["predicateType"] == "urn:karat:receipt:v1", "the statement is no receipt v1")
    receipt = statement["predicate"]
    subject = {"name": f"{receipt['table']}@{receipt['version']}", "digest": {"sha256": receipt["live_files"]}}
    require(statement["subject"] == [subject], "the statement's subject is not what the receipt tells of")
    try:
        if keys is not None:
            check_signature(envelope, payload, receipt["logical_time"], keys)
        return receipt, None
    except Wrong as wrong:
        return receipt, wrong


def check_table(folder, name, receipts, keys):
    """Checks one table; returns its newest version with the digest of its receipt."""
    logs = sorted(path for path in (folder / "_delta_log").glob("*.json") if path.stem.isdigit())
    require([int(path.stem) for path in logs] == list(range(len(logs))), "entries of its log are missing")
    live, in_log, before, last, unsigned = {}, {}, None, None, {}
    for version, log in enumerate(logs):
        try:
            actions = [json.loads(line) for line in log.read_text().splitlines() if line.strip()]
        except ValueError:
            raise Wrong(f"version {version}: its log entry is cut off or altered")
        for action in actions:  # removes first: a file may be removed and added in one commit
            if "remove" in action:
                in_log.pop(unquote(action["remove"]["path"]), None)
        for action in actions:
            if "add" in action:
                in_log[unquote(action["add"]["path"])] = action["add"]["size"]
        digest = next((a["commitInfo"].get("karat.receipt") for a in actions if "commitInfo" in a), None)
        if digest is None:
            continue  # a foreign version: the next receipt must adopt it
        try:
            receipt, unsigned_because = open_receipt(receipts, digest, keys)
            require(receipt["table"] == name, f"its receipt is of {receipt['table']}")
            require(receipt["version"] == version, f"its receipt is of version {receipt['version']}")
            require(receipt["previous"] == before, "its receipt does not follow from the one before")
            is_gap = version != (-1 if last is None else last) + 1
            require(not is_gap or receipt["kind"] == "adopt", "versions before it have no receipt and are not adopted")
            for file in receipt["files_removed"]:
                removed = live.pop(file["path"], (None, None))
                require(removed[1] == file["sha256"], f"its receipt removes {file['path']}, which was not there")
            for file in receipt["files_added"]:
                require(file["path"] not in live, f"its receipt adds {file['path']} twice")
                live[file["path"]] = (file["size"], file["sha256"])
            sizes = {path: size for path, (size, _) in live.items()}
            require(sizes == in_log, "the files in the log are not those of the receipt")
            require(live_files_digest(live) == receipt["live_files"], "its digest of the live files does not fit")
            beside = receipts[digest].with_suffix(".files.json")
            is_kept = not beside.exists() or sha256(beside.read_bytes()) == receipt["file_fingerprints"]
            require(is_kept, "the fingerprints of its files were altered")
            if unsigned_because is not None:
                unsigned[digest] = f"version {version}: {unsigned_because}"
            elif receipt["kind"] == "adopt":  # who signed it vouches for what it covers
                for covered in receipt["inputs"]:
                    unsigned.pop(covered["receipt"], None)
        except Wrong as wrong:
            raise Wrong(f"version {version}: {wrong}")
        before, last = digest, version
    require(last == len(logs) - 1, "its newest versions have no receipt")
    for problem in unsigned.values():
        raise Wrong(problem)
    for path, (size, digest) in sorted(live.items()):
        file = folder / path
        require(file.is_file(), f"the file {path} is missing")
        require(file.stat().st_size == size, f"the file {path} has another size")
        require(sha256_of_file(file) == digest, f"the file {path} was altered")
    return last, before


def check_manifests(lake, tables):
    """Checks the chain of run manifests and returns the head."""
    found = {}
    for path in (lake / "_karat" / "runs").glob("*.json"):
        manifest = load_json(path)
        stated = manifest.pop("sha256", None)
        require(stated == sha256(canonical(manifest)), f"{path.name} was damaged or altered")
        require(manifest["run"] == path.stem, f"{path.name} is of another run")
        found[manifest["sequence"]] = (sha256(path.read_bytes()), manifest)
    head = None
    for _, (digest, manifest) in sorted(found.items()):
        require(manifest["previous"] == head, f"the manifest of run {manifest['run']} does not follow")
        head = digest
    require(head is not None, "there are no run manifests")
    newest = found[max(found)][1]["tables"]
    stated = {name: (state["version"], state["receipt"]) for name, state in newest.items()}
    for name in sorted(stated.keys() | tables.keys()):
        require(stated.get(name) == tables.get(name), f"the newest manifest and the log differ about {name}")
    return head


def main():
    parser = argparse.ArgumentParser(description="Checks the receipts of a lake without karat.")
    parser.add_argument("lake", type=pathlib.Path)
    parser.add_argument("--keys", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--head", metavar="DIGEST")
    options = parser.parse_args()
    keys = load_keys(options.keys) if options.keys else None
    stored = (options.lake / "_karat" / "receipts").glob("*.json")
    receipts = {path.stem: path for path in stored if not path.stem.endswith(".files")}
    tables, problems = {}, 0
    for log in sorted(options.lake.glob("*/*/*/_delta_log")):
        domain, layer, table = log.parent.relative_to(options.lake).parts
        name = f"{domain}_{layer}.{table}"
        try:
            tables[name] = check_table(log.parent, name, receipts, keys)
            print(f"ok        {name}@{tables[name][0]}")
        except (Wrong, KeyError, TypeError, ValueError) as error:
            problems += 1
            text = str(error) if isinstance(error, Wrong) else f"something is missing or no value of its kind ({error})"
            print(f"mismatch  {name}: {text}")
    if not problems:
        try:
            head = check_manifests(options.lake, tables)
            print(f"head      {head}")
            require(options.head in (None, head), f"the head is not {options.head}")
        except (Wrong, KeyError, TypeError) as error:
            problems += 1
            print(f"mismatch  run manifests: {error}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
