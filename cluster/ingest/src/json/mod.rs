//! JSON: an array of objects, objects one after the other, or one object a line.
//!
//! The parser is our own because it keeps what others drop: the digits of a number as written, the line of every byte, the
//! text of a nested value. A number is never read through a double. Syntax is RFC 8259's; depth and record length are
//! bounded; half a surrogate pair, a control character in a string and NaN are errors.
//!
//! Names: a key is a column. An object is taken apart into `key.inner` columns, at any depth, where such columns exist. A
//! key with a dot is a place of its own: where its name and that of a taken-apart object meet, the object stays whole (its
//! column holds JSON text) and the key keeps its name. So no two places share a column, and one key twice in a record, or two
//! places that a given schema calls the same, is an error.

mod columns;
mod names;
mod places;
mod reader;
mod records;
mod scan;

pub(crate) use names::columns;
pub(crate) use reader::{JsonReader, infer_places};

use crate::batch::CellKind;
use scan::Scanner;

/// Checks that the whole text is one JSON document.
pub(crate) fn check_document(text: &[u8]) -> Result<(), String> {
    if simdutf8::basic::from_utf8(text).is_err() {
        return Err("not valid UTF-8".to_owned());
    }
    let mut scanner = Scanner::new(text);
    let at = |fault: scan::Fault| format!("{} at byte {}", fault.reason, fault.offset + 1);
    scanner.skip_space();
    scanner.skip_value().map_err(at)?;
    scanner.skip_space();
    if scanner.at < text.len() { Err(format!("text follows the value at byte {}", scanner.at + 1)) } else { Ok(()) }
}

/// Calls `f` for each element of a checked array of scalars; strings come with their escapes resolved.
pub(crate) fn for_each_element(
    text: &[u8],
    mut f: impl FnMut(CellKind, &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut scanner = Scanner::new(text);
    let mut scratch = Vec::new();
    let broken = |fault: scan::Fault| fault.reason.to_owned();
    scanner.expect(b'[').map_err(broken)?;
    scanner.skip_space();
    if scanner.peek() == Some(b']') {
        return Ok(());
    }
    loop {
        scanner.skip_space();
        let cell = scanner.cell().map_err(broken)?;
        f(cell.kind, cell.bytes(text, &mut scratch).map_err(broken)?)?;
        scanner.skip_space();
        match scanner.peek() {
            Some(b',') => scanner.at += 1,
            _ => return Ok(()),
        }
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &c in text.as_bytes() {
        match c {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{c:04x}").as_bytes()),
            _ => out.push(c),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Vec<(CellKind, String)> {
        let mut out = Vec::new();
        for_each_element(text.as_bytes(), |kind, bytes| {
            out.push((kind, String::from_utf8(bytes.to_vec()).expect("utf-8")));
            Ok(())
        })
        .expect("elements");
        out
    }

    #[test]
    fn elements_of_an_array() {
        assert_eq!(elements("[ ]"), []);
        assert_eq!(
            elements(r#"[1, "a\u00e9", null ,true]"#),
            [
                (CellKind::Number, "1".into()),
                (CellKind::Text, "aé".into()),
                (CellKind::Null, "null".into()),
                (CellKind::True, "true".into())
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn documents_as_another_parser_sees_them(text in r#"[\[\]{}",:0-9eE+.\-tfnu\\a ]{0,30}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            // That parser refuses numbers past a double's range; the grammar has no such limit.
            let digits = text.contains(['e', 'E']);
            if !digits {
                proptest::prop_assert_eq!(check_document(text.as_bytes()).is_ok(), theirs, "{}", text);
            } else if theirs {
                proptest::prop_assert!(check_document(text.as_bytes()).is_ok(), "{}", text);
            }
        }

        #[test]
        fn strings_round_trip(text in "\\PC{0,20}[\\x00-\\x20\"\\\\]{0,5}") {
            let mut out = Vec::new();
            write_string(&text, &mut out);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("valid"), text.clone());
            let list = [b"[".as_slice(), &out, b"]"].concat();
            proptest::prop_assert_eq!(elements(std::str::from_utf8(&list).expect("utf-8")), vec![(CellKind::Text, text)]);
        }
    }
}
