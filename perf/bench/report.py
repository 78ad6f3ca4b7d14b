"""Runs as one HTML file: bars per query, latency curves, history. Nothing is fetched and no script runs.

Bars are HTML and SVG in per cent, so that their text keeps its size on a phone; curves are small SVGs that never grow past
their own size.
"""
import html as markup
import math

from . import show

COLOURS = {"gamay": "var(--gamay)", "gamay http": "var(--http)", "duckdb": "var(--e1)", "hyper": "var(--e2)", "chdb": "var(--e3)",
           "datafusion": "var(--e4)", "polars": "var(--e5)"}
LINES = ("var(--gamay)", "var(--e2)", "var(--e1)", "var(--e3)", "var(--e4)", "var(--e5)")
STYLE = """
:root{color-scheme:light dark;--bg:#fcfcfa;--ink:#1d2327;--dim:#66707a;--rule:#dfe2e4;--card:#fff;--bad:#b3261e;
--gamay:#0b7a75;--http:#69b3ae;--e1:#d48c1b;--e2:#7a5cc2;--e3:#b0475f;--e4:#4478b8;--e5:#7f8a35}
@media(prefers-color-scheme:dark){:root{--bg:#14181b;--ink:#e6e9eb;--dim:#98a2aa;--rule:#2c3338;--card:#1b2024;--bad:#ff8a80;
--gamay:#3fc1b6;--http:#2b7f79;--e1:#e5ab4c;--e2:#a78be8;--e3:#e07c93;--e4:#79a9e0;--e5:#b3bf63}}
*{box-sizing:border-box}body{margin:0 auto;padding:16px;max-width:1180px;background:var(--bg);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}h1{font-size:24px;margin:8px 0}h2{font-size:20px;margin:36px 0 8px;padding-top:12px;
border-top:1px solid var(--rule)}h3{font-size:16px;margin:20px 0 6px}p{margin:6px 0;max-width:70ch}.dim{color:var(--dim)}
.bad{color:var(--bad)}.tiles,.charts{display:flex;flex-wrap:wrap;gap:12px;margin:12px 0}.tile{background:var(--card);
border:1px solid var(--rule);border-radius:6px;padding:10px 14px;flex:1 1 150px}
.tile b{display:block;font-size:22px}
.legend{display:flex;flex-wrap:wrap;gap:4px 14px;margin:8px 0;font-size:13px}
.legend i{display:inline-block;width:12px;height:12px;
border-radius:2px;margin-right:5px;vertical-align:-1px}
.queries{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));
gap:14px 28px}.query{min-width:0}.head{display:flex;justify-content:space-between;gap:8px;font-size:13px;
border-bottom:1px solid var(--rule);margin-bottom:3px}.head b{font-size:14px;white-space:nowrap}.head span{text-align:right}
svg{display:block;overflow:visible}
svg text{fill:var(--ink);font:11px system-ui,sans-serif}svg .dim{fill:var(--dim)}figure{margin:0;flex:0 1 440px;min-width:0;
background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:10px}figure svg{width:100%;height:auto;max-width:420px}
figcaption{font-size:13px;margin-bottom:4px}.scroll{overflow-x:auto;margin:8px 0 14px}table{border-collapse:collapse;font-size:13px}
td,th{padding:3px 10px 3px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}th{font-weight:600}
td:first-child,th:first-child{text-align:left}details{margin:8px 0}summary{cursor:pointer}
"""


def esc(text):
    return markup.escape(str(text), quote=True)


