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
    if not isinstance(about, dict) or about.get("format") != "quiver-bag" or about.get("version") != 1:
        raise Malformed("no bag of version 1")
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
    if magic != b"QVRTABLE" or struct.unpack("<I", content[60:64])[0] != zlib.crc32(content[:60]):
        return None
    rows = content[64:64 + size * 64]
    if version != 1 or found != purpose or len(rows) != size * 64 or zlib.crc32(rows) != crc:
        return None
    table = [struct.unpack("<32sQQIIII", rows[at:at + 64]) for at in range(0, len(rows), 64)]
    if any(one[0] >= other[0] for one, other in zip(table, table[1:])):
        raise Malformed("a table is not sorted")
    return length, check, table


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
    return [(row[0].hex(), read_row(segment, index, row)) for row in table[2]]


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
        elif kind == "Boxed":
            node.inside = self.slot(rest[0])
        elif kind == "Error":
            node.texts = [s if s is UNDEFINED else self.text(s) for s in rest[:4]]
            end = 5 + 2 * int(rest[4])
            node.hidden, node.properties = self.pairs(rest[5:end]), self.pairs(rest[end:])
        elif kind != "part" and kind not in NUMBERS:
            raise Malformed(f"a node of the type {kind}")

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


LINE = re.compile(rb'\{"(key|evict)":"([0-9a-f]{64})"')


def read_log(root, log_generation):
    """Gives the newest line of each key, and what else there is to tell of the log."""
    log = read_file(f"{root}/calls.jsonl") or b""
    newest, skipped, at = {}, 0, 0
    for line in log.split(b"\n")[:-1]:
        begin, at = at, at + len(line) + 1
        if line == b"":
            continue
        head = LINE.match(line)
        fits = head is not None and len(line) + 2 <= LONGEST_LINE_BYTES and not is_deep(line)
        content = read_checked_line(line) if fits else None
        if content is None:
            skipped += 1
        else:
            newest[head[2].decode()] = (begin, line, None if head[1] == b"evict" else content)
    table = read_table(read_file(f"{root}/calls.index"), 2)
    indexed = None if table is None else check_call_table(table, log, log_generation, newest)
    return newest, skipped, indexed


def check_call_table(table, log, log_generation, newest):
    """Compares the table with the log; gives the number of its rows, or None if it does not fit."""
    length, check, rows = table
    sample = min(4096, length)
    crc = zlib.crc32(log[length - sample:length], zlib.crc32(log[:sample], log_generation))
    if length > len(log) or crc != check:
        return None
    found = {row[0].hex(): row for row in rows}
    for key, (begin, line, record) in newest.items():
        row = found.pop(key, None)
        if begin < length and (None if row is None else row[1:3]) != (record and (begin, len(line))):
            raise Malformed(f"the table of the log is wrong about {key}")
    if found:
        raise Malformed("the table of the log has keys that the log has not")
    return len(rows)


def read_touches(root):
    """Gives the touches, which a reader has no need of."""
    names = list_names(f"{root}/touches", re.compile("[0-9a-f]{16}-[0-9]+"))
    lines = [line for name in names for line in read_file(f"{root}/touches/{name}").split(b"\n")]
    return [read_checked_line(line) for line in lines if line != b""]


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
    """Writes numbers, texts, None and lists of them as JSON.stringify does."""
    if isinstance(value, list):
        return "[" + ",".join(map(write_json, value)) + "]"
    if isinstance(value, (int, float)):
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
    if ignored is not None:
        parts.append(ignored)
    return hashlib.sha256(write_json(parts).encode("utf-8")).hexdigest()


def make_signature(record, key):
    fields = {name: value for name, value in record.items() if name != "signature"}
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
        if node.type == "Boxed":
            return [node.type, slot(node.inside)]
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
        "damaged": sorted(values.damaged),
        "unreadable": values.unreadable,
        "values": {d: report_value(p, values.payloads) for d, p in values.payloads.items()},
        "records": records,
        "forgotten": sorted(key for key, line in newest.items() if line[2] is None),
        "skipped": skipped,
        "touches": read_touches(root),
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
