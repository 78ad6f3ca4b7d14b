//! Commands: everything that may change the catalog.
//!
//! An entry of the log is `{"v":1,"time":...,"op":"...","type":"pushSegments","body":{...}}`. The type and the version choose
//! how the body is read; a type, version or field that is not known is an error and stops the node, it is never skipped
//! (R-4). Documents (schemas, table configs) travel as the JSON text that a user sent, so that a later version with stricter
//! checks still replays an old log.

use std::fmt;

use cluster_types::{Generation, OperationId, SegmentOrdinal, TableIncarnation, TableVersion};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The largest encoded command (R-5).
pub const ENTRY_BYTES_MAX: usize = 1024 * 1024;

/// The most segments in one command; a larger push is several commands under one operation (R-5).
pub const ROWS_MAX: usize = 1_000;

/// The version of the encoding that this build writes.
const VERSION: u16 = 1;

#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Sending a command again under the same id gives the first answer and changes nothing.
    pub operation: OperationId,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    PutSchema(PutSchema),
    DropSchema(DropSchema),
    CreateTable(CreateTable),
    UpdateTable(UpdateTable),
    DropTable(DropTable),
    SetTableState(SetTableState),
    ReserveSegments(ReserveSegments),
    PushSegments(PushSegments),
    AbortPush(AbortPush),
    DropSegments(DropSegments),
    PurgeTombstones(PurgeTombstones),
    SetConfig(SetConfig),
    Finalize(Finalize),
    StateDigest(StateDigest),
    ExpireSegments(ExpireSegments),
}

/// Makes or replaces a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutSchema {
    pub name: String,
    /// JSON text.
    pub document: String,
    /// The version that must be there now; 0 where there must be none; absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

/// Takes a schema away that no table uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropSchema {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTable {
    /// With type: `t_OFFLINE`.
    pub name: String,
    /// The name of a schema that exists.
    pub schema: String,
    /// JSON text.
    pub document: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateTable {
    pub table: TableIncarnation,
    pub document: String,
    /// The table version that must be there now; absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<TableVersion>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropTable {
    pub table: TableIncarnation,
    /// How long its files are kept, in milliseconds of log time.
    pub window_ms: u64,
}

/// Lets queries in or keeps them out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTableState {
    pub table: TableIncarnation,
    pub enabled: bool,
}

/// Gives out numbers before segments are built, since a segment's footer carries them (R-2). A new name gets a new ordinal, a
/// name that is there the next generation of its ordinal. A number that is not pushed within [`RESERVATION_MS`] is void.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveSegments {
    pub table: TableIncarnation,
    pub names: Vec<String>,
}

/// How long a reservation and an unfinished push live, in log time.
pub const RESERVATION_MS: i64 = 24 * 3600 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PushMode {
    /// The names must be new.
    Append,
    /// A name that is there gets a new generation.
    ReplaceByName,
    /// All segments of the table go, and these come.
    ReplaceAll,
}

/// Makes segments visible, all of them at once. A push of more than [`ROWS_MAX`] is sent in parts under one `push`: parts
/// before the last are kept aside and change nothing that a query sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushSegments {
    pub table: TableIncarnation,
    /// Names the push over all its parts.
    pub push: OperationId,
    /// Counts from 0.
    pub part: u32,
    pub last: bool,
    pub mode: PushMode,
    pub segments: Vec<NewSegment>,
    /// How long the files of replaced generations are kept, in milliseconds of log time.
    pub window_ms: u64,
}

/// A segment whose file is in the deep store and has been verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSegment {
    pub name: String,
    /// As reserved; both are given or both are left to the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<SegmentOrdinal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// Where the file is in the deep store. Written once: no two generations share a key.
    pub key: String,
    pub rows: u64,
    pub bytes: u64,
    /// Of the segment's data, hexadecimal.
    pub digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_time_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_time_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<SegmentPartition>,
    pub schema_version: u32,
    pub index_version: u32,
}

/// Which partitions of a column a segment's rows belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentPartition {
    pub column: String,
    pub function: String,
    pub partitions: u32,
    pub ids: Vec<u32>,
}

/// Forgets the parts of a push that will not be finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortPush {
    pub table: TableIncarnation,
    pub push: OperationId,
    pub window_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropSegments {
    pub table: TableIncarnation,
    /// Absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    pub window_ms: u64,
}

