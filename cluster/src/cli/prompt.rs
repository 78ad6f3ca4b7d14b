//! The interactive prompt: history, completion of keywords and of the names that the node knows, Ctrl-C for the query only.

use super::client::{Client, encode};
use super::sql::Asker;
use super::table_print::Format;
use anyhow::{Context as _, Result};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};
use std::path::PathBuf;
use tokio::runtime::Runtime;

const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "AVG",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COALESCE",
    "COUNT",
    "CROSS",
    "DATE_TRUNC",
    "DESC",
    "DISTINCT",
    "DISTINCTCOUNT",
    "DISTINCTCOUNTHLL",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FILTER",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MAX",
    "MIN",
    "MODE",
    "NOT",
    "NULL",
    "NULLS FIRST",
    "NULLS LAST",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "PERCENTILE",
    "REGEXP_LIKE",
    "RIGHT",
    "SELECT",
    "SET",
    "SUM",
    "THEN",
    "UNION",
    "UNION ALL",
    "WHEN",
    "WHERE",
    "WITH",
];

const HELP: &str = "\
A query ends with a semicolon and may have several lines.
  \\d          the tables
  \\d TABLE    a table's columns
  \\q          leave (also Ctrl-D)
Ctrl-C cancels the query that runs, or clears the line. Tab completes keywords, tables and columns.";

pub fn run(asker: &Asker, controller: &Client, runtime: &Runtime, format: Format) -> Result<()> {
    let names = Names { words: known_names(controller) };
    // As in a shell: what all candidates share is put in, a second Tab lists them.
    let config = Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<Names, FileHistory> = Editor::with_config(config).context("open the terminal")?;
    editor.set_helper(Some(names));
    let history = history_file();
    if let Some(path) = &history {
        // The first prompt of a user has no history yet.
        let _ = editor.load_history(path);
    }
    eprintln!("gamay {}: end a query with ; - \\? for help", env!("CARGO_PKG_VERSION"));
    let mut query = String::new();
    loop {
        let prompt = if query.is_empty() { "gamay> " } else { "    -> " };
        match editor.readline(prompt) {
            Ok(line) if query.is_empty() && line.trim().is_empty() => continue,
            Ok(line) if query.is_empty() && line.trim().starts_with('\\') => {
                editor.add_history_entry(line.trim()).context("keep the line in the history")?;
                match command(line.trim(), controller) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => eprintln!("error: {error:#}"),
                }
            }
            Ok(line) => {
                if !query.is_empty() {
                    query.push('\n');
                }
                query.push_str(&line);
                if query.trim_end().ends_with(';') {
                    let complete = std::mem::take(&mut query);
                    editor.add_history_entry(complete.trim()).context("keep the query in the history")?;
                    let answer = runtime.block_on(asker.ask_or_cancel(&complete));
                    if let Err(error) = answer.and_then(|answer| answer.print(format, true)) {
                        eprintln!("error: {error:#}");
                    }
                }
            }
            Err(ReadlineError::Interrupted) => query.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("read a line"),
        }
    }
    if let Some(path) = &history {
        editor.save_history(path).with_context(|| format!("save the history to {}", path.display()))?;
    }
    Ok(())
}

/// Runs a backslash command; false to leave.
fn command(line: &str, controller: &Client) -> Result<bool> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("\\q"), None) => return Ok(false),
        (Some("\\d"), None) => {
            for name in tables(controller)? {
                println!("{name}");
            }
        }
        (Some("\\d"), Some(table)) => {
            let schema = controller.get(&format!("/tables/{}/schema", encode(table)))?.success()?;
            for (name, data_type) in columns(&schema) {
                println!("{name}  {data_type}");
            }
        }
        _ => println!("{HELP}"),
    }
    Ok(true)
}

fn tables(controller: &Client) -> Result<Vec<String>> {
    let answer = controller.get("/tables")?.success()?;
    let names = answer["tables"].as_array().into_iter().flatten();
    Ok(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

fn columns(schema: &serde_json::Value) -> Vec<(String, String)> {
    let lists = ["dimensionFieldSpecs", "metricFieldSpecs", "dateTimeFieldSpecs"];
    let fields = lists.iter().flat_map(|list| schema[*list].as_array().into_iter().flatten());
    fields
        .filter_map(|field| {
            let array = field["singleValueField"].as_bool() == Some(false);
            let data_type = format!("{}{}", field["dataType"].as_str()?, if array { "_ARRAY" } else { "" });
            Some((field["name"].as_str()?.to_owned(), data_type))
        })
        .collect()
}

/// Tables and columns that the controller knows; none when it does not answer, since the prompt works without.
fn known_names(controller: &Client) -> Vec<String> {
    let mut words: Vec<String> = KEYWORDS.iter().map(|word| (*word).to_owned()).collect();
    for table in tables(controller).unwrap_or_default() {
        let schema = controller.get(&format!("/tables/{}/schema", encode(&table))).and_then(|answer| answer.success());
        words.extend(schema.map(|schema| columns(&schema)).unwrap_or_default().into_iter().map(|(name, _)| name));
        words.push(table);
    }
    words.sort();
    words.dedup();
    words
}

fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder = state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))?.join("gamay");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("sql_history"))
}

/// Completes the word at the cursor.
struct Names {
    words: Vec<String>,
}

impl Names {
    fn matching(&self, word: &str) -> Vec<String> {
        if word.is_empty() {
            return Vec::new();
        }
        let same_start = |candidate: &&String| {
            candidate.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
                && candidate.len() > word.len()
        };
        self.words.iter().filter(same_start).cloned().collect()
    }
}

fn word_start(line: &str, position: usize) -> usize {
    let before = &line[..position];
    before
        .rfind(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))
}

impl Completer for Names {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let start = word_start(line, position);
        Ok((start, self.matching(&line[start..position])))
    }
}

impl Hinter for Names {
    type Hint = String;
}
impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_at_the_cursor_is_completed() {
        let names = Names { words: vec!["SELECT".into(), "carrier".into(), "carriers".into()] };
        assert_eq!(names.matching("sel"), ["SELECT"]);
        assert_eq!(names.matching("CAR"), ["carrier", "carriers"]);
        assert!(names.matching("").is_empty() && names.matching("carriers").is_empty());
        assert_eq!(word_start("select é,car", "select é,car".len()), "select é,".len());
        assert_eq!(word_start("sel", 3), 0);
    }

    #[test]
    fn columns_of_a_schema() {
        let schema = serde_json::json!({
            "dimensionFieldSpecs": [{"name": "a", "dataType": "INT"}, {"name": "b", "dataType": "STRING", "singleValueField": false}],
            "dateTimeFieldSpecs": [{"name": "t", "dataType": "TIMESTAMP"}]
        });
        let expected = [("a", "INT"), ("b", "STRING_ARRAY"), ("t", "TIMESTAMP")];
        assert_eq!(columns(&schema), expected.map(|(n, t)| (n.to_owned(), t.to_owned())));
    }
}
