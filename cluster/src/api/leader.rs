//! Lead controllers: Pinot's resource of 24 partitions, all led by this node.

use super::extract::Path;
use super::{ApiError, AppState};
use axum::Json;
use axum::extract::State;
use cluster_types::TableName;
use serde_json::{Map, Value, json};

/// Partitions of Pinot's lead-controller resource.
const PARTITIONS: u32 = 24;

/// The partition that leads a raw table.
fn partition(raw_table: &str) -> u32 {
    (murmur2(raw_table.as_bytes()) & 0x7fff_ffff) % PARTITIONS
}

/// MurmurHash2 with Kafka's and Pinot's seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(bytes.len()).expect("table names are short");
    let mut hash = 0x9747_b28c ^ length;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Leaders of all tables
#[utoipa::path(get, path = "/leader/tables", tag = "Leader", responses((status = 200, description = "tables by partition")))]
pub async fn tables(State(app): State<AppState>) -> Json<Value> {
    let state = app.controller.state();
    let mut entries = Map::new();
    for number in 0..PARTITIONS {
        let led: Vec<String> = state
            .tables()
            .filter(|table| partition(&table.raw_name()) == number)
            .map(|table| table.name.clone())
            .collect();
        let entry = json!({"leadControllerId": app.controller_id(), "tableNames": led});
        entries.insert(format!("leadControllerResource_{number}"), entry);
    }
    Json(json!({"leadControllerEntryMap": entries, "leadControllerResourceEnabled": true}))
}

/// The leader of a table
#[utoipa::path(get, path = "/leader/tables/{tableName}", tag = "Leader", params(("tableName" = String, Path)),
    responses((status = 200, description = "its partition and leader")))]
pub async fn table(State(app): State<AppState>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    let raw = TableName::parse(&name).map_err(|e| ApiError::bad_request(e.to_string()))?.raw();
    let key = format!("leadControllerResource_{}", partition(&raw));
    let entry = json!({"leadControllerId": app.controller_id(), "tableNames": [name]});
    Ok(Json(json!({"leadControllerEntryMap": {key: entry}, "leadControllerResourceEnabled": true})))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Kafka's own test of the same function.
    #[test]
    fn murmur2_as_kafka_has_it() {
        for (text, expected) in [
            ("21", -973_932_308i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), expected, "{text}");
        }
    }
}
