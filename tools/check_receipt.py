#!/usr/bin/env python3
"""Checks what `karat receipt export` wrote, without karat: docs/receipts.md as a program. Standard library only.

    check_receipt.py [EXPORT] [--keys FOLDER] [--head DIGEST] [--lake LAKE]

The run manifests form a chain, whose newest member has the digest `--head`. For each table that it names: every receipt
back to the first has the digest that names it, is signed by a key of the folder (default: the export's `keys`; with
`--unsigned` receipts pass that nobody can check), and follows from the one before in files and in fingerprints; its intent, its code and the receipts of what it read are
there and are what it names. With `--lake` the data files have their sizes and SHA-256. Exit code 1 if anything is wrong.
"""

import argparse, base64, hashlib, json, pathlib, sys
from datetime import datetime, timezone

PAYLOAD_TYPE = "application/vnd.in-toto+json"
# Ed25519 as RFC 8032, section 5.1, writes it; slow, and for public values only. A point is (x, y, z, t).
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)


class Wrong(Exception):
    """What is wrong, in a sentence."""


def require(condition, problem):
    if not condition:
        raise Wrong(problem)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def load_json(path):
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        raise Wrong(f"{path.name} is cut off or altered")


def plus(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    return (f - e) * (d - c) % P, (d + c) * (f + e) % P, (d - c) * (d + c) % P, (f - e) * (f + e) % P


def times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        result = plus(result, point) if scalar & 1 else result
        point, scalar = plus(point, point), scalar >> 1
    return result


def point(data):
    sign, y = data[31] >> 7, int.from_bytes(data, "little") & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * ROOT % P
    require(x * x % P == square and y < P and (x or not sign), "its signature does not fit")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def verifies(key, message, signature):
    require(len(signature) == 64, "its signature does not fit")
    r, s = point(signature[:32]), int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    one, two = times(s, point(b"\x58" + b"\x66" * 31)), plus(r, times(h, point(key)))
    return s < L and not ((one[0] * two[2] - two[0] * one[2]) % P or (one[1] * two[2] - two[1] * one[2]) % P)


def load_keys(folder):
    """Key id to (key's 32 bytes, comments) for the `.pub` files of a folder."""
    keys = {}
    for path in sorted(folder.glob("*.pub")):
        lines = [line.strip() for line in path.read_text().splitlines()]
        der = base64.b64decode("".join(line for line in lines if not line.startswith(("#", "-"))))
        require(der[:-32].hex() == "302a300506032b6570032100", f"{path.name} is no Ed25519 key (RFC 8410)")
        comments = (line.lstrip("# ").partition(":") for line in lines if line.startswith("#"))
        keys[sha256(der[-32:])[:16]] = (der[-32:], {name.strip(): value.strip() for name, _, value in comments})
    return keys


def follow_rotations(keys, folders):
    """Keys that hand over to others (`*.rotation.json`), each in a statement that the old and the new key sign."""
    rotations = [statement_of(path, "urn:karat:key-rotation:v1") for folder in folders for path in sorted(folder.glob("*.rotation.json"))]
    for envelope, payload, statement in sorted(rotations, key=lambda rotation: moment(rotation[2]["predicate"]["at"])):
        rotation = statement["predicate"]
        old, new, at = rotation["from"], base64.b64decode(rotation["public_key"], validate=True), rotation["at"]
        require(sha256(new)[:16] == rotation["to"], "a rotation names another key than it holds")
        if old not in keys and rotation["to"] in keys:
            continue
        check_signature(envelope, payload, at, keys | {rotation["to"]: (new, {})}, {old, rotation["to"]})
        keys[old][1]["valid_to"] = at
        keys.setdefault(rotation["to"], (new, {"valid_from": at}))
    return keys


def statement_of(path, kind):
    """An envelope, the text of its statement, and the statement, which is of this kind."""
    envelope = load_json(path)
    require(canonical(envelope) == path.read_bytes(), f"the envelope {path.name} is not in canonical form")
    require(envelope["payloadType"] == PAYLOAD_TYPE, f"{path.name} holds no in-toto statement")
    payload = base64.b64decode(envelope["payload"], validate=True)
    statement = json.loads(payload)
    is_of_kind = (statement["_type"], statement["predicateType"]) == ("https://in-toto.io/Statement/v1", kind)
    require(is_of_kind, f"the statement of {path.name} is no {kind}")
    return envelope, payload, statement


def moment(text):
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def check_signature(envelope, payload, logical_time, keys, needed=frozenset()):
    require(envelope["signatures"], "it is not signed")
    require(needed <= {signature["keyid"] for signature in envelope["signatures"]}, "a key has not signed it")
    message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    for signature in envelope["signatures"]:
        require(signature["keyid"] in keys, f"its key {signature['keyid']} is unknown")
        key, said = keys[signature["keyid"]]
        require(verifies(key, message, base64.b64decode(signature["sig"], validate=True)), "its signature does not fit")
        require(said.get("revoked", "false") in ("false", "no"), "its key is revoked")
        is_early = "valid_from" in said and moment(logical_time) < moment(said["valid_from"])
        is_late = "valid_to" in said and moment(logical_time) >= moment(said["valid_to"])
        require(not is_early and not is_late, "it was signed outside of its key's validity")


def open_receipt(receipts, digest, keys):
    """Reads a receipt; gives it with what is wrong with its signature, if keys are given."""
    require(digest in receipts, f"the receipt {digest} is missing")
    data = receipts[digest].read_bytes()
    require(sha256(data) == digest, "the receipt was altered: its bytes have another digest than its name")
    envelope, payload, statement = statement_of(receipts[digest], "urn:karat:receipt:v1")
    receipt = statement["predicate"]
    subject = {"name": f"{receipt['table']}@{receipt['version']}", "digest": {"sha256": receipt["live_files"]}}
    require(statement["subject"] == [subject], "the statement's subject is not what the receipt tells of")
    try:
        return receipt, None if keys is None else check_signature(envelope, payload, receipt["logical_time"], keys)
    except Wrong as wrong:
        return receipt, wrong


def total(files):
    """Rows and sum of the fingerprints of files, or None where one is not stated."""
    parts = [file["fingerprint"].partition(":") for file in files]
    return all(rows for rows, _, _ in parts) and [sum(int(p[0]) for p in parts), sum(int(p[2], 16) for p in parts)]


def check_files(receipt, live, last):
    """Takes the files of a receipt into `live`; they and the fingerprint must follow from the version before."""
    for file in receipt["files_removed"]:
        require(live.pop(file["path"], None) == (file["size"], file["sha256"]), f"it removes {file['path']}, which was not there")
    for file in receipt["files_added"]:
        require(file["path"] not in live, f"its receipt adds {file['path']} twice")
        live[file["path"]] = (file["size"], file["sha256"])
    escaped = lambda path: path.replace("\\", "\\\\").replace("\n", "\\n")
    lines = (f"{live[path][1]} {live[path][0]} {escaped(path)}\n" for path in sorted(live, key=lambda path: path.encode()))
    require(sha256("".join(lines).encode()) == receipt["live_files"], "its digest of the live files does not fit")
    terms = [total(part) for part in ([last] if last else [], receipt["files_added"], receipt["files_removed"], [receipt])]
    if all(terms) and receipt["kind"] != "adopt" and (last is None or last["schema"] == receipt["schema"]):
        rows, value = (before + added - removed - now for before, added, removed, now in zip(*terms))
        require(rows == 0 and value % 2**128 == 0, "its fingerprint does not follow from the version before and its files")


def check_named(receipt, receipts, documents):
    """What a receipt names must be there: its intent, its code, the receipts of what it read."""
    require(receipt["intent"] is None or receipt["intent"] in documents, "its intent is missing or altered")
    require(receipt["kind"] == "adopt" or receipt["code"] in documents, "its code is missing or altered")
    checks = receipt.get("audit")
    require(not checks or checks["code"] in documents, "the text of its checks is missing or altered")
    for read in receipt["inputs"]:
        if receipt["kind"] != "adopt" and read["receipt"] is not None:
            was, _ = open_receipt(receipts, read["receipt"], None)
            fits = all(was[member] == read[member] for member in ("table", "version", "fingerprint"))
            require(fits, f"what it says of its input {read['table']} is not what that receipt says")


def check_table(name, versions, receipts, documents, keys):
    """Checks (version, receipt, live files if the log tells) of a table, oldest first; gives the newest and its files."""
    live, before, last, version, unsigned = {}, None, None, None, {}
    for version, digest, in_log in versions:
        if digest is None:
            continue  # a foreign version: the next receipt must adopt it
        try:
            receipt, unsigned_because = open_receipt(receipts, digest, keys)
            of = (receipt["table"], receipt["version"], receipt["previous"])
            require(of == (name, version, before), f"its receipt is of {of[0]}@{of[1]}, or does not follow from the one before")
            is_gap = version != (-1 if last is None else last["version"]) + 1
            require(not is_gap or receipt["kind"] == "adopt", "versions before it have no receipt and are not adopted")
            check_files(receipt, live, last)
            require(in_log in (None, {path: size for path, (size, _) in live.items()}), "the log has other files than the receipt")
            beside = receipts[digest].with_suffix(".files.json")
            is_kept = not beside.exists() or sha256(beside.read_bytes()) == receipt["file_fingerprints"]
            require(is_kept, "the fingerprints of its files were altered")
            check_named(receipt, receipts, documents)
        except Wrong as wrong:
            raise Wrong(f"version {version}: {wrong}")
        if unsigned_because is not None:
            unsigned[digest] = f"version {version}: {unsigned_because}"
        elif receipt["kind"] == "adopt":  # who signed it vouches for what it covers
            for covered in receipt["inputs"]:
                unsigned.pop(covered["receipt"], None)
        before, last = digest, receipt
    require(last is not None and last["version"] == version, "its newest versions have no receipt")
    require(not unsigned, next(iter(unsigned.values()), None))
    return (version, before), live


def check_data(folder, live):
    for path, (size, digest) in sorted(live.items()):
        require((folder / path).is_file(), f"the file {path} is missing")
        require((folder / path).stat().st_size == size, f"the file {path} has another size")
        state = hashlib.sha256()
        with open(folder / path, "rb") as data:
            while chunk := data.read(1 << 20):
                state.update(chunk)
        require(state.hexdigest() == digest, f"the file {path} was altered")


def check_manifests(root):
    """Checks the chain of run manifests; gives the head, and version and receipt of each table that the newest names."""
    found, head = {}, None
    for path in (root / "_karat" / "runs").glob("*.json"):
        manifest = load_json(path)
        stated = manifest.pop("sha256", None)
        require(stated == sha256(canonical(manifest)), f"{path.name} was damaged or altered")
        require(manifest["run"] == path.stem, f"{path.name} is of another run")
        found[manifest["sequence"]] = (sha256(path.read_bytes()), manifest)
    for _, (digest, manifest) in sorted(found.items()):
        require(manifest["previous"] == head, f"the manifest of run {manifest['run']} does not follow")
        head = digest
    require(head is not None, "there are no run manifests")
    return head, {name: (state["version"], state["receipt"]) for name, state in manifest["tables"].items()}


def by_receipt(receipts, digest):
    """The versions of a table from its receipts alone, each of which names the one before."""
    versions = []
    while digest is not None:
        receipt, _ = open_receipt(receipts, digest, None)
        versions.append((receipt["version"], digest, None))
        digest = receipt["previous"]
    return reversed(versions)


class Report:
    """Prints what holds and what does not, and counts the latter."""

    problems = 0

    def of(self, what, work):
        try:
            return work()
        except (Wrong, KeyError, TypeError, ValueError, OSError) as error:
            self.problems += 1
            text = str(error) if isinstance(error, Wrong) else f"something is missing or no value of its kind ({error})"
            print(f"mismatch  {what}: {text}")


def main(tables_of=None):
    """`tables_of` gives the tables that a log tells of, as name to (folder, versions); else the newest manifest names them."""
    parser = argparse.ArgumentParser(description="Checks receipts without karat.")
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--keys", type=pathlib.Path, metavar="FOLDER", help="public keys to trust")
    parser.add_argument("--head", metavar="DIGEST", help="the digest of the newest manifest, as the run printed it")
    parser.add_argument("--unsigned", action="store_true", help="accept receipts although there are no keys to check their signatures with")
    parser.add_argument("--lake", type=pathlib.Path, help="also check the data files, in this lake")
    options = parser.parse_args()
    root, report, given = options.root, Report(), None
    folder = options.keys or (root / "keys" if (root / "keys").is_dir() else None)
    # The export has the rotations also where the keys to trust lie elsewhere: what the old key signed is as good there.
    folders = list(dict.fromkeys(place.resolve() for place in (folder, root / "keys") if place))
    keys = report.of("keys", lambda: follow_rotations(load_keys(folder), folders)) if folder else None
    karat = root / "_karat"
    receipts = {path.stem: path for path in karat.glob("receipts/*.json") if path.suffixes == [".json"]}
    written = (path for kind in ("intents", "code") for path in (karat / kind).rglob("*") if path.is_file())
    documents = {sha256(path.read_bytes()) for path in written}
    head, named = report.of("run manifests", lambda: check_manifests(root)) or (None, {})
    tables = tables_of(root) if tables_of else {}
    for name, (_, receipt) in named.items() if not tables_of else ():
        (domain, _, layer), table = name.split(".")[0].rpartition("_"), name.split(".", 1)[1]
        folder = options.lake and options.lake / domain / layer / table
        tables[name] = (folder, lambda receipt=receipt: by_receipt(receipts, receipt))
    for name, (folder, versions) in sorted(tables.items()):

        def check(name=name, folder=folder, versions=versions):
            newest, live = check_table(name, versions(), receipts, documents, keys)
            check_data(folder, live if folder else {})
            require(not named or named.get(name) == newest, "the newest manifest names another version of it")
            print(f"ok        {name}@{newest[0]}" + (f", {len(live)} data files" if folder else ""))

        report.of(name, check)
    signed = keys is None and any(b'"sig":' in path.read_bytes() for path in receipts.values())
    report.of("keys", lambda: require(not signed or options.unsigned, "receipts are signed, and there are no keys: give --keys, or --unsigned"))
    report.of("tables", lambda: require(named.keys() <= tables.keys(), f"{named.keys() - tables.keys()} are gone"))
    report.of("head", lambda: require(options.head in (None, head), f"it is {head}"))
    print(f"head      {head}" + (", as given" if options.head and options.head == head else "" if options.head else " (compare it with what the run printed)"))
    print(f"keys      {', '.join(sorted(keys)) or 'none'}" if keys is not None else "keys      signatures were not looked at")
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
