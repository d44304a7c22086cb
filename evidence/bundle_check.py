#!/usr/bin/env python3
# Copyright The Sallyport Authors
# SPDX-License-Identifier: Apache-2.0
"""Checks an unpacked Sallyport evidence bundle in the current directory.

Usage: python3 check.py [NAME+HASH+BASE64]

Needs Python 3.8 or later and the openssl program (3.0 or later). Without a key,
the one in ledger/keys.json is used, which shows that the bundle is whole but not who
signed it.
"""
import base64, hashlib, json, os, subprocess, sys, tempfile


def fail(text):
    sys.exit("FAILED: " + text)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def read(name):
    with open(name, "rb") as f:
        return f.read()


def signed_text(name, key):
    """Returns the text of a signed note after checking its signature."""
    text, _, signatures = read(name).decode().rpartition("\n\n")
    text += "\n"
    who, key_hash, key_data = key.split("+", 2)
    public = base64.b64decode(key_data)
    for line in signatures.splitlines():
        _, signer, sig = line.split(" ")
        sig = base64.b64decode(sig)
        if signer != who or sig[:4].hex() != key_hash:
            continue
        with tempfile.TemporaryDirectory() as d:
            paths = [os.path.join(d, n) for n in ("key", "text", "sig")]
            der = bytes.fromhex("302a300506032b6570032100") + public[1:]
            for path, data in zip(paths, (der, text.encode(), sig[4:])):
                with open(path, "wb") as f:
                    f.write(data)
            done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0],
                                   "-rawin", "-in", paths[1], "-sigfile", paths[2]], capture_output=True)
        if done.returncode == 0:
            return text
    fail(name + ": the signature does not verify")


class Tree:
    """Joins leaves and subtrees from the left to the right (RFC 6962 section 2.1)."""

    def __init__(self, lines):
        self.lines, self.pos, self.stack, self.line = lines, 0, [], None

    def push(self, level, h):
        self.pos += 1 << level
        while self.stack and self.stack[-1][0] == level:
            h, level = hashlib.sha256(b"\x01" + self.stack.pop()[1] + h).digest(), level + 1
        self.stack.append((level, h))

    def advance(self, to):
        """Takes the subtrees before the leaf "to"."""
        while True:
            self.line = self.line or next(self.lines, None)
            if self.line is None:
                break
            line = json.loads(self.line)
            if "root_of" in line:
                if line["root_of"] > self.pos:
                    break
            elif line["index"] << line["level"] != self.pos or self.pos == to:
                break
            else:
                self.push(line["level"], base64.b64decode(line["hash"]))
            self.line = None
        if self.pos != to:
            fail("ledger/tree.ndjson: what stands before leaf %d is missing" % to)

    def root(self):
        h = self.stack[-1][1] if self.stack else hashlib.sha256(b"").digest()
        for _, left in reversed(self.stack[:-1]):
            h = hashlib.sha256(b"\x01" + left + h).digest()
        return h


def main():
    key = sys.argv[1] if len(sys.argv) > 1 else json.loads(read("ledger/keys.json"))["verifiers"][0]
    manifest = json.loads(read("manifest.json"))
    lines = signed_text("manifest.json.sig", key).splitlines()
    if lines != ["sallyport.dev/evidence-manifest/v1", manifest["origin"], "sha256:" + sha(read("manifest.json"))]:
        fail("manifest.json is not the one that was signed")
    listed = {"manifest.json", "manifest.json.sig"}
    for f in manifest["files"]:
        listed.add(f["name"])
        if sha(read(f["name"])) != f["sha256"]:
            fail(f["name"] + ": not the content that was signed")
    for base, _, names in os.walk("."):
        for n in names:
            if os.path.relpath(os.path.join(base, n), ".").replace(os.sep, "/") not in listed:
                fail(os.path.join(base, n) + ": the manifest does not list it")
    origin, size, root = signed_text("ledger/checkpoint", key).splitlines()
    size, root = int(size), base64.b64decode(root)
    if origin != manifest["origin"]:
        fail("the checkpoint belongs to another log")

    heads, open_sessions, statements, settled, count = {}, set(), {}, set(), 0
    with open("ledger/leaves.ndjson", "rb") as leaves, open("ledger/tree.ndjson", "rb") as tree_lines:
        tree = Tree(tree_lines)
        for line in leaves:
            index = int(line[len(b'{"index":'):line.index(b",")])
            prefix = b'{"index":%d,"leaf":' % index
            if not line.startswith(prefix) or not line.endswith(b"}\n"):
                fail("leaf %d: its line is malformed" % index)
            raw = line[len(prefix):-2]
            tree.advance(index)
            tree.push(0, hashlib.sha256(b"\x00" + raw).digest())
            count += 1
            leaf = json.loads(raw)
            session = leaf.get("session")
            if not session:
                continue
            seq, prev = heads.get(session, (0, ""))
            if leaf["seq"] != seq + 1 or leaf.get("prev", "") != prev:
                fail("leaf %d: its session is not whole" % index)
            heads[session] = (leaf["seq"], sha(raw))
            open_sessions.add(session)
            body = leaf["body"]
            if leaf["type"] == "intent" and body["phase"] != "analyse":
                statements[(session, body["stmt"])] = index
            if leaf["type"] == "outcome" and body["status"] != "unknown":
                settled.add((session, body["stmt"]))
            if leaf["type"] == "session-close":
                open_sessions.discard(session)
                if body["events"] != leaf["seq"] or body["head"] != prev:
                    fail("leaf %d: the close of the session does not agree with it" % index)
        tree.advance(size)
        if tree.root() != root:
            fail("the log that was signed does not hold these leaves")
    if count != manifest["leaves"]:
        fail("%d leaves, the manifest counts %d" % (count, manifest["leaves"]))
    for key_of, index in sorted(statements.items(), key=lambda item: item[1]):
        if key_of not in settled:
            print("may have executed: session %s statement %d, leaf %d" % (key_of[0], key_of[1], index))
    for session in sorted(open_sessions):
        print("not closed: session " + session)
    print("OK: %d files, %d leaves, %d sessions, log of %d leaves" % (len(manifest["files"]), count, len(heads), size))


main()
