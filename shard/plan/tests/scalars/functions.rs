//! Functions against expected answers. `duckdb.txt` holds answers that DuckDB gave to the same question
//! (`make_duckdb.py`); the tables here hold what is Pinot's own, from its documentation and source.

use crate::check::check;

fn table(rows: &[(&str, &str)]) {
    for (source, want) in rows {
        check(source, want);
    }
}

#[test]
fn as_duckdb_answers() {
    let mut count = 0;
    for line in include_str!("duckdb.txt").lines().filter(|l| !l.starts_with('#')) {
        let (source, want) = line.split_once(" => ").expect("source => answer");
        check(source, want);
        count += 1;
    }
    assert!(count > 100, "{count} answers");
}

#[test]
fn arithmetic_is_checked_at_every_width() {
    table(&[
        ("plus(1, 2)", "3"),
        ("plus(2147483647, 1)", "error: INT overflow in 2147483647 + 1"),
        ("minus(-2147483648, 1)", "error: INT overflow"),
        ("times(65536, 65536)", "error: INT overflow"),
        ("intdiv(-2147483648, -1)", "error: INT overflow"),
        ("negate(-2147483648)", "error: INT overflow"),
        ("abs(-2147483648)", "error: INT overflow"),
        ("plus(2147483647, 1L)", "2147483648"),
        ("plus(9223372036854775807L, 1)", "error: LONG overflow in 9223372036854775807 + 1"),
        ("minus(-9223372036854775808L, 1L)", "error: LONG overflow"),
        ("times(5000000000, 7000000000)", "error: LONG overflow in 5000000000 * 7000000000"),
        ("intdiv(-9223372036854775808L, -1L)", "error: LONG overflow"),
        ("negate(-9223372036854775808L)", "error: LONG overflow"),
        ("abs(-9223372036854775808L)", "error: LONG overflow"),
        ("mod(-2147483648, -1)", "0"),
        ("mod(-9223372036854775808L, -1L)", "0"),
        ("divide(1, 0)", "error: division by zero in 1 / 0"),
        ("intdiv(1L, 0L)", "error: division by zero"),
        ("mod(1, 0)", "error: division by zero"),
        ("intdivorzero(7, 0)", "0"),
        ("moduloorzero(7, 0)", "0"),
        ("divide(1.0, 0)", "Infinity"),
        ("divide(-1.0, 0.0)", "-Infinity"),
        ("divide(0.0, 0.0)", "NaN"),
        ("divide(7, 2)", "3.5"),
        ("intdiv(-7, 2)", "-3"),
        ("mod(-7, 4)", "-3"),
        ("positivemodulo(-7, 4)", "1"),
        ("positivemodulo(dec'-7', dec'4')", "1"),
        ("times(0.0, -1)", "0.0"),
        ("plus(dec'0.1', dec'0.2')", "0.3"),
        ("times(dec'-3.17', dec'8.23')", "-26.0891"),
        ("plus(dec'1.5', 2)", "3.5"),
        ("divide(dec'1', 3)", "0.3333333333333333333333333333333333"),
        ("divide(dec'1', dec'0')", "error: division by zero"),
        ("plus('1', 2)", "error: plus takes (NUMBER, NUMBER), got (STRING, INT)"),
        ("plus(TRUE, 2)", "error: plus takes (NUMBER, NUMBER), got (BOOLEAN, INT)"),
        ("plus(1, NULL)", "NULL"),
        ("minus(ts'2024-01-02', ts'2024-01-01')", "86400000"),
        ("plus(ts'2024-01-01', 1000)", "2024-01-01 00:00:01.0"),
        ("gcd(12, -18)", "6"),
        ("factorial(21)", "error: LONG overflow"),
        ("bitshiftrightunsigned(-1, 28)", "15"),
        ("bitcount(-1L)", "64"),
        ("bitand(6, 3)", "2"),
        ("bitnot(0)", "-1"),
    ]);
}

