"""Medians, ratios and aligned tables."""
import math
import statistics


def quantile(values, q):
    """The smallest value that at least a share of `q` does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def summary(milliseconds):
    return {
        "runs": len(milliseconds),
        "median_ms": round(statistics.median(milliseconds), 4),
        "p95_ms": round(quantile(milliseconds, 0.95), 4),
        "min_ms": round(min(milliseconds), 4),
    }


def geomean(values):
    values = list(values)
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else None


def ratios(queries, measure, ours):
    """For every other engine: the geometric mean of its time over `ours`, on the queries that both answered, and how many."""
    found = {}
    for engine in {name for query in queries for name in query[measure]} - {ours}:
        both = [q[measure] for q in queries if engine in q[measure] and ours in q[measure]]
        if both:
            found[engine] = {
                "ratio": round(geomean(b[engine]["median_ms"] / b[ours]["median_ms"] for b in both), 3),
                "queries": len(both),
            }
    return found


def geomeans(queries, measure):
    """Geometric mean of the medians of every engine that answered all queries."""
    engines = {name for query in queries for name in query[measure]}
    return {
        engine: round(geomean(q[measure][engine]["median_ms"] for q in queries), 4)
        for engine in sorted(engines)
        if all(engine in q[measure] for q in queries)
    }


def table(head, body):
    """Columns as wide as they must be; the first one to the left, the others to the right."""
    lines = [[str(cell) for cell in row] for row in [head, *body]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))).rstrip()
        for line in lines
    )
