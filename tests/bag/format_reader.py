"""Reads a bag as src/bag/FORMAT.md describes it, with the standard library alone, and prints JSON.

    python3 format_reader.py results.bag [signing key]

Every value is decoded, and its exact digest and argument digest are made again from what came out.
Not made again: digests of code (they need a parser of ECMAScript), keys of old calls that leave
arguments out (their records do not tell which), and values of segments without a table (they need
an HDF5 library).
"""

import base64
import decimal
import hashlib
import hmac
import json
import os
import re
import struct
import sys
import threading
import zlib

SPLIT_BYTES = 4096
PIECE_BYTES = 8 * 1024 * 1024
BLOCK_BYTES = 65536
LONGEST_LINE_BYTES = 16 * 1024 * 1024
DEEPEST = 200

KINDS = {
    1: ("cbor", 1), 2: ("graph", 1),
    16: ("Int8Array", 1), 17: ("Uint8Array", 1), 18: ("Uint8ClampedArray", 1),
    19: ("Int16Array", 2), 20: ("Uint16Array", 2), 21: ("Int32Array", 4), 22: ("Uint32Array", 4),
    23: ("Float16Array", 2), 24: ("Float32Array", 4), 25: ("Float64Array", 8),
    26: ("BigInt64Array", 8), 27: ("BigUint64Array", 8),
    28: ("ArrayBuffer", 1), 29: ("SharedArrayBuffer", 1), 30: ("DataView", 1),
}
NUMBERS = {name: number for number, (name, _) in KINDS.items() if number >= 16}


class Malformed(Exception):
    """Something is not as the format says."""


class MissingPart(Exception):
    """A value refers to a part that is not there; its digest is the message."""


# -- Files ---------------------------------------------------------------------------------------


def read_file(path):
    """Gives the content of a file, or None; links are not followed."""
    if os.path.islink(path):
        raise Malformed(f"{path} is a link")
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def list_names(directory, pattern):
    """Gives the names of the regular files in a directory that match."""
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return []
    return sorted(e.name for e in entries if pattern.fullmatch(e.name) and e.is_file(follow_symlinks=False))


def read_checked_line(line):
    """Gives the object in a checked line, or None when the line is damaged."""
    text, check = line[:-18], line[-18:]
    if check != b',"crc":"%08x"}' % zlib.crc32(text):
        return None
    try:
        content = json.loads(text + b"}")
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def is_deep(line):
    """Tells whether a JSON text is nested deeper than any of ours."""
    depth = 0
    for token in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', line):
        if token[0] in b"[{":
            depth += 1
            if depth > DEEPEST:
                return True
        elif token[0] in b"]}":
            depth -= 1
    return False


def read_bag_json(root):
    content = read_file(f"{root}/bag.json")
    about = None if content is None else json.loads(content)
    if not isinstance(about, dict) or about.get("format") != "quiver-bag" or about.get("version") not in (1, 2):
        raise Malformed("no bag of version 1 or 2")
    unknown = set(about.get("features", [])) - {"gzip"}
    if unknown:
        raise Malformed(f"unknown features {sorted(unknown)}")
    return about


def read_manifest(root):
    content = read_file(f"{root}/manifest.json")
    if content is None:
        if list_names(f"{root}/segments", re.compile(".*")):
            raise Malformed("the manifest is missing")
        return {"generation": 0, "nextSegment": 1, "logGeneration": 1, "segments": [], "sealed": {}}
    manifest = read_checked_line(content[1:-1])
    if manifest is None or content[:1] + content[-1:] != b"\n\n":
        raise Malformed("the manifest is damaged")
    return manifest


def read_id(root):
    """Gives what the bag is known by to its backups, or None."""
    text = (read_file(f"{root}/id") or b"").decode("utf-8", "replace")
    return text[:-1] if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n", text) else None


def read_backup_json(root):
    """Gives what the directory is a backup of, or None if it is none."""
    content = read_file(f"{root}/backup.json")
    if content is None:
        return None
    state = read_checked_line(content[1:-1])
    if state is None or state.pop("format") != "quiver-backup" or state.pop("version") != 1:
        raise Malformed("no backup of version 1")
    return state


# -- Journals, tables and segments ---------------------------------------------------------------


class Payload:
    """The bytes of a value, how to read them, and where they were."""

    def __init__(self, kind, content, place, shape=None):
        self.kind, self.content, self.place, self.shape = kind, content, place, shape


