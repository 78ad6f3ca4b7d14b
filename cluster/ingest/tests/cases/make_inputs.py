#!/usr/bin/env python3
"""Makes the packed and Parquet inputs of the cases beside it (needs numpy, pyarrow; zstd by pyarrow)."""
import datetime, decimal, gzip, json, os, struct
import pyarrow as pa, pyarrow.parquet as pq

here = os.path.dirname(os.path.abspath(__file__))


def write(case, name, data):
    os.makedirs(os.path.join(here, case), exist_ok=True)
    with open(os.path.join(here, case, name), "wb") as f:
        f.write(data)


def parquet(case, table, **options):
    os.makedirs(os.path.join(here, case), exist_ok=True)
    pq.write_table(table, os.path.join(here, case, "input.parquet"), **options)


gz = lambda b: gzip.compress(b, mtime=0)
rows = b"".join(b"%d,p%d\n" % (i, i % 7) for i in range(1, 301))
text = b"no,part\n" + rows
write("20-gz-members", "input.csv.gz", gz(text[:5]) + gz(text[5:1001]) + gz(text[1001:]) + gz(b""))
lines = b"".join(b'{"no":%d,"note":"%s"}\n' % (i, os.urandom(20).hex().encode()) for i in range(400))
write("21-gz-cut", "input.jsonl.gz", gz(lines)[:-3000])
write("22-zst-frames", "input.csv.zst", pa.compress(text[:700], "zstd", asbytes=True) + pa.compress(text[700:], "zstd", asbytes=True))
write("23-zst-cut", "input.csv.zst", pa.compress(text, "zstd", asbytes=True)[:-40])
late = b"".join(b'{"no":%d}\n' % i for i in range(30000)) + b'{"no":30000,"late":7}\n'
write("24-key-late", "input.jsonl.gz", gz(late))

D = decimal.Decimal
parquet("30-parquet-types", pa.table({
    "i8": pa.array([-128, None, 127], pa.int8()), "u16": pa.array([0, 65535, None], pa.uint16()),
    "u32": pa.array([4294967295, 0, None], pa.uint32()), "u64": pa.array([5, None, 7], pa.uint64()),
    "huge": pa.array([18446744073709551615, None, 1], pa.uint64()),
    "f": pa.array([1.5, None, float("nan")], pa.float32()), "d": pa.array([-0.0, None, float("-inf")], pa.float64()),
    "b": pa.array([True, None, False]), "s": pa.array(["é", None, ""]), "x": pa.array([b"\x00\xff", None, b""]),
    "dec": pa.array([D("-1.50"), None, D("123456789012345678901234.000001")], pa.decimal128(32, 6)),
    "day": pa.array([datetime.date(1969, 12, 31), None, datetime.date(9999, 12, 31)]),
    "us": pa.array([-1, None, 1_500_999], pa.timestamp("us")), "ns": pa.array([1, None, -1], pa.timestamp("ns")),
    "tags": pa.array([["a", "b"], None, []], pa.list_(pa.string())),
    "who": pa.array([{"name": "Ann", "age": 5}, None, {"name": None, "age": 7}]),
    "pairs": pa.array([[{"k": 1}], None, [{"k": 2}, None]]),
    "none": pa.nulls(3),
}), store_schema=False)
far = [datetime.datetime(2021, 5, 6, 7, 8, 9, 123000), datetime.datetime(1700, 1, 1), datetime.datetime(9990, 1, 1)]
parquet("31-parquet-int96", pa.table({"no": [1, 2, 3], "at": pa.array(far, pa.timestamp("us"))}), use_deprecated_int96_timestamps=True)
whole = os.path.join(here, "30-parquet-types", "input.parquet")
data = open(whole, "rb").read()
write("32-parquet-cut", "input.parquet", data[: len(data) // 2])
# One page of the second column damaged: the footer still reads.
t = pa.table({"good": list(range(2000)), "spoiled": [f"text {i * 7919 % 100000}" for i in range(2000)]})
parquet("33-parquet-page-damaged", t, compression="snappy", use_dictionary=False)
path = os.path.join(here, "33-parquet-page-damaged", "input.parquet")
meta = pq.ParquetFile(path).metadata.row_group(0).column(1)
b = bytearray(open(path, "rb").read())
at = meta.data_page_offset + 60
b[at : at + 2000] = bytes(255 for _ in range(2000))
write("33-parquet-page-damaged", "input.parquet", bytes(b))