#[test]
fn rounding() {
    table(&[
        ("round(2.5)", "3.0"),
        ("round(-2.5)", "-3.0"),
        ("round(1.005, 2)", "1.01"),
        ("round(1234, 100)", "1200"),
        ("round(-1, 100)", "-100"),
        ("round(5, 0)", "error: round needs a positive multiple"),
        ("rounddecimal(2.345, 2)", "2.35"),
        ("rounddecimal(dec'2.345', 2)", "2.35"),
        ("truncate(-2.99)", "-2.0"),
        ("truncate(2.999, 2)", "2.99"),
        ("ceil(dec'1.1')", "2"),
        ("floor(dec'-1.1')", "-2"),
        ("cbrt(27.0)", "3.0"),
        ("log(1)", "0.0"),
        ("power(2, 10)", "1024.0"),
        ("sqrt(-1)", "NaN"),
        ("ceil(7)", "7"),
        ("sign(-0.5)", "-1.0"),
        ("sign(dec'-3')", "-1"),
        ("greatest(1, 2.5, 2L)", "2.5"),
        ("least('b', 'a')", "a"),
        ("greatest(NaN, Infinity)", "NaN"),
        ("greatest(1, NULL)", "NULL"),
        ("greatest(1, 'a')", "error: greatest takes"),
        ("casttodecimal(dec'2.345', 10, 2)", "2.35"),
        ("casttodecimal(7654321, 8, 3)", "error: out of range for DECIMAL(8,3)"),
        ("casttodecimal(1, 2, 3)", "error: there is no DECIMAL(2,3)"),
    ]);
}

#[test]
fn text_in_characters() {
    table(&[
        ("substring('naïve café', 2, 3)", "aïv"),
        ("substring('Привет', 2, 3)", "рив"),
        ("substring('東京タワー', 2, 3)", "京タワ"),
        ("substr('naïve', 1)", "aïve"),
        ("substr('naïve', 1, 3)", "aï"),
        ("substr('naïve', 2, -1)", "ïve"),
        ("substr('naïve', -2)", "ve"),
        ("substr('abc', 5)", ""),
        ("substr('abc', 2, 1)", ""),
        ("substr(1)", "error: substr takes (STRING, INT[, INT]), got (INT)"),
        ("substring('abc', 1, -1)", "error: negative length -1"),
        ("length('😀é')", "2"),
        ("reverse('añb')", "bña"),
        ("concat('a', 'b')", "ab"),
        ("concat('a', 'b', '-')", "a-b"),
        ("concat('a', 'b', 'c', 'd')", "abcd"),
        ("concat('a', 5)", "a5"),
        ("concat('a', NULL)", "NULL"),
        ("concatws('-', 'a', NULL, 'b')", "a-b"),
        ("strpos('hello', 'l')", "2"),
        ("strpos('hello', 'l', 2)", "3"),
        ("strpos('hello', 'z')", "-1"),
        ("strpos('héllo', 'l')", "2"),
        ("strrpos('hello', 'l')", "3"),
        ("lpad('7', 3, '0')", "007"),
        ("rpad('é', 3, 'xy')", "éxy"),
        ("lpad('long', 2, '0')", "long"),
        ("replace('aXbX', 'X', '')", "ab"),
        ("replace('ab', '', 'x')", "ab"),
        ("repeat('ab', 3)", "ababab"),
        ("repeat('a', ',', 3)", "a,a,a"),
        ("repeat('0123456789', 2000000000)", "error: too long"),
        ("trim('BOTH', 'xy', 'xyaxy')", "a"),
        ("trim('  a ')", "a"),
        ("initcap('hELLO wORLD')", "Hello World"),
        ("chr(8364)", "€"),
        ("chr(-1)", "error: -1 is no Unicode code point"),
        ("codepoint('€')", "8364"),
        ("split('a,b,,c', ',')", "[a, b, c]"),
        ("splitpart('a,b,c', ',', 1)", "b"),
        ("splitpart('a,b,c', ',', -1)", "c"),
        ("splitpart('a,b', ',', 9)", "null"),
        ("translate('abcd', 'bd', 'x')", "axc"),
        ("levenshteindistance('kitten', 'sitting')", "3"),
        ("hammingdistance('abc', 'abd')", "1"),
        ("overlay('Txxxxas', 'hom', 2, 4)", "Thomas"),
        ("overlay('naïve', 'X', 3)", "naXve"),
        ("overlay('abc', 'X', 9)", "abcX"),
        ("upper(1)", "error: upper takes (STRING), got (INT)"),
        ("tobase64(toutf8('hé'))", "aMOp"),
        ("fromutf8(frombase64('aMOp'))", "hé"),
        ("fromutf8(hex'ff')", "error: not UTF-8"),
        ("encodeurl('a b&c')", "a+b%26c"),
    ]);
}