def number(value):
    """Three digits, without an exponent."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def table(head, rows):
    cells = lambda tag, row: "<tr>" + "".join(f"<{tag}>{esc(cell)}</{tag}>" for cell in row) + "</tr>"
    return f'<div class="scroll"><table>{cells("th", head)}{"".join(cells("td", row) for row in rows)}</table></div>'


def legend(names):
    return '<div class="legend">' + "".join(f'<span><i style="background:{COLOURS[n]}"></i>{esc(n)}</span>' for n in names) + "</div>"


class Log:
    """A logarithmic axis from `low` to `high`, as a share from 0 to 1."""

    def __init__(self, values):
        values = [v for v in values if v > 0] or [1]
        self.low = 10 ** math.floor(math.log10(min(values)))
        self.high = 10 ** max(math.ceil(math.log10(max(values))), math.log10(self.low) + 1)

    def at(self, value):
        return min(1.0, max(0.0, math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)))

    def ticks(self):
        return [10.0**n for n in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]


def query_bars(query, names, axis, limit):
    """A bar an engine, a tick where the memory's limit is."""
    times, bars, y = query["in_turn"], [], 2
    for name in names:
        if name not in times:
            continue
        tall, faint = (13, "") if name == "gamay" else (9, ' class="dim"')
        ms, width = times[name]["median_ms"], max(0.5, axis.at(times[name]["median_ms"]) * 78)
        title = f"{name}: median {number(ms)} ms, p95 {number(times[name]['p95_ms'])} ms"
        bars.append(f'<rect y="{y}" width="{width:.2f}%" height="{tall}" rx="1.5" fill="{COLOURS[name]}"><title>{esc(title)}</title></rect>'
                    f'<text x="{width:.2f}%" dx="4" y="{y + tall - (2 if tall > 9 else 0)}"{faint}>{number(ms)}</text>')
        y += tall + 4
    if limit and query["bytes"]:
        least = query["bytes"] / limit * 1000
        x = axis.at(least) * 78
        bars.append(f'<line x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{y}" stroke="var(--ink)" stroke-dasharray="3 2">'
                    f"<title>{number(least)} ms: the bytes read, at the memory's speed</title></line>")
    behind = show.slower_than(query)
    share = show.share(query, limit)
    facts = []
    if {"duckdb", "gamay"} <= times.keys():
        facts.append(f"{number(times['duckdb']['median_ms'] / times['gamay']['median_ms'])}× DuckDB")
    if share is not None:
        facts.append(f"{share:.0%} of memory")
    if behind:
        facts.append(f'<span class="bad">behind {esc(", ".join(behind))}</span>')
    wrong = [f"{name}: {said}" for name, said in query["answers"].items() if name.startswith("gamay") and said != "equal"]
    note = f'<div class="bad">{esc("; ".join(wrong))}</div>' if wrong else ""
    head = (f'<div class="head"><b title="{esc(query["sql"])}">{esc(query["name"])}</b>'
            f'<span class="dim">{" · ".join(facts)}</span></div>')
    return (f'<div class="query">{head}<svg width="100%" height="{y}" role="img" aria-label="{esc(query["name"])}">'
            f'{"".join(bars)}</svg>{note}</div>')


def suite_section(run, name, suite):
    names, limit = show.engines_of(suite), show.memory_limit(run)
    values = [t["median_ms"] for q in suite["queries"] for t in q["in_turn"].values()]
    values += [q["bytes"] / limit * 1000 for q in suite["queries"] if limit and q["bytes"]]
    # What takes no time at all would make every other bar long.
    axis = Log([max(v, 0.01) for v in values])
    rows = [[t, f"{f['rows']:,}", number(f["gamay"]["bytes_per_row"]), number(f["parquet_bytes"] / f["rows"]),
             f"{f['gamay']['rows_per_second']:,}"] for t, f in suite["tables"].items()]
    ratios = [[n, number(suite["geomean_ms_in_turn"].get(n)), number(suite["ratios_in_turn"].get(n, {}).get("ratio")),
               number(suite["geomean_ms_back_to_back"].get(n)), number(suite["ratios_back_to_back"].get(n, {}).get("ratio")),
               number(suite["memory_bytes"][n] / 1e6) if n in suite["memory_bytes"] else "-"] for n in names]
    skipped = "".join(f'<p class="dim">Skipped: {esc(n)}, {esc(why)}</p>' for n, why in suite["skipped"].items())
    parts = [f"<h2>{esc(name)}</h2>",
             table(["geomean", "in turn ms", "× Gamay", "hot ms", "× Gamay", "RSS MB"], ratios), skipped,
             table(["table", "rows", "B/row", "Parquet", "rows/s loaded"], rows),
             '<p class="dim">In turn: all engines one after the other; hot: back to back. Bars: medians in turn, on a logarithmic '
             f'scale from {number(axis.low)} to {number(axis.high)} ms. The dashed line is the time in which the machine can read '
             "from memory the bytes that Gamay read.</p>",
             legend(names), '<div class="queries">', *(query_bars(q, names, axis, limit) for q in suite["queries"]), "</div>"]
    if suite.get("load"):
        parts.append(load_section(suite["load"]))
    return "".join(parts)


