#!/usr/bin/env python3
"""Makes `hits`: page views of a web-analytics service, every value invented, as one zstd Parquet file in order of time.

  gen_hits.py --rows 5000000 --out hits.parquet

Visitors, pages, sites and search phrases follow Zipf laws, as they do in real logs: a few are seen very often, most hardly
ever. A page belongs to one site and has one title; a visitor has one country, region, screen, device and browser, so that
columns depend on each other. 13 of 100 views come from a search and carry its phrase, the others an empty text; 3 of 100 come
from a campaign; 1.2 of 100 earn money. Views follow the hours of the day. The same arguments and the same numpy make the same
file.
"""
import argparse
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH = 500_000
FIRST_DAY, DAYS = np.datetime64("2024-03-04"), 28
# Views by hour of the day, as a share of the busiest one.
DAY = np.array([38, 27, 19, 15, 14, 18, 30, 48, 67, 82, 90, 92, 91, 90, 89, 88, 87, 88, 92, 97, 100, 96, 78, 56]) / 100
COUNTRIES = ["US", "IN", "BR", "DE", "ID", "GB", "FR", "JP", "MX", "TR", "IT", "ES", "PL", "VN", "PH", "CA", "NL", "KR", "AR", "EG",
             "UA", "CO", "TH", "PK", "NG", "ZA", "AU", "RO", "SE", "BE", "CZ", "CL", "PT", "GR", "HU", "CH", "AT", "DK", "FI", "NO"]
SCREENS = [1920, 390, 1366, 412, 1536, 360, 2560, 1440, 393, 430, 768, 1280, 1680, 1024, 3840, 820]
DEVICES = ["Aster 5", "Aster 6", "Aster Mini", "Beryl X", "Beryl S", "Cobalt 12", "Cobalt 13", "Dune One", "Ember 3", "Fjord A",
           "Fjord B", "Gale Pro", "Heron 9", "Iris 2", "Juno 8", "Krill Lite"]
SECTIONS = ["news", "shop", "blog", "forum", "video", "help", "travel", "recipes", "jobs", "science", "sport", "music"]
TOPICS = ["map", "weather", "train", "phone", "garden", "camera", "bicycle", "coffee", "hotel", "ticket", "laptop", "shoes", "recipe",
          "museum", "guitar", "tent"]
# What a random stream is for.
PEOPLE, PAGES, VIEWS = 1, 2, 3


def stream(seed, *of):
    return np.random.default_rng([seed, *of])


class Skewed:
    """Numbers below n; the k-th most frequent one comes up in proportion to k ** -power, and which one that is, is shuffled."""

    def __init__(self, rng, n, power):
        share = np.arange(1, n + 1, dtype=float) ** -power
        self.below = np.cumsum(share / share.sum())
        self.order = rng.permutation(n)

    def pick(self, rng, size):
        rank = np.searchsorted(self.below, rng.random(size), side="right")
        return self.order[np.minimum(rank, len(self.order) - 1)]


def words(rng, n):
    """n different made-up words, real topics among them."""
    first, middle, last = "br d fl gr k l m n pr r s t v z".split(), "a e i o u ai ea".split(), "ck d l m n nd r st t x".split()
    made = dict.fromkeys(TOPICS)
    while len(made) < n:
        picks = rng.integers(0, 1 << 30, (n, 5))
        for a, b, c, d, e in picks.tolist():
            made["".join((first[a % 14], middle[b % 7], first[c % 14], middle[d % 7], last[e % 10] if e & 1024 else ""))] = None
    return list(made)[:n]


