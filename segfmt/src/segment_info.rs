//! What a segment says of itself: enough for a lost catalog to adopt it.

/// Where the segment belongs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Cluster that built it.
    pub cluster_id: [u8; 16],
    /// Incarnation of the table.
    pub table_incarnation: u64,
    /// Number of the segment in its table.
    pub ordinal: u32,
    /// Generation: a refresh under the same name is a new one.
    pub generation: u32,
    /// Stream partition that it was consumed from.
    pub partition: Option<u32>,
    /// Its place in the sequence of segments of the partition.
    pub sequence: Option<u64>,
    /// Stream offset of its first row.
    pub start_offset: Option<String>,
    /// Stream offset after its last row.
    pub end_offset: Option<String>,
    /// Version of the schema that it was built with.
    pub schema_version: u32,
    /// Version of the index configuration that it was built with.
    pub index_version: u32,
}

/// What a segment is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Segment name.
    pub name: String,
    /// Table name.
    pub table: String,
    /// Number of rows, below 2^32.
    pub rows: u64,
    /// Columns that the rows are ordered by, first one first.
    pub sort_columns: Vec<String>,
    /// The table's time column.
    pub time_column: Option<String>,
    /// Where it belongs.
    pub identity: Identity,
}