#[test]
fn regular_expressions() {
    table(&[
        ("regexplike('plain', '^pl')", "true"),
        ("regexplike('Plain', '^pl')", "false"),
        ("regexplike('Plain', '^pl', 'i')", "true"),
        ("regexplike('plain', '^P.*n$')", "false"),
        ("regexplike('a', '(')", "error: regular expression '('"),
        ("regexpextract('order-12', '([0-9]+)', 1, 'none')", "12"),
        ("regexpextract('nothing', '([0-9]+)', 1, 'none')", "none"),
        ("regexpextract('x7y8', '([0-9]+)', 1, 'none')", "7"),
        ("regexpextract('abc', 'b')", "b"),
        ("regexpextract('abc', 'z')", ""),
        ("regexpextract('abc', 'z', 0, NULL)", "NULL"),
        ("regexpextract('abc', 'b', 0, NULL)", "b"),
        ("regexpreplace('healthy, wealthy', '[aeiou]', '*')", "h**lthy, w**lthy"),
        ("regexpreplace('aabb', '(a)(b)', '$2$1')", "abab"),
        ("regexpreplace('foo.bar', '[.]', '\\$')", "foo$bar"),
        ("regexpreplace('aaa', 'a', 'b', 1)", "abb"),
        ("regexpreplace('aaa', 'a', 'b', 0, 1)", "aba"),
        ("regexpreplace('a', 'a', '$7')", "error: names no group"),
        ("regexpcount('banana', 'a')", "3"),
        ("regexpsubstr('abc123', '[0-9]+')", "123"),
        ("regexpsubstr('abc', '[0-9]+')", "NULL"),
    ]);
}