/// Says that what these tombstones name has been deleted. Refused while a tombstone is younger than its window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeTombstones {
    pub ids: Vec<u64>,
}

/// A cluster config; without a value it is taken away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetConfig {
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Raises the feature level, once every live node supports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finalize {
    pub level: u32,
}

/// What the state after an earlier entry was, for every replay to compare its own with (R-4). Changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDigest {
    /// A multiple of [`crate::apply::DIGEST_EVERY`].
    pub index: u64,
    /// [`crate::State::digest`] in hexadecimal.
    pub digest: String,
}

/// Drops segments that a rule found, not a user. More than a twentieth of a table goes only with approval (R-10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpireSegments {
    pub table: TableIncarnation,
    pub names: Vec<String>,
    /// Segments that the rule found in all; a run of many is several commands.
    pub run: u64,
    /// An operator has said that so many may go.
    pub approved: bool,
    pub window_ms: u64,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The new version of a schema.
    Schema { version: u64 },
    /// The table and its version after the command.
    Table { table: TableIncarnation, version: TableVersion },
    /// In the order of the names.
    Reserved { slots: Vec<(SegmentOrdinal, Generation)> },
    /// A part of a push was kept aside.
    Staged { parts: u32, segments: u64 },
    /// Segments were made visible.
    Pushed { version: TableVersion, segments: u64, replaced: u64 },
    /// Segments were dropped.
    Dropped { version: TableVersion, segments: u64 },
    /// Nothing to say besides that it is done.
    Done,
}

/// Why a command does not fit the state. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    #[error("there is no schema `{name}`{}", Hint(hint))]
    NoSchema { name: String, hint: Option<String> },
    #[error("schema `{name}` is used by table {}", tables.join(", "))]
    SchemaInUse { name: String, tables: Vec<String> },
    #[error("schema `{name}` is at version {found}, not {expected}")]
    SchemaVersion { name: String, expected: u64, found: u64 },
    #[error("table `{name}` exists")]
    TableExists { name: String },
    #[error("there is no table with incarnation {table}; it has been dropped")]
    NoTable { table: TableIncarnation },
    #[error("table `{name}` is at version {found}, not {expected}")]
    TableVersion { name: String, expected: TableVersion, found: TableVersion },
    #[error("table `{table}` has no segment `{name}`{}", Hint(hint))]
    NoSegment { table: String, name: String, hint: Option<String> },
    #[error("table `{table}` has a segment `{name}`; push it to replace it, or under another name")]
    SegmentExists { table: String, name: String },
    #[error("segment `{name}`: ordinal {ordinal}, generation {generation} is not reserved for it")]
    NotReserved { name: String, ordinal: SegmentOrdinal, generation: Generation },
    #[error("segment `{name}`: generation {generation} is behind generation {visible}, which is visible")]
    OldGeneration { name: String, generation: Generation, visible: Generation },
    #[error("the deep-store key `{key}` is taken; objects are written once")]
    KeyTaken { key: String },
    #[error("part {part} of the push comes when part {expected} is due")]
    PushPart { part: u32, expected: u32 },
    #[error("the parts of the push disagree about its mode")]
    PushMode,
    #[error("table `{table}` has no push {push}")]
    NoPush { table: String, push: OperationId },
    #[error(
        "{segments} of the {of} segments of table `{table}` are over their time, and more than 5 % do not go by themselves: \
         POST /tables/{table}/retention?approve=true lets them go"
    )]
    NeedsApproval { table: String, segments: u64, of: u64 },
    #[error("there is no tombstone {id}")]
    NoTombstone { id: u64 },
    #[error("tombstone {id} keeps its files for another {remaining_ms} ms")]
    TombstoneYoung { id: u64, remaining_ms: i64 },
    #[error("the feature level is {found} and cannot become {asked}; this version supports up to {supported}")]
    Level { found: u32, asked: u32, supported: u32 },
    #[error("{what}: {reason}")]
    Invalid { what: String, reason: String },
    #[error("{what} would be {count}, and {limit} is the most")]
    Limit { what: &'static str, count: usize, limit: usize },
}

struct Hint<'a>(&'a Option<String>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cluster_types::suggest::Hint(self.0).fmt(f)
    }
}

/// An entry as it stands in the log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<B> {
    v: u16,
    time: i64,
    op: OperationId,
    #[serde(rename = "type")]
    kind: String,
    body: B,
}

