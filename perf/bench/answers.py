"""Whether two engines gave the same answer.

Engines spell the same value differently (a date as text, a sum as an integer or a float), so every value is first made one of:
None, int, float, str, with dates and times as milliseconds since 1970 UTC. Rows are compared in order only where the statement
orders them; floats within a relative tolerance, everything else exactly.
"""
import datetime
import decimal
import math
import re

TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00(:00)?)?)?")
EPOCH = datetime.datetime(1970, 1, 1)
TOLERANCE = 1e-9


def plain(value):
    """The value as None, int, float, str or a list of them."""
    if value is None or isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.date):
        return plain(datetime.datetime(value.year, value.month, value.day))
    if isinstance(value, str):
        return plain(datetime.datetime.fromisoformat(value.rstrip("Z").split("+")[0])) if TIME.fullmatch(value) else value
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        return plain(value.item())
    return str(value)


def rows(raw):
    return [[plain(value) for value in row] for row in raw]


def same_value(want, got, tolerance=TOLERANCE):
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(same_value(w, g, tolerance) for w, g in zip(want, got))
    numbers = isinstance(want, (int, float)) and isinstance(got, (int, float))
    if numbers and (isinstance(want, float) or isinstance(got, float)):
        return want == got or math.isclose(want, got, rel_tol=tolerance, abs_tol=tolerance)
    return type(want) is type(got) and want == got


def is_ordered(sql):
    """Whether the outermost SELECT has an ORDER BY."""
    text = re.sub(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", " ", sql, flags=re.S)
    depth, outer = 0, []
    for char in text:
        depth += (char == "(") - (char == ")")
        outer.append(char if depth == 0 else " ")
    return re.search(r"\border\s+by\b", "".join(outer), re.I) is not None


def _sort_key(row):
    """Floats last and rounded: two rows that differ only within the tolerance must not change places with others."""
    exact = [(value is None, type(value).__name__, value) for value in row if not isinstance(value, (float, list))]
    floats = [float(f"{value:.6g}") for value in row if isinstance(value, float)]
    return repr(exact), floats


def difference(want, got, ordered, tolerance=TOLERANCE):
    """None where the two answers are the same, else one line that says where they differ."""
    if len(want) != len(got):
        return f"{len(want)} rows expected, {len(got)} came"
    if not ordered:
        want, got = sorted(want, key=_sort_key), sorted(got, key=_sort_key)
    for number, (w, g) in enumerate(zip(want, got)):
        if len(w) != len(g):
            return f"row {number}: {len(w)} columns expected, {len(g)} came"
        if not same_value(w, g, tolerance):
            return f"row {number}: expected {w}, got {g}"
    return None