#[test]
fn dates_as_pinot() {
    table(&[
        ("datetrunc('SECOND', -500L)", "-1000"),
        ("datetrunc('SECOND', -310476303211)", "-310476304000"),
        ("datetrunc('hour', ts'1960-02-29 12:34:56.789')", "1960-02-29 12:00:00.0"),
        ("datetrunc('day', 19000L, 'DAYS')", "19000"),
        ("datetrunc('week', 1700000000L, 'SECONDS')", "1699833600"),
        ("datetrunc('month', 1700000000L, 'SECONDS', 'UTC', 'DAYS')", "19662"),
        ("datetrunc('HOUR', 1730611800000, 'MILLISECONDS', 'America/New_York')", "1730610000000"),
        ("datetrunc('MONTH', 1656644400000, 'MILLISECONDS', 'EST')", "1654059600000"),
        ("datetrunc('fortnight', 0L)", "error: there is no date part 'fortnight'"),
        ("datetrunc('day', 'x')", "error: cannot cast 'x' to TIMESTAMP"),
        ("year(ts'2021-01-03')", "2021"),
        ("week(ts'2021-01-03')", "53"),
        ("yearofweek(ts'2021-01-03')", "2020"),
        ("week(ts'2021-01-04')", "1"),
        ("dayofweek(ts'2021-01-03')", "7"),
        ("hour(1656655200000, 'America/New_York')", "2"),
        ("extract('DOW', ts'2021-01-04')", "1"),
        ("extract('AEON', ts'2021-01-04')", "error: EXTRACT knows no part 'AEON'"),
        ("toepochseconds(-500L)", "-1"),
        ("toepochdays(ts'1969-12-31')", "-1"),
        ("toepochminutesrounded(1613472303000, 10)", "26891200"),
        ("toepochminutesbucket(1613472303000, 10)", "2689120"),
        ("fromepochdays(1)", "86400000"),
        ("fromepochhoursbucket(3, 2)", "21600000"),
        ("fromepochdays(9223372036854775807L)", "error: LONG overflow"),
        ("todatetime(1679126400123, 'yyyy-MM-dd HH:mm:ss.SSS')", "2023-03-18 08:00:00.123"),
        ("todatetime(1679126400123, 'yyyy-MM-dd HH:mm', 'America/New_York')", "2023-03-18 04:00"),
        ("fromdatetime('2023-03-18 08', 'yyyy-MM-dd HH')", "1679126400000"),
        ("fromdatetime('nope', 'yyyy')", "error: 'nope' does not match the date pattern yyyy"),
        ("fromdatetime('nope', 'yyyy', 'UTC', 7)", "7"),
        ("datetimeconvert(1679126400123, '1:MILLISECONDS:EPOCH', '1:HOURS:EPOCH', '1:HOURS')", "466424"),
        (
            "datetimeconvert(1679126400123, '1:MILLISECONDS:EPOCH', '1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd', '1:DAYS')",
            "20230318",
        ),
        (
            "datetimeconvert(20230318, '1:DAYS:SIMPLE_DATE_FORMAT:yyyyMMdd', '1:MILLISECONDS:EPOCH', '1:DAYS')",
            "1679097600000",
        ),
        (
            "datetimeconvert(1679112000000, 'EPOCH|MILLISECONDS|1', '1:DAYS:SIMPLE_DATE_FORMAT:yyyy-MM-dd HH tz(America/New_York)', '1:DAYS')",
            "2023-03-18 00",
        ),
        ("datetimeconvert(1679126400123, '1:MILLISECONDS:EPOCH', 'TIMESTAMP', '15:MINUTES')", "2023-03-18 08:00:00.0"),
        ("datetimeconvert(1L, 'nope', 'TIMESTAMP', '1:DAYS')", "error: 'nope' is no time format"),
        ("timeconvert(-1L, 'HOURS', 'DAYS')", "-1"),
        ("timestampadd('MONTH', 1, ts'2023-01-31')", "2023-02-28 00:00:00.0"),
        ("timestampdiff('DAY', ts'2023-01-01', ts'2023-02-01')", "31"),
        ("ago('P1D', 86400001L)", "1"),
        ("datebin('PT15M', ts'2023-01-01 00:20:00', ts'2023-01-01 00:05:00')", "2023-01-01 00:20:00.0"),
        ("totimestamp(0L)", "1970-01-01 00:00:00.0"),
        ("fromtimestamp(ts'1970-01-01 00:00:01')", "1000"),
        ("toiso8601(0L)", "1970-01-01T00:00:00.000Z"),
        ("round(ts'2023-01-01 00:20:00', 3600000)", "2023-01-01 00:00:00.0"),
    ]);
}

