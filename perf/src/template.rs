//! Statements with `{}` in them, and what fills these: numbers of a range or the lines of a file.

use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// What fills the `{}` of a statement, from call to call.
pub enum Values {
    None,
    Range(u64, u64),
    /// A line each; fields by tab fill one `{}` after the other.
    Lines(Vec<Vec<String>>),
}

impl Values {
    /// `A..B`: whole numbers from A up to, not including, B.
    pub fn range(text: &str) -> Result<Values> {
        let bounds = text.split_once("..").and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
        match bounds {
            Some((first, end)) if first < end => Ok(Values::Range(first, end)),
            _ => bail!("`{text}` is no range like 0..1000"),
        }
    }

    pub fn file(path: &Path) -> Result<Values> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let lines: Vec<_> = text.lines().map(|line| line.split('\t').map(escaped).collect()).collect();
        if lines.is_empty() {
            bail!("{} has no line", path.display());
        }
        Ok(Values::Lines(lines))
    }
}

/// JSON's spelling of a text, without its quotes.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A statement, cut at its `{}`.
struct Template {
    pieces: Vec<String>,
}

impl Template {
    fn new(sql: &str, values: &Values) -> Result<Template> {
        let pieces: Vec<String> = sql.split("{}").map(escaped).collect();
        let fields = match values {
            Values::None => 0,
            Values::Range(..) => 1,
            Values::Lines(lines) => lines[0].len(),
        };
        if let Values::Lines(lines) = values
            && let Some(line) = lines.iter().position(|line| line.len() != fields)
        {
            bail!("line {} of the values has {} fields and the first one {fields}", line + 1, lines[line].len());
        }
        if pieces.len() - 1 != fields && !(pieces.len() > 1 && fields == 1) {
            bail!("`{sql}` has {} {{}} and its values {fields} fields", pieces.len() - 1);
        }
        Ok(Template { pieces })
    }

    /// Appends the statement with the values of call `n`, spelled as in JSON. A single value fills every `{}`.
    fn fill(&self, values: &Values, n: u64, out: &mut String) {
        let mut pieces = self.pieces.iter();
        out.extend(pieces.next().map(String::as_str));
        for (number, piece) in pieces.enumerate() {
            match values {
                Values::None => {}
                // Writing into a String cannot fail.
                Values::Range(first, end) => drop(write!(out, "{}", first + n % (end - first))),
                Values::Lines(lines) => {
                    let line = &lines[(n % lines.len() as u64) as usize];
                    out.push_str(&line[number.min(line.len() - 1)]);
                }
            }
            out.push_str(piece);
        }
    }
}

/// Makes the HTTP requests of a load: statement `n` of a list, with value `n` of its values.
pub struct Requests {
    templates: Vec<Template>,
    values: Values,
    host: String,
    /// What follows the statement in the body.
    tail: String,
}

impl Requests {
    /// `options` are Pinot's `queryOptions`; an empty text leaves them out.
    pub fn new(statements: &[&str], values: Values, host: String, options: &str) -> Result<Requests> {
        let templates = statements.iter().map(|sql| Template::new(sql, &values)).collect::<Result<Vec<_>>>()?;
        if templates.is_empty() {
            bail!("no statement to send");
        }
        let tail = match options {
            "" => "\"}".to_owned(),
            options => format!("\",\"queryOptions\":\"{}\"}}", escaped(options)),
        };
        Ok(Requests { templates, values, host, tail })
    }

    /// The text of request `n`'s statement.
    pub fn statement(&self, n: u64) -> Result<String> {
        let mut body = String::from("\"");
        let count = self.templates.len() as u64;
        self.templates[(n % count) as usize].fill(&self.values, n / count, &mut body);
        body.push('"');
        serde_json::from_str(&body).with_context(|| format!("statement {body}"))
    }

    /// Writes request `n`. `body` is scratch space that is used again.
    pub fn write(&self, n: u64, body: &mut String, out: &mut Vec<u8>) {
        body.clear();
        body.push_str("{\"sql\":\"");
        let count = self.templates.len() as u64;
        self.templates[(n % count) as usize].fill(&self.values, n / count, body);
        body.push_str(&self.tail);
        // Writing into a Vec cannot fail.
        drop(write!(
            out,
            "POST /query/sql HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(sql: &[&str], values: Values, options: &str, count: u64) -> Vec<String> {
        let requests = Requests::new(sql, values, "h:1".to_owned(), options).unwrap();
        (0..count)
            .map(|n| {
                let (mut body, mut out) = (String::new(), Vec::new());
                requests.write(n, &mut body, &mut out);
                let text = String::from_utf8(out).unwrap();
                let (head, sent) = text.split_once("\r\n\r\n").unwrap();
                assert!(head.ends_with(&format!("Content-Length: {}", sent.len())));
                sent.to_owned()
            })
            .collect()
    }

    #[test]
    fn placeholders_are_filled_in_turn() {
        let texts = bodies(&["a {} \"b\" {}", "c {}"], Values::range("7..9").unwrap(), "x=y", 4);
        assert_eq!(texts[0], r#"{"sql":"a 7 \"b\" 7","queryOptions":"x=y"}"#);
        assert_eq!(texts[1], r#"{"sql":"c 7","queryOptions":"x=y"}"#);
        assert_eq!(texts[2], r#"{"sql":"a 8 \"b\" 8","queryOptions":"x=y"}"#);
        let lines =
            || Values::Lines(vec![vec!["EWR".to_owned(), escaped("a\"b")], vec!["x".to_owned(), "y".to_owned()]]);
        assert_eq!(
            bodies(&["{}-{}."], lines(), "", 3),
            [r#"{"sql":"EWR-a\"b."}"#, r#"{"sql":"x-y."}"#, r#"{"sql":"EWR-a\"b."}"#]
        );
        assert!(Template::new("{} {} {}", &lines()).is_err());
        assert!(Template::new("{}", &Values::None).is_err());
        assert!(Values::range("9..7").is_err());
    }
}