def read_journal(content):
    """Gives (digest, payload) for each entry; the payload is None when it is damaged."""
    at = 0
    while at + 56 <= len(content):
        header = content[at:at + 56]
        magic, kind, rank, length, digest, crc, check = struct.unpack("<4sHHQ32sII", header)
        if magic != b"QVRJ" or check != zlib.crc32(header[:52]):
            at = content.find(b"QVRJ", at + 1)
            if at < 0:
                return
            continue
        begin = at + 56
        end = begin + length + (rank * 8 + 4 if rank else 0)
        if end > len(content):
            return
        payload = content[begin:begin + length]
        lengths = content[begin + length:end]
        shape = None
        if rank and struct.unpack("<I", lengths[-4:])[0] == zlib.crc32(lengths[:-4]):
            shape = list(struct.unpack(f"<{rank}Q", lengths[:-4]))
        whole = zlib.crc32(payload) == crc
        yield digest.hex(), Payload(kind, payload, "journal", shape) if whole else None
        at = end


def read_table(content, purpose):
    """Gives the header's length and check and the rows of a table, or None when it is damaged."""
    if content is None or len(content) < 64:
        return None
    magic, version, found, size, length, check, crc = struct.unpack("<8sIIQQII", content[:40])
    begin = {1: 64, 2: 96}.get(version)
    if magic != b"QVRTABLE" or begin is None or len(content) < begin:
        return None
    if struct.unpack("<I", content[begin - 4:begin])[0] != zlib.crc32(content[:begin - 4]):
        return None
    rows = content[begin:begin + size * 64]
    if found != purpose or len(rows) != size * 64 or zlib.crc32(rows) != crc:
        return None
    return length, check, unpack_rows(rows)


def unpack_rows(rows):
    table = [struct.unpack("<32sQQIIII", rows[at:at + 64]) for at in range(0, len(rows), 64)]
    if any(one[0] >= other[0] for one, other in zip(table, table[1:])):
        raise Malformed("a table is not sorted")
    return table


def read_packed_rows(segment, index):
    """Gives the rows that a table of version 2 tells of in its segment, without damaged ones."""
    if struct.unpack("<I", index[8:12])[0] != 2:
        return []
    begin, size, payloads, crc = struct.unpack("<QQQI", index[40:68])
    content = segment[begin:begin + size * 64]
    rows = [content[at:at + 64] for at in range(0, len(content) - 63, 64)]
    whole = [row for row in rows if struct.unpack("<I", row[60:])[0] == zlib.crc32(row[:60])]
    if (zlib.crc32(content) == crc) != (len(whole) == size):
        raise Malformed("the checksums of packed rows are wrong")
    # In the segment an offset is that in the dataset; the last number is a checksum.
    table = [struct.unpack("<32sQQIIII", row) for row in whole]
    return [(row[0], payloads + row[1], *row[2:5], 0, 0) for row in table]


def read_details(index, unit):
    """Gives the details of a row: an empty object when there are none, or they are damaged."""
    if unit == 0 or unit * 8 + 8 > len(index):
        return {}
    length, crc = struct.unpack("<II", index[unit * 8:unit * 8 + 8])
    text = index[unit * 8 + 8:unit * 8 + 8 + length]
    return json.loads(text) if len(text) == length and zlib.crc32(text) == crc else {}


def read_base64(text, code):
    content = base64.b64decode(text)
    return struct.unpack(f"<{len(content) // struct.calcsize(code)}{code}", content)


def product(numbers, result=1):
    for number in numbers:
        result *= number
    return result