class World:
    """Who visits what."""

    def __init__(self, rows, seed):
        rng = stream(seed, PEOPLE)
        n = self.users = max(50, rows // 50)
        # Ids that look random and are all different: an odd factor permutes 52 bits.
        self.user_id = (np.arange(1, n + 1, dtype=np.int64) * 0x9E3779B97F4A7 + seed * 7919) & ((1 << 52) - 1)
        self.country = Skewed(rng, len(COUNTRIES), 1.0).pick(rng, n)
        self.region = self.country * 30 + Skewed(rng, 30, 0.9).pick(rng, n)
        self.mobile = rng.random(n) < 0.57
        self.screen = np.array(SCREENS)[Skewed(rng, len(SCREENS), 0.8).pick(rng, n)]
        self.device = np.where(self.mobile, 1 + Skewed(rng, len(DEVICES), 0.9).pick(rng, n), 0)
        self.os = Skewed(rng, 12, 1.1).pick(rng, n) * 2 + self.mobile
        self.browser = Skewed(rng, 50, 1.4).pick(rng, n)
        self.visits = Skewed(rng, n, 0.7)

        rng = stream(seed, PAGES)
        vocabulary = words(rng, 4000)
        common = Skewed(rng, len(vocabulary), 0.85)
        self.sites = max(10, min(2500, rows // 2000))
        self.site_id = 100 + 3 * np.arange(self.sites)
        host = [f"{vocabulary[a]}-{vocabulary[b]}.example" if c else f"{vocabulary[a]}.example"
                for a, b, c in zip(*rng.integers(0, len(vocabulary), (2, self.sites)).tolist(), rng.integers(0, 3, self.sites).tolist())]
        pages = self.pages = max(100, rows // 4)
        self.site = Skewed(rng, self.sites, 0.95).pick(rng, pages)
        section = rng.integers(0, len(SECTIONS), pages)
        w1, w2, w3 = (common.pick(rng, pages) for _ in range(3))
        number = rng.integers(1000, 9_999_999, pages)
        ending = rng.choice(4, pages, p=[0.62, 0.2, 0.12, 0.06])
        self.url = pa.array([
            f"https://{host[s]}/{SECTIONS[k]}/{vocabulary[a]}-{vocabulary[b]}/{n}"
            + ("" if e == 0 else f"?page={n % 50}" if e == 1 else ".html" if e == 2 else f"?from=mail&topic={vocabulary[c]}")
            for s, k, a, b, c, n, e in zip(*(x.tolist() for x in (self.site, section, w1, w2, w3, number, ending)))
        ])
        titles = max(40, pages // 3)
        self.title = pa.array([f"{vocabulary[a].capitalize()} {vocabulary[b]} {vocabulary[c]} - {host[s]}"
                               for a, b, c, s in zip(*(x[:titles].tolist() for x in (w1, w2, w3, self.site)))])
        self.popular = Skewed(rng, pages, 0.95)
        phrases = self.phrases = max(50, rows // 16)
        length = rng.integers(1, 6, phrases).tolist()
        text = [" ".join(vocabulary[w] for w in row[:k]) for row, k in zip(common.pick(rng, phrases * 5).reshape(-1, 5).tolist(), length)]
        self.phrase = pa.array(["", *text])
        self.searched = Skewed(rng, phrases, 0.9)
        self.referer = pa.concat_arrays([
            pa.array([""]), pa.array(["https://find.example/?q=" + t.replace(" ", "+") for t in text]), self.url])
        hours = np.tile(DAY, DAYS) * np.repeat(np.where(np.arange(DAYS) % 7 < 5, 1.0, 0.7), 24)
        self.hours = np.concatenate(([0.0], np.cumsum(hours) / hours.sum()))


def views(world, seed, first, count, rows):
    rng = stream(seed, VIEWS, first)
    hour = np.interp(np.sort(first + rng.random(count) * count) / rows, world.hours, np.arange(DAYS * 24 + 1))
    time = FIRST_DAY.astype("M8[ms]") + (hour * 3_600_000).astype("m8[ms]")
    page, user = world.popular.pick(rng, count), world.visits.pick(rng, count)
    search = rng.random(count) < 0.13
    phrase = np.where(search, 1 + world.searched.pick(rng, count), 0)
    engine = np.where(search, 1 + Skewed(stream(seed, 9), 20, 1.5).pick(rng, count), 0)
    campaign = np.where(rng.random(count) < 0.03, 1 + Skewed(stream(seed, 10), 18, 1.1).pick(rng, count), 0)
    came_from = rng.random(count)
    inside = 1 + world.phrases + world.popular.pick(rng, count)
    referer = np.where(search, phrase, np.where(came_from < 0.35, 0, inside))
    source = np.where(search, 2, np.where(campaign > 0, 3, np.where(came_from < 0.35, 0, rng.choice(
        [-1, 1, 4, 5, 6, 7, 8], count, p=[0.4, 0.33, 0.11, 0.07, 0.05, 0.03, 0.01]))))
    money = np.where(rng.random(count) < 0.012, np.floor(np.exp(rng.normal(7.6, 1.1, count)).clip(50, 5e6)), 0) / 100
    day = time.astype("M8[D]")

    def text(values, ids):
        return values.take(pa.array(ids))

    def int32(values):
        return pa.array(np.asarray(values).astype(np.int32))

    def around(mean, spread, low, high):
        return np.exp(rng.normal(mean, spread, count)).clip(low, high)

    return pa.table({
        "view_id": (np.arange(first, first + count, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95) >> np.uint64(2)).astype(np.int64),
        "event_time": pa.array(time), "event_date": pa.array(day),
        "site_id": int32(world.site_id[world.site[page]]), "user_id": pa.array(world.user_id[user]),
        "country": text(pa.array(COUNTRIES), world.country[user]), "region_id": int32(world.region[user]),
        "os_id": int32(world.os[user]), "browser_id": int32(world.browser[user]), "is_mobile": int32(world.mobile[user]),
        "device": text(pa.array(["", *DEVICES]), world.device[user]), "screen_width": int32(world.screen[user]),
        "traffic_source": int32(source), "search_engine_id": int32(engine), "campaign_id": int32(campaign),
        "search_phrase": text(world.phrase, phrase), "url": text(world.url, page),
        "title": text(world.title, page % len(world.title)), "referer": text(world.referer, referer),
        "is_refresh": int32(rng.random(count) < 0.1), "load_ms": int32(around(6.3, 0.7, 5, 60_000)),
        "dwell_ms": int32(around(9.1, 1.3, 0, 3_600_000)), "bytes_sent": pa.array(around(10.4, 1.2, 150, 4e8).astype(np.int64)),
        "revenue": pa.array(money),
    })


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    if args.rows <= 0:
        parser.error("--rows must be positive")
    world, writer = World(args.rows, args.seed), None
    unfinished = args.out + ".unfinished"
    for first in range(0, args.rows, BATCH):
        batch = views(world, args.seed, first, min(BATCH, args.rows - first), args.rows)
        writer = writer or pq.ParquetWriter(unfinished, batch.schema, compression="zstd", compression_level=3, store_schema=False)
        writer.write_table(batch, row_group_size=BATCH)
    writer.close()
    os.replace(unfinished, args.out)
    print(f"{args.out}: {args.rows} rows, {os.path.getsize(args.out)} bytes")


if __name__ == "__main__":
    main()