#[test]
fn json_paths() {
    table(&[
        ("jsonextractscalar('{\"b\":{\"c\":\"x\"}}', '$.b.c', 'STRING')", "x"),
        ("jsonextractscalar('{\"a\":null}', '$.b.c', 'STRING')", "NULL"),
        ("jsonextractscalar('{\"a\":null}', '$.a', 'INT', '7')", "7"),
        ("jsonextractscalar('{\"a\":null}', '$.a', 'INT', 7)", "7"),
        ("jsonextractscalar('{\"a\":1}', '$.a', 'INT', NULL)", "1"),
        ("jsonextractscalar(NULL, '$.a', 'INT', 7)", "NULL"),
        ("jsonextractscalar('{\"big\":9007199254740993}', '$.big', 'LONG')", "9007199254740993"),
        ("jsonextractscalar('{\"a\":1.5}', '$.a', 'DOUBLE')", "1.5"),
        ("jsonextractscalar('{\"a\":true}', '$.a', 'BOOLEAN')", "true"),
        ("jsonextractscalar('{\"a\":\"x\"}', '$.a', 'INT')", "error: cannot cast 'x' to INT"),
        ("jsonextractscalar('{\"a\":[1,2]}', '$.a', 'INT_ARRAY')", "[1, 2]"),
        ("jsonextractscalar('{\"a\":{\"b\":1}}', '$.a', 'STRING')", "{\"b\":1}"),
        ("jsonextractscalar('{', '$.a', 'STRING')", "error: is not JSON"),
        ("jsonextractscalar('{', '$.a', 'STRING', 'd')", "d"),
        ("jsonextractscalar('{}', 'a', 'STRING')", "error: 'a' is no JSON path"),
        ("jsonextractscalar('{}', '$.a', 'BLOB')", "error: no result type 'BLOB'"),
        ("jsonpathstring('{\"a\":[{\"b\":1}]}', '$.a[0].b')", "1"),
        ("jsonpathlong('{}', '$.a', -1)", "-1"),
        ("jsonpatharray('{\"a\":[1,\"x\"]}', '$.a[*]')", "[1, x]"),
        ("jsonpathexists('{\"a\":null}', '$.a')", "true"),
        ("jsonextractkey('{\"a\":{\"b\":1},\"c\":2}', '$.*')", "[$['a'], $['c']]"),
        ("jsonextractkey('{\"a\":{\"b\":1}}', '$..**')", "[$['a'], $['a']['b']]"),
        ("isjson('{\"a\":1}')", "true"),
        ("isjson('{a')", "false"),
    ]);
}

#[test]
fn arrays_and_conditionals() {
    table(&[
        ("array(1, 2L, NULL)", "[1, 2, null]"),
        ("array('a')", "[a]"),
        ("array(1, 'a')", "error: array takes"),
        ("array()", "error: array takes"),
        ("arraylength([1, 2, 3])", "3"),
        ("arraymin([3, 1, 2])", "1"),
        ("arraymax(['a', 'c', 'b'])", "c"),
        ("arraysum([1, 2])", "3.0"),
        ("arrayaverage([1, 2])", "1.5"),
        ("arraycontains([1, 2], 2)", "true"),
        ("arraycontains(['a'], 'b')", "false"),
        ("arrayindexof([5, 6], 6)", "1"),
        ("arrayelementat([5, 6], 2)", "6"),
        ("arrayelementat([5, 6], 3)", "NULL"),
        ("arrayreverse([1, 2, 3])", "[3, 2, 1]"),
        ("arraysort(['b', 'a'])", "[a, b]"),
        ("arraydistinct([2, 1, 2])", "[2, 1]"),
        ("arrayslice([1, 2, 3, 4], 1, 3)", "[2, 3]"),
        ("arrayremove([1, 2, 1], 1)", "[2, 1]"),
        ("arrayconcat([1], [2, 1])", "[1, 2, 1]"),
        ("arrayunion([1], [2, 1])", "[1, 2]"),
        ("valuein([1, 2, 3], 3, 1)", "[1, 3]"),
        ("arraytostring([1, 2], '-')", "1-2"),
        ("arraylength(1)", "error: arraylength takes (ARRAY), got (INT)"),
        ("coalesce(NULL, 7)", "7"),
        ("coalesce(NULL, 'a', 'b')", "a"),
        ("coalesce(NULL, NULL)", "NULL"),
        ("coalesce(1, 'a')", "error: coalesce takes"),
        ("nullif(1, 1)", "NULL"),
        ("nullif(1, 2)", "1"),
        ("nullif(1, NULL)", "1"),
        ("istrue(NULL)", "false"),
        ("isnottrue(NULL)", "true"),
        ("isfalse(FALSE)", "true"),
    ]);
}