def block_lengths(length, shape, chunk, element):
    """Gives the lengths of the blocks of a compressed payload, in their order, and of a chunk."""
    split = next((i for i, n in enumerate(chunk) if n > 1), len(shape) - 1)
    period = product(shape[split:], element)
    block = product(chunk, element)
    lengths = []
    for _ in range(length // period):
        lengths += [min(block, period - at) for at in range(0, period, block)]
    return lengths, block


def read_chunks(segment, kind, length, details):
    element = KINDS[kind][1]
    shape = details.get("shape", [length // element])
    lengths, chunk = block_lengths(length, shape, details["chunk"], element)
    places, checks = read_base64(details["places"], "d"), read_base64(details["checks"], "I")
    if len(lengths) != len(checks) or len(places) != 2 * len(checks):
        raise Malformed("the chunks do not fit")
    blocks = []
    for i, block in enumerate(lengths):
        offset, size = int(places[2 * i]), int(places[2 * i + 1])
        written = segment[offset:offset + size]
        if size != chunk or zlib.crc32(written[:block]) != checks[i]:
            written = zlib.decompress(written)
        if zlib.crc32(written[:block]) != checks[i]:
            raise Malformed("a chunk is damaged")
        blocks.append(written[:block])
    return b"".join(blocks)


def check_blocks(content, details):
    """Compares a payload with the checksums of its blocks, if there are any."""
    found = [zlib.crc32(content[at:at + BLOCK_BYTES]) for at in range(0, len(content), BLOCK_BYTES)]
    if "checks" in details and list(read_base64(details["checks"], "I")) != found:
        raise Malformed("the checksums of blocks are wrong")


def read_row(segment, index, row):
    """Gives the payload of a row, or None when it is damaged."""
    _, offset, length, kind, crc, place, unit = row
    details = read_details(index, unit)
    if place == 2:
        content = read_chunks(segment, kind, length, details)
    else:
        content = (segment, index)[place][offset:offset + length]
    if len(content) != length or zlib.crc32(content) != crc:
        return None
    if place != 2:
        check_blocks(content, details)
    return Payload(kind, content, ("segment", "table", "chunks")[place], details.get("shape"))


def read_segment(root, name):
    """Gives (digest, payload) for each value of a segment; None when it or its table is unfit."""
    segment = read_file(f"{root}/segments/{name}.h5")
    index = read_file(f"{root}/segments/{name}.index")
    table = read_table(index, 1)
    if segment is None or table is None or table[0] != len(segment):
        return None
    own = {row[0] for row in table[2]}
    packed = [row for row in read_packed_rows(segment, index) if row[0] not in own]
    return [(row[0].hex(), read_row(segment, index, row)) for row in table[2] + packed]


class Values:
    """All payloads of a bag."""

    def __init__(self, root):
        self.payloads, self.damaged, self.unreadable = {}, set(), []
        # Journals first: one that is gone when the manifest is read is in a segment of the manifest.
        pattern = re.compile("[0-9a-f]{16}-[0-9]+")
        for name in list_names(f"{root}/journal", pattern):
            self.add(read_journal(read_file(f"{root}/journal/{name}") or b""))
        self.manifest = read_manifest(root)
        while True:
            names = [entry["name"] for entry in self.manifest["segments"]]
            segments = {name: read_segment(root, name) for name in reversed(names)}
            newer = read_manifest(root)
            if newer["generation"] == self.manifest["generation"]:
                break
            self.manifest = newer
        for name, segment in segments.items():
            if segment is None:
                self.unreadable.append(name)
            else:
                self.add(segment)
        self.damaged -= set(self.payloads)

    def add(self, entries):
        for digest, payload in entries:
            if payload is None:
                self.damaged.add(digest)
            else:
                self.payloads.setdefault(digest, payload)


# -- Values --------------------------------------------------------------------------------------


class Undefined:
    """The value undefined; None stands for null, an int for a bigint, a float for a number."""


UNDEFINED = Undefined()


class Node:
    """An object: its type, and what it is made of."""

    def __init__(self, type, **fields):
        self.type = type
        self.__dict__.update(fields)


def read_cbor(content):
    """Gives the one item in the bytes, as lists, dicts, bytes and primitives."""
    at = 0

    def take(count):
        nonlocal at
        piece = content[at:at + count]
        if len(piece) != count:
            raise Malformed("CBOR ends too early")
        at += count
        return piece

    def item(depth):
        if depth > DEEPEST:
            raise Malformed("CBOR is nested too deeply")
        head = take(1)[0]
        major, info = head >> 5, head & 31
        if major == 7:
            return special(info)
        if info > 26:
            raise Malformed(f"CBOR has the head {head}")
        n = info if info < 24 else int.from_bytes(take(1 << (info - 24)), "big")
        if major < 2:
            return float(n if major == 0 else -1 - n)
        if major == 2:
            return take(n)
        if major == 3:
            return take(n).decode("utf-8")
        if major == 4:
            return [item(depth + 1) for _ in range(n)]
        if major != 5:
            raise Malformed("CBOR has a tag")
        entries = {}
        for _ in range(n):
            key = item(depth + 1)
            if not isinstance(key, str) or key in entries or key == "__proto__":
                raise Malformed("CBOR has a key that is none")
            entries[key] = item(depth + 1)
        return entries

    def special(info):
        if 20 <= info <= 23:
            return (False, True, None, UNDEFINED)[info - 20]
        if not 25 <= info <= 27:
            raise Malformed(f"CBOR has the simple value {info}")
        return struct.unpack(">" + "efd"[info - 25], take(1 << (info - 24)))[0]

    result = item(0)
    if at != len(content):
        raise Malformed("there is something behind the CBOR")
    return result


def to_array(items):
    """Makes an Array without holes; of one with holes, elements are what is there."""
    return Node("Array", length=len(items), elements=list(enumerate(items)), names=[])


def from_plain(item):
    """Makes a value of plain data."""
    if isinstance(item, list):
        return to_array([from_plain(i) for i in item])
    if isinstance(item, dict):
        return Node("Object", properties=[(key, from_plain(i)) for key, i in item.items()])
    if isinstance(item, bytes):
        raise Malformed("plain data has bytes")
    # JSON tells integers apart, which values do not.
    return float(item) if isinstance(item, int) and not isinstance(item, bool) else item


INDEX = re.compile("0|[1-9][0-9]*")


class Graph:
    """Makes a value of the table of a graph."""

    def __init__(self, table, load_part):
        if not isinstance(table, list) or len(table) < 2 or table[0] != 1:
            raise Malformed("no graph")
        self.load_part = load_part
        self.nodes = [self.create(node) for node in table[2:]]
        for node, source in zip(self.nodes, table[2:]):
            self.fill(node, source)
        self.value = self.slot(table[1])

    def create(self, source):
        kind = source[0]
        if kind == "part":
            return self.load_part(source[1].hex())
        if kind in NUMBERS:
            return Node(kind, content=source[1])
        return Node("Array" if kind == "SparseArray" else kind)

    def fill(self, node, source):
        kind, *rest = source
        if kind in ("Object", "NullObject"):
            node.properties = self.pairs(rest)
        elif kind == "Array":
            node.__dict__.update(to_array([self.slot(s) for s in rest]).__dict__)
        elif kind == "SparseArray":
            self.fill_sparse(node, int(rest[0]), self.pairs(rest[1:]))
        elif kind == "Map":
            items = [self.slot(s) for s in rest]
            node.entries = list(zip(items[::2], items[1::2]))
        elif kind == "Set":
            node.items = [self.slot(s) for s in rest]
        elif kind == "Date":
            node.time = rest[0]
        elif kind == "RegExp":
            node.source, node.flags = self.text(rest[0]), self.text(rest[1])
        elif kind in ("URL", "URLSearchParams"):
            node.text = self.text(rest[0])
        elif kind == "Temporal":
            node.name, node.text = self.text(rest[0]), self.text(rest[1])
        elif kind == "Registered":
            node.name, node.version, node.data = self.text(rest[0]), self.slot(rest[1]), self.slot(rest[2])
        elif kind == "Boxed":
            node.inside = self.slot(rest[0])
        elif kind == "Error":
            node.texts = [s if s is UNDEFINED else self.text(s) for s in rest[:4]]
            end = 5 + 2 * int(rest[4])
            node.hidden, node.properties = self.pairs(rest[5:end]), self.pairs(rest[end:])
        elif kind == "File":
            self.fill_file(node, rest)
        elif kind != "part" and kind not in NUMBERS:
            raise Malformed(f"a node of the type {kind}")

    def fill_file(self, node, rest):
        path, output, always, node.directory, node.digest, node.size, *entries = rest
        text = lambda slot: slot if slot is UNDEFINED else self.text(slot)
        node.path, node.output, node.entries = text(path), text(output), []
        if always is not False:
            raise Malformed("a File of no store")
        for kind, path, *fields in entries:
            entry = {"type": kind, "path": self.text(path)}
            if kind == "link":
                entry["target"] = self.text(fields[0])
            elif kind == "file":
                size, executable, digest, pieces = fields
                entry |= {"size": size, "executable": executable, "digest": digest, "pieces": pieces}
                self.check_pieces(entry)
            elif kind != "directory":
                raise Malformed(f"an entry of the type {kind}")
            node.entries.append(entry)
        if node.output is not UNDEFINED and node.digest != self.digest_entries(node):
            raise Malformed("a File of other entries")

    def check_pieces(self, entry):
        """The bytes of a file are its pieces, one behind the other."""
        pieces = entry["pieces"]
        loaded = [self.load_part(pieces[at : at + 32].hex()) for at in range(0, len(pieces), 32)]
        if any(len(piece.content) != PIECE_BYTES for piece in loaded[:-1]):
            raise Malformed("a piece of another size")
        content = b"".join(piece.content for piece in loaded)
        if len(content) != entry["size"] or hashlib.sha256(content).digest() != entry["digest"]:
            raise Malformed("a file of other bytes")

    def digest_entries(self, node):
        if not node.directory:
            (entry,) = node.entries
            return entry["digest"]
        lines = b""
        for entry in node.entries:
            fields = [entry["type"], entry["path"]]
            if entry["type"] == "file":
                fields += [entry["executable"], entry["digest"].hex()]
            elif entry["type"] == "link":
                fields.append(entry["target"])
            lines += write_json(fields).encode() + b"\n"
        return hashlib.sha256(lines).digest()

    def fill_sparse(self, node, length, pairs):
        is_index = lambda key: INDEX.fullmatch(key) and int(key) < 2**32 - 1
        node.length = length
        node.elements = [(int(key), value) for key, value in pairs if is_index(key)]
        node.names = [(key, value) for key, value in pairs if not is_index(key)]

    def pairs(self, slots):
        return [(self.text(slots[i]), self.slot(slots[i + 1])) for i in range(0, len(slots), 2)]

    def text(self, slot):
        text = self.slot(slot)
        if not isinstance(text, str):
            raise Malformed("no text")
        return text

    def slot(self, slot):
        if not isinstance(slot, list):
            return slot
        first = slot[0]
        if isinstance(first, float):
            return self.nodes[int(first)]
        if first == "-0":
            return -0.0
        if first == "bigint":
            return int(slot[1], 16)
        if first == "utf16":
            return slot[1].decode("utf-16-le", "surrogatepass")
        raise Malformed(f"a slot {first}")


def decode(payload, payloads):
    """Makes the value of a payload."""
    name = KINDS[payload.kind][0]
    if name not in ("cbor", "graph"):
        return Node(name, content=payload.content)
    item = read_cbor(payload.content)
    if name == "cbor":
        return from_plain(item)

    def load_part(digest):
        part = payloads.get(digest)
        if part is None:
            raise MissingPart(digest)
        if part.kind < 16:
            raise Malformed(f"the part {digest} is no array")
        return Node(KINDS[part.kind][0], content=part.content)

    return Graph(item, load_part).value


# -- Digests -------------------------------------------------------------------------------------


def encode_uint(number):
    out = bytearray()
    while number > 127:
        out.append(number % 128 + 128)
        number //= 128
    out.append(number)
    return bytes(out)


def encode_double(number):
    return struct.pack("<d", number) if number == number else bytes.fromhex("000000000000f87f")


def encode_text(text):
    units = text.encode("utf-16-le", "surrogatepass")
    count = encode_uint(len(units) // 2)
    try:
        return b"\x26" + count + text.encode("utf-8")
    except UnicodeEncodeError:
        return b"\x27" + count + units


def encode_bigint(number):
    return ("-" if number < 0 else "") + format(abs(number), "x")


def encode_array(node):
    return bytes([NUMBERS[node.type]]) + encode_uint(len(node.content)) + node.content


class Canonical:
    """Writes the canonical bytes of a value: for its exact digest, or for its argument digest."""

    def __init__(self, value, exact):
        self.exact, self.seen, self.ancestors = exact, {}, []
        self.out = bytearray(b"\x01")
        if isinstance(value, Node) and value.type in NUMBERS:
            self.out += encode_array(value)
        else:
            self.write(value)

    def digest(self):
        return hashlib.sha256(self.out).hexdigest()

    def write(self, value):
        if isinstance(value, Node):
            self.write_object(value)
        elif value is UNDEFINED:
            self.out.append(32)
        elif value is None:
            self.out.append(33)
        elif isinstance(value, bool):
            self.out.append(35 if value else 34)
        elif isinstance(value, float):
            self.out += b"\x24" + encode_double(value)
        elif isinstance(value, int):
            self.out += b"\x25" + encode_text(encode_bigint(value))
        else:
            self.out += encode_text(value)

    def write_object(self, node):
        if self.exact:
            if id(node) in self.seen:
                self.out += b"\x34" + encode_uint(self.seen[id(node)])
                return
            self.seen[id(node)] = len(self.seen)
        elif node in self.ancestors:
            self.out += b"\x35" + encode_uint(len(self.ancestors) - self.ancestors.index(node))
            return
        self.ancestors.append(node)
        if node.type in NUMBERS:
            self.write_array(node)
        else:
            getattr(self, f"write_{node.type}")(node)
        self.ancestors.pop()

    def write_array(self, node):
        item = encode_array(node)
        if len(node.content) >= SPLIT_BYTES:
            item = b"\x33" + hashlib.sha256(b"\x01" + item).digest()
        self.out += item

    def ordered(self, pairs):
        key = lambda pair: pair[0].encode("utf-16-be", "surrogatepass")
        return pairs if self.exact else sorted(pairs, key=key)

    def write_pairs(self, pairs):
        for key, value in self.ordered(pairs):
            self.out += encode_text(key)
            self.write(value)

    def write_Object(self, node, tag=40):
        self.out += bytes([tag]) + encode_uint(len(node.properties))
        self.write_pairs(node.properties)

    def write_NullObject(self, node):
        self.write_Object(node, 41 if self.exact else 40)

    def write_Array(self, node):
        self.out += b"\x2a" + encode_uint(node.length) + encode_uint(len(node.names))
        self.write_pairs(node.names)
        end = 0
        for index, element in node.elements:
            self.write_holes(index - end)
            end = index + 1
            self.write(element)
        self.write_holes(node.length - end)

    def write_holes(self, count):
        if count > 0:
            self.out += b"\x2b" + encode_uint(count)

    def write_entries(self, tag, entries):
        self.out += bytes([tag]) + encode_uint(len(entries))
        begin = len(self.out)
        pieces = []
        for entry in entries:
            start = len(self.out)
            for value in entry:
                self.write(value)
            pieces.append(bytes(self.out[start:]))
        if not self.exact:
            self.out[begin:] = b"".join(sorted(pieces))

    def write_Map(self, node):
        self.write_entries(44, node.entries)

    def write_Set(self, node):
        self.write_entries(45, [(item,) for item in node.items])

    def write_Date(self, node):
        self.out += b"\x2e" + encode_double(node.time)

    def write_RegExp(self, node):
        self.out += b"\x2f" + encode_text(node.source) + encode_text(node.flags)

    def write_URL(self, node):
        self.out += b"\x36" + encode_text(node.text)

    def write_URLSearchParams(self, node):
        self.out += b"\x37" + encode_text(node.text)

    def write_Registered(self, node):
        self.out += b"\x39" + encode_text(node.name)
        self.write(node.version)
        self.write(node.data)

    def write_Temporal(self, node):
        self.out += b"\x3a" + encode_text(node.name) + encode_text(node.text)

    def write_boolean(self, value):
        self.out.append(35 if value else 34)

    def write_File(self, node):
        self.out.append(56)
        if self.exact:
            self.write(node.path)
            self.write(node.output)
        self.write_boolean(node.directory)
        self.out += node.digest
        if not self.exact:
            return
        self.out += encode_double(node.size) + encode_uint(len(node.entries))
        for entry in node.entries:
            self.write(entry["type"])
            self.write(entry["path"])
            if entry["type"] == "link":
                self.write(entry["target"])
            elif entry["type"] == "file":
                self.out += encode_double(entry["size"])
                self.write_boolean(entry["executable"])
                self.out += entry["digest"] + entry["pieces"]

    def write_Boxed(self, node):
        self.out.append(48)
        self.write(node.inside)

    def write_Error(self, node):
        self.out.append(49)
        kind, name, message, stack = node.texts
        for text in (kind, name, message, stack if self.exact else UNDEFINED):
            self.write(text)
        for pairs in (node.hidden, node.properties):
            self.write(float(len(pairs)))
            self.write_pairs(pairs)


# -- The call log --------------------------------------------------------------------------------


LONG = re.compile(rb'\{"(key|evict)":"([0-9a-f]{64})"')
SHORT = re.compile(rb'\{"call":"([A-Za-z0-9_-]{43})","head":"([A-Za-z0-9_-]{16})"')
HEADER = re.compile(rb'\{"head":"([A-Za-z0-9_-]{16})",')


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()


def read_headers(lines):
    """Gives the headers by their names, wherever in the log they stand."""
    headers = {}
    for line in lines:
        head = HEADER.match(line)
        content = read_checked_line(line) if head is not None and not is_deep(line) else None
        if content is None:
            continue
        digest = hashlib.sha256(b"{" + line[head.end():-18] + b"}").digest()
        name = content.pop("head")
        if base64.urlsafe_b64encode(digest[:12]).decode() == name:
            headers[name] = content
    return headers


def expand(content, headers):
    """Gives all fields of a short record, or None when its header is lost."""
    header = headers.get(content.pop("head"))
    if header is None:
        return None
    args = []
    for about, given in zip(header["args"], content.pop("args", [])):
        digests = {"digest": given, "value": given} if isinstance(given, str) else given
        args.append({**about, **{name: from_base64url(text) for name, text in digests.items()}})
    key, result = from_base64url(content.pop("call")), from_base64url(content.pop("result"))
    return {**header, **content, "key": key, "args": args, "result": result}


def read_line(line, headers):
    """Gives the key and the record of a line, no record for an eviction; None for neither."""
    if len(line) + 2 > LONGEST_LINE_BYTES or is_deep(line):
        return None
    head = LONG.match(line)
    content = read_checked_line(line) if head or SHORT.match(line) else None
    if content is None:
        return None
    if head is not None:
        return head[2].decode(), None if head[1] == b"evict" else content
    record = expand(content, headers)
    return None if record is None else (record["key"], record)


def read_log(root, log_generation):
    """Gives the newest line of each key, and what else there is to tell of the log."""
    log = read_file(f"{root}/calls.jsonl") or b""
    lines = log.split(b"\n")[:-1]
    headers = read_headers(lines)
    newest, copies, skipped, at = {}, {}, 0, 0
    for line in lines:
        begin, at = at, at + len(line) + 1
        if line == b"":
            continue
        header = HEADER.match(line)
        if header is not None and header[1].decode() in headers and read_checked_line(line):
            copies[header[1].decode()] = (begin, len(line))
            continue
        found = read_line(line, headers)
        if found is None:
            skipped += 1
        else:
            newest[found[0]] = (begin, line, found[1])
    table = read_table(read_file(f"{root}/calls.index"), 2)
    indexed = None if table is None else check_call_table(table, log, log_generation, newest, copies)
    return newest, skipped, indexed


def check_call_table(table, log, log_generation, newest, copies):
    """Compares the table with the log; gives the number of its records, or None if it does not fit."""
    length, check, rows = table
    sample = min(4096, length)
    crc = zlib.crc32(log[length - sample:length], zlib.crc32(log[:sample], log_generation))
    if length > len(log) or crc != check:
        return None
    for row in rows:
        if row[3] == 2:
            name = base64.urlsafe_b64encode(row[0][:12]).decode()
            begin, size = copies[name]
            if row[0][12:] != bytes(20) or (begin < length and row[1:3] != (begin, size)):
                raise Malformed(f"the table of the log is wrong about the header {name}")
    found = {row[0].hex(): row for row in rows if row[3] == 0}
    indexed = len(found)
    for key, (begin, line, record) in newest.items():
        row, place = found.pop(key, None), (begin, len(line))
        # On a full disk a record has become an eviction where it stands.
        struck = record is None and row is not None and row[1:3] == place
        if begin < length and not struck and (row and row[1:3]) != (record and place):
            raise Malformed(f"the table of the log is wrong about {key}")
    if found:
        raise Malformed("the table of the log has keys that the log has not")
    return indexed


def read_touches(root):
    """Gives the touches, which a reader has no need of."""
    names = list_names(f"{root}/touches", re.compile("[0-9a-f]{16}-[0-9]+"))
    lines = [line for name in names for line in read_file(f"{root}/touches/{name}").split(b"\n")]
    return [read_checked_line(line) for line in lines if line != b""]


def read_files(root):
    """Gives what files were when they were hashed, as far as that is to be believed."""
    lines = (read_file(f"{root}/files.jsonl") or b"").split(b"\n")
    return [found for found in map(read_checked_line, filter(None, lines)) if found is not None]


MOST_FAILURES = 1000
MOST_FAILURE_BYTES = 16 * 1024 * 1024


def read_failures(root):
    """Gives the failures that count, the oldest first."""
    newest = {}
    for line in (read_file(f"{root}/failures.jsonl") or b"").split(b"\n"):
        content = read_checked_line(line) if line else None
        if content is None:
            continue
        key = content.pop("failed", None) or content.get("cleared")
        newest.pop(key, None)
        if "failure" in content:
            newest[key] = (len(line) + content["failure"]["bytes"], {**content, "key": key})
    while len(newest) > MOST_FAILURES or sum(size for size, _ in newest.values()) > MOST_FAILURE_BYTES:
        newest.pop(next(iter(newest)))
    return [failure for _, failure in newest.values()]


def read_uses(root):
    """Gives the uses that count, each with its key, its tags, its run and its time."""
    uses, drops = {}, []
    for line in (read_file(f"{root}/uses.jsonl") or b"").split(b"\n"):
        content = read_checked_line(line) if line else None
        if content is None:
            continue
        if "dropped" in content:
            drops.append(content)
            for key in content["dropped"]:
                uses = {
                    use: told for use, told in uses.items()
                    if use[0] != key or told[0] > content["at"] or not is_of(content, told[1])
                }
            continue
        for key, ago in zip(content["used"], content["ago"]):
            at, tags = content["at"] - ago, content["tags"]
            told = max(at, content.get("carried", at))
            if any(key in drop["dropped"] and is_of(drop, tags) and told <= drop["at"] for drop in drops):
                continue
            use = (key, json.dumps(tags, sort_keys=True), content["run"])
            uses[use] = max(uses.get(use, (at, tags)), (at, tags), key=lambda one: one[0])
    return [{"key": use[0], "run": use[2], "at": at, "tags": tags} for use, (at, tags) in uses.items()]


def is_of(drop, tags):
    """Tells whether what was dropped has these tags."""
    return "tags" not in drop or drop["tags"] == tags


def write_number(number):
    """Writes a number as ECMAScript does."""
    if isinstance(number, int):
        return str(number)
    sign, digits, exponent = decimal.Decimal(repr(number)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + exponent
    if -6 < point <= 0:
        text = "0." + "0" * -point + text
    elif 0 < point <= 21:
        text = text.ljust(point, "0")
        text = text[:point] + ("." + text[point:] if text[point:] else "")
    else:
        text = text[0] + ("." + text[1:] if text[1:] else "") + f"e{point - 1:+d}"
    return "-" * sign + text


def write_json(value):
    """Writes numbers, texts, booleans, None and lists of them as JSON.stringify does."""
    if isinstance(value, list):
        return "[" + ",".join(map(write_json, value)) + "]"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return write_number(value)
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda found: "\\u%04x" % ord(found[0]), text)


def make_key(record):
    """Makes the key of a call again; None for what is no record of a call."""
    if not {"scheme", "module", "task", "args", "result"} <= record.keys():
        return None
    parts = [record.get(name) for name in ("scheme", "module", "task", "version", "code")]
    ignored = record.get("ignored")
    counted = []
    for argument in record["args"]:
        position = argument.get("position")
        while len(counted) in (ignored or ()) if position is None else len(counted) < position:
            counted.append(None)
        counted.append(argument["digest"])
    parts.append(counted)
    reads = record.get("reads")
    if ignored is not None or reads is not None:
        parts.append(ignored)
    if reads is not None:
        name = lambda read: [read["name"], read["digest"]] if read["kind"] == "env" else read["digest"]
        parts.append([name(read) for read in reads])
    return hashlib.sha256(write_json(parts).encode("utf-8")).hexdigest()


def make_signature(record, key):
    fields = {name: value for name, value in record.items() if name != "signature"}
    if "args" in fields:
        fields["args"] = [
            {"value" if name == "lost" and "value" not in argument else name: value
             for name, value in argument.items()}
            for argument in fields["args"]
        ]
    digest = Canonical(from_plain(fields), exact=False).digest()
    message = b"quiver record 1\n" + digest.encode()
    return hmac.new(key.encode("utf-8"), message, hashlib.sha256).hexdigest()


# -- Output --------------------------------------------------------------------------------------


def describe(value):
    """Lays a value out as JSON: a slot, and a list of the objects in the order they are met."""
    indices, objects = {}, []

    def slot(value):
        if value is UNDEFINED:
            return ["undefined"]
        if isinstance(value, Node):
            if id(value) not in indices:
                indices[id(value)] = len(objects)
                objects.append(value)
            return [indices[id(value)]]
        if isinstance(value, float):
            return ["number", encode_double(value).hex()]
        if isinstance(value, int) and not isinstance(value, bool):
            return ["bigint", encode_bigint(value)]
        return value

    def pairs(entries):
        return [[key, slot(item)] for key, item in entries]

    def lay_out(node):
        if node.type in NUMBERS:
            return [node.type, len(node.content), hashlib.sha256(node.content).hexdigest()]
        if node.type in ("Object", "NullObject"):
            return [node.type, pairs(node.properties)]
        if node.type == "Array":
            return [node.type, node.length, pairs(node.elements), pairs(node.names)]
        if node.type == "Map":
            return [node.type, [[slot(key), slot(item)] for key, item in node.entries]]
        if node.type == "Set":
            return [node.type, [slot(item) for item in node.items]]
        if node.type == "Date":
            return [node.type, slot(node.time)]
        if node.type == "RegExp":
            return [node.type, node.source, node.flags]
        if node.type in ("URL", "URLSearchParams"):
            return [node.type, node.text]
        if node.type == "Temporal":
            return [node.type, node.name, node.text]
        if node.type == "Registered":
            return [node.type, node.name, slot(node.version), slot(node.data)]
        if node.type == "Boxed":
            return [node.type, slot(node.inside)]
        if node.type == "File":
            place = [slot(node.path), slot(node.output), node.directory]
            return [node.type, *place, node.digest.hex(), slot(node.size)]
        return [node.type, [slot(text) for text in node.texts], pairs(node.hidden), pairs(node.properties)]

    root = slot(value)
    nodes = []
    # The list grows while it is gone over.
    for node in objects:
        nodes.append(lay_out(node))
    return {"root": root, "nodes": nodes}


def report_value(payload, payloads):
    about = {"kind": KINDS[payload.kind][0], "place": payload.place, "shape": payload.shape}
    try:
        value = decode(payload, payloads)
    except MissingPart as missing:
        return {**about, "missing": str(missing)}
    except Malformed as reason:
        return {**about, "malformed": str(reason)}
    return {
        **about,
        "exact": Canonical(value, exact=True).digest(),
        "argument": Canonical(value, exact=False).digest(),
        "value": describe(value),
    }


def report_bag(root, signing_key):
    about = read_bag_json(root)
    values = Values(root)
    newest, skipped, indexed = read_log(root, values.manifest["logGeneration"])
    records = [
        {
            "record": record,
            "key": make_key(record),
            "signature": None if signing_key is None else make_signature(record, signing_key),
        }
        for _, _, record in sorted(newest.values(), key=lambda line: line[0])
        if record is not None
    ]
    return {
        "bag": about,
        "manifest": values.manifest,
        "id": read_id(root),
        "backup": read_backup_json(root),
        "damaged": sorted(values.damaged),
        "unreadable": values.unreadable,
        "values": {d: report_value(p, values.payloads) for d, p in values.payloads.items()},
        "records": records,
        "forgotten": sorted(key for key, line in newest.items() if line[2] is None),
        "skipped": skipped,
        "touches": read_touches(root),
        "files": read_files(root),
        "failures": read_failures(root),
        "uses": read_uses(root),
        "indexed": indexed,
    }


def main():
    root, signing_key = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    print(json.dumps(report_bag(root, signing_key)))


if __name__ == "__main__":
    # A value may be 10,000 levels deep.
    sys.setrecursionlimit(100_000)
    threading.stack_size(512 * 1024 * 1024)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