def chart(caption, lines, x, y, unit):
    """Lines over an axis: `lines` as (label, [(x, y)]), `x` as ticks (place from 0 to 1, text), `y` a Log."""
    left, top, wide, tall = 46, 8, 350, 170
    parts = []
    for tick in y.ticks():
        height = top + tall * (1 - y.at(tick))
        parts.append(f'<line x1="{left}" x2="{left + wide}" y1="{height:.1f}" y2="{height:.1f}" stroke="var(--rule)"/>'
                     f'<text class="dim" x="{left - 6}" y="{height + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for place, text in x:
        parts.append(f'<text class="dim" x="{left + wide * place:.1f}" y="{top + tall + 16}" text-anchor="middle">{esc(text)}</text>')
    for (label, points), colour in zip(lines, LINES * 4):
        path = " ".join(f"{left + wide * px:.1f},{top + tall * (1 - y.at(py)):.1f}" for px, py in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"><title>{esc(label)}</title></polyline>')
        if len(points) < 12:
            parts.extend(f'<circle cx="{left + wide * px:.1f}" cy="{top + tall * (1 - y.at(py)):.1f}" r="3" fill="{colour}">'
                         f"<title>{esc(label)}: {number(py)} {unit}</title></circle>" for px, py in points)
    keys = "".join(f'<span><i style="background:{c}"></i>{esc(label)}</span>' for (label, _), c in zip(lines, LINES * 4))
    return (f'<figure><figcaption>{esc(caption)}</figcaption><svg viewBox="0 0 420 200" role="img" aria-label="{esc(caption)}">'
            f'{"".join(parts)}</svg><div class="legend">{keys}</div></figure>')


def load_section(load):
    """Latency by percentile, closed and open loop, and a table."""
    def place(q):
        # 0 % to 99.99 %, each nine as wide as the one before.
        return min(1.0, -math.log10(max(1 - q, 1e-4)) / 4)

    ticks = [(place(q), text) for q, text in ((0, "0 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %"))]
    axis = Log([ms for r in load["runs"] for _, ms in r["curve"]])
    charts = []
    for loop, caption in (("closed", "Closed loop: latency in ms by percentile"), ("open", "Open loop, from the time a request was due")):
        lines = [(f"{r['clients']} clients, {number(r['qps'])}/s", [(place(q), ms) for q, ms in r["curve"] if q < 1])
                 for r in load["runs"] if r["loop"] == loop]
        if lines:
            charts.append(chart(caption, lines, ticks, axis, "ms"))
    rows = [[r["loop"], r["clients"], number(r["qps"]), number(r["p50_ms"]), number(r["p99_ms"]), number(r["p999_ms"]), r["errors"],
             number(r.get("cpu_us_per_query")), number(r["canned"]["qps"]) if "canned" in r else "-"] for r in load["runs"]]
    return (f"<h3>Load: {esc(load['name'])}</h3><p class=\"dim\">{esc(load['sql'][0])}</p>"
            f"<p>One client of DuckDB, in process: {number(load['duckdb_one_client_ms'])} ms.</p>"
            f'<div class="charts">{"".join(charts)}</div>'
            + table(["loop", "clients", "queries/s", "p50 ms", "p99 ms", "p99.9 ms", "errors", "node CPU µs", "canned/s"], rows))


def limits_section(run):
    if "limits" not in run:
        return ""
    limits = run["limits"]
    rows = [[name.removesuffix("_bytes_per_second").replace("_", " "), number(value / 1e9)]
            for name, value in limits["memory"].items() if name.endswith("_bytes_per_second")]
    parts = ["<h2>What the machine allows</h2>", table(["memory read", "GB/s"], rows)]
    disk = limits.get("disk", {})
    if isinstance(disk, list):
        parts.append(table(["disk read, depth", "pattern", "GB/s", "reads/s"], [
            [d["depth"], d["pattern"], number(d["bytes_per_second"] / 1e9), number(d["reads_per_second"])] for d in disk]))
    else:
        parts.append(f'<p class="dim">Disk: {esc(disk.get("refused", "not measured"))}</p>')
    if "kernels" in run:
        rows = [[name, *(f"{1 / places[p]['over_limit']:.0%}" for p in ("cached", "memory")),
                 number(places["cached"]["rows_per_second"] / 1e9)] for name, places in run["kernels"]["each"].items()]
        head = ["kernel", "of the read in cache", "of the read from memory", "G rows/s cached"]
        parts.append("<h3>Kernels, one core</h3>" + table(head, rows))
    return "".join(parts)


def history_section(runs):
    # Other machines and other numbers of rows have other ratios.
    runs = [run for run in runs if (run["scale"], run["machine"]) == (runs[-1]["scale"], runs[-1]["machine"])]
    if len(runs) < 2:
        return ""
    one_day = len({run["made"][:10] for run in runs}) == 1
    places = [(n / (len(runs) - 1), run["made"][11:16] if one_day else run["made"][5:10]) for n, run in enumerate(runs)]
    step = max(1, len(places) // 6)
    charts = []
    for peer in ("duckdb", "hyper"):
        lines = []
        for suite in sorted({name for run in runs for name in run["suites"]}):
            points = [(places[n][0], run["suites"][suite]["ratios_in_turn"][peer]["ratio"]) for n, run in enumerate(runs)
                      if peer in run["suites"].get(suite, {}).get("ratios_in_turn", {})]
            if points:
                lines.append((suite, points))
        if lines:
            values = [value for _, points in lines for _, value in points]
            charts.append(chart(f"How many times Gamay's time {peer} needs", lines, places[::step], Log(values), "times"))
    return f'<h2>History</h2><div class="charts">{"".join(charts)}</div>' if charts else ""


def tiles(run):
    out = []
    for name, suite in run["suites"].items():
        ratios = {n: r["ratio"] for n, r in suite["ratios_in_turn"].items() if n != "gamay http"}
        best = min(ratios, key=ratios.get) if ratios else None
        said = [s for q in suite["queries"] for e, s in q["answers"].items() if e.startswith("gamay")]
        equal = sum(s == "equal" for s in said)
        lines = [f"DuckDB needs {number(ratios['duckdb'])}×" if "duckdb" in ratios else "",
                 f"the fastest peer, {best}, {number(ratios[best])}×" if best and best != "duckdb" else "",
                 f"answers equal: {equal} of {len(said)}"]
        out.append(f'<div class="tile">{esc(name)}<b>{number(suite["geomean_ms_in_turn"].get("gamay"))} ms</b>'
                   f'<span class="dim">{"<br>".join(esc(line) for line in lines if line)}</span></div>')
    return f'<div class="tiles">{"".join(out)}</div>'


def html(runs):
    """The newest run in full, and the others as history."""
    run = runs[-1]
    m = run["machine"]
    wrong = "".join(f'<p class="bad">{esc(line)}</p>' for line in show.wrong(run))
    about = (f"{esc(run['made'])} · {esc(m['cpu'])}, {m['cores']} cores · scale {run['scale']:g} · "
             f"{run['runs']} runs of each statement")
    parts = [f'<h1>Gamay, measured</h1><p class="dim">{about}</p><p>Geometric means of medians, in process, all engines in turn in '
             "one run; only the ratios say something.</p>",
             tiles(run), wrong, history_section(runs),
             *(suite_section(run, name, suite) for name, suite in run["suites"].items()), limits_section(run)]
    return ('<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<title>Gamay, measured</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>\n")