macro_rules! bodies {
    ($($variant:ident = $name:literal;)*) => {
        impl Body {
            /// The name of the command's type in the log.
            pub fn kind(&self) -> &'static str {
                match self { $(Body::$variant(_) => $name,)* }
            }

            fn encode(&self, time: i64, op: OperationId) -> Vec<u8> {
                let encoded = match self {
                    $(Body::$variant(body) => {
                        serde_json::to_vec(&Wire { v: VERSION, time, op, kind: $name.to_owned(), body })
                    })*
                };
                encoded.expect("bodies have only text keys")
            }

            /// The body of an entry of a type and version.
            fn decode(kind: &str, version: u16, entry: &[u8]) -> Result<Body, String> {
                match (kind, version) {
                    $(($name, 1) => {
                        let wire: serde_json::Result<Wire<$variant>> = serde_json::from_slice(entry);
                        wire.map(|wire| Body::$variant(wire.body)).map_err(|e| format!("`{kind}`: {e}"))
                    })*
                    _ => Err(format!("command type `{kind}`, version {version}")),
                }
            }
        }
    };
}

bodies! {
    PutSchema = "putSchema";
    DropSchema = "dropSchema";
    CreateTable = "createTable";
    UpdateTable = "updateTable";
    DropTable = "dropTable";
    SetTableState = "setTableState";
    ReserveSegments = "reserveSegments";
    PushSegments = "pushSegments";
    AbortPush = "abortPush";
    DropSegments = "dropSegments";
    PurgeTombstones = "purgeTombstones";
    SetConfig = "setConfig";
    Finalize = "finalize";
    StateDigest = "stateDigest";
    ExpireSegments = "expireSegments";
}

impl Command {
    pub fn new(operation: OperationId, body: Body) -> Command {
        Command { operation, body }
    }

    /// The bytes of a log entry.
    pub fn encode(&self, log_time_ms: i64) -> Result<Vec<u8>> {
        let bytes = self.body.encode(log_time_ms, self.operation);
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(Error::TooLarge { bytes: bytes.len(), limit: ENTRY_BYTES_MAX });
        }
        Ok(bytes)
    }

    /// Log time and command of entry `index`.
    pub fn decode(index: u64, bytes: &[u8]) -> Result<(i64, Command)> {
        let unknown = |reason: String| Error::UnknownCommand { index, reason };
        // Read twice, first for its type: a tree of values in between takes several times as long.
        let wire: Wire<IgnoredAny> = serde_json::from_slice(bytes).map_err(|e| unknown(e.to_string()))?;
        let body = Body::decode(&wire.kind, wire.v, bytes).map_err(unknown)?;
        Ok((wire.time, Command { operation: wire.op, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation() -> OperationId {
        OperationId { session: 1, sequence: 2 }
    }

    #[test]
    fn an_entry_is_what_the_documentation_says() {
        let command = Command::new(operation(), Body::DropSchema(DropSchema { name: "t".into() }));
        let bytes = command.encode(7).unwrap();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            r#"{"v":1,"time":7,"op":"0000000000000001-2","type":"dropSchema","body":{"name":"t"}}"#
        );
        assert_eq!(Command::decode(1, &bytes).unwrap(), (7, command));
    }

    #[test]
    fn what_is_not_known_stops() {
        for entry in [
            r#"{"v":1,"time":7,"op":"0000000000000001-2","type":"dropEverything","body":{}}"#,
            r#"{"v":2,"time":7,"op":"0000000000000001-2","type":"dropSchema","body":{"name":"t"}}"#,
            r#"{"v":1,"time":7,"op":"0000000000000001-2","type":"dropSchema","body":{"name":"t","force":true}}"#,
            r#"{"v":1,"time":7,"op":"0000000000000001-2","type":"dropSchema","body":{}}"#,
            r#"{"v":1,"time":7,"op":"0000000000000001-2","type":"dropSchema","body":{"name":"t"},"x":1}"#,
            "{",
            "",
        ] {
            let error = Command::decode(5, entry.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::UnknownCommand { index: 5, .. }), "{entry}: {error}");
        }
    }

    #[test]
    fn a_large_entry_is_refused() {
        let document = "x".repeat(ENTRY_BYTES_MAX);
        let body = Body::PutSchema(PutSchema { name: "t".into(), document, if_version: None });
        assert!(matches!(Command::new(operation(), body).encode(0), Err(Error::TooLarge { .. })));
    }
}
