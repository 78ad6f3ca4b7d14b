//! The protobuf messages, tag by tag. Tags are never reused; a reader skips tags it does not know.
//!
//! What may be many (columns, expression nodes, list elements, aggregates) is one `bytes` field of length-delimited
//! records, read one by one with a count limit: a repeated field would be allocated in full before anything is checked.

use super::MAX_RECORDS;
use crate::error::{Error, Result};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Plan {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(string, tag = "2")]
    pub table: String,
    /// Records of [`Column`].
    #[prost(bytes = "vec", tag = "3")]
    pub columns: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub filter: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub rows: Option<Rows>,
    #[prost(message, optional, tag = "6")]
    pub groups: Option<Groups>,
    #[prost(message, optional, tag = "7")]
    pub options: Option<Options>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Column {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(uint32, tag = "2")]
    pub ty: u32,
    #[prost(bool, tag = "3")]
    pub nulls: bool,
    #[prost(message, optional, tag = "4")]
    pub default: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Rows {
    /// Records of [`Tree`].
    #[prost(bytes = "vec", tag = "1")]
    pub exprs: Vec<u8>,
    /// Records of [`Sort`].
    #[prost(bytes = "vec", tag = "2")]
    pub order: Vec<u8>,
    #[prost(uint64, optional, tag = "3")]
    pub limit: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Groups {
    /// Records of [`Tree`].
    #[prost(bytes = "vec", tag = "1")]
    pub keys: Vec<u8>,
    /// Records of [`Aggregate`].
    #[prost(bytes = "vec", tag = "2")]
    pub aggregates: Vec<u8>,
    #[prost(uint64, optional, tag = "3")]
    pub limit: Option<u64>,
}

/// An expression among others.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Tree {
    /// Records of [`Node`], operands before what they belong to.
    #[prost(bytes = "vec", tag = "1")]
    pub nodes: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Aggregate {
    #[prost(string, tag = "1")]
    pub function: String,
    #[prost(uint32, tag = "2")]
    pub version: u32,
    /// Records of [`Tree`].
    #[prost(bytes = "vec", tag = "3")]
    pub args: Vec<u8>,
    /// Records of [`Value`].
    #[prost(bytes = "vec", tag = "4")]
    pub params: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub filter: Option<Vec<u8>>,
    #[prost(uint32, tag = "6")]
    pub ty: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sort {
    #[prost(uint32, tag = "1")]
    pub index: u32,
    #[prost(bool, tag = "2")]
    pub descending: bool,
    #[prost(bool, tag = "3")]
    pub nulls_first: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Options {
    #[prost(bool, tag = "1")]
    pub no_star_tree: bool,
    /// Records of [`SkipIndex`].
    #[prost(bytes = "vec", tag = "2")]
    pub skip_indexes: Vec<u8>,
    #[prost(uint64, optional, tag = "3")]
    pub num_groups_limit: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SkipIndex {
    #[prost(string, tag = "1")]
    pub column: String,
    #[prost(string, tag = "2")]
    pub index: String,
}

/// One node of an expression; `kind` says which of the fields it has.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Node {
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    /// Operands, which are the last `arity` complete expressions before it.
    #[prost(uint32, tag = "2")]
    pub arity: u32,
    #[prost(uint32, tag = "3")]
    pub index: u32,
    #[prost(uint32, tag = "4")]
    pub ty: u32,
    #[prost(uint32, tag = "5")]
    pub flags: u32,
    #[prost(string, tag = "6")]
    pub text: String,
    #[prost(uint32, optional, tag = "7")]
    pub escape: Option<u32>,
    #[prost(uint32, tag = "8")]
    pub version: u32,
    #[prost(message, optional, tag = "9")]
    pub literal: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")]
    pub kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Kind {
    #[prost(uint32, tag = "1")]
    Null(u32),
    #[prost(sint32, tag = "2")]
    Int(i32),
    #[prost(sint64, tag = "3")]
    Long(i64),
    #[prost(float, tag = "4")]
    Float(f32),
    #[prost(double, tag = "5")]
    Double(f64),
    #[prost(bytes, tag = "6")]
    BigDecimal(Vec<u8>),
    #[prost(bool, tag = "7")]
    Boolean(bool),
    #[prost(sint64, tag = "8")]
    Timestamp(i64),
    #[prost(string, tag = "9")]
    String(String),
    #[prost(string, tag = "10")]
    Json(String),
    #[prost(bytes, tag = "11")]
    Bytes(Vec<u8>),
    #[prost(message, tag = "12")]
    List(List),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct List {
    #[prost(uint32, tag = "1")]
    pub ty: u32,
    /// Records of [`Value`].
    #[prost(bytes = "vec", tag = "2")]
    pub elements: Vec<u8>,
}

/// The parameters of a request.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Params {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Records of [`Value`].
    #[prost(bytes = "vec", tag = "2")]
    pub values: Vec<u8>,
}

/// Messages as length-delimited records.
pub(super) fn write<M: Message>(records: impl IntoIterator<Item = M>) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        out.extend_from_slice(&record.encode_length_delimited_to_vec());
    }
    out
}

/// What all records of one message may count together.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(MAX_RECORDS)
    }

    fn spend(&mut self) -> Result<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(Error::Plan(format!("an encoded plan has more than {MAX_RECORDS} parts"))),
        }
    }
}

/// Calls `visit` on each record in turn.
pub(super) fn read<M: Message + Default, T>(
    mut bytes: &[u8],
    budget: &mut Budget,
    mut visit: impl FnMut(M, &mut Budget) -> Result<T>,
) -> Result<Vec<T>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        budget.spend()?;
        out.push(visit(M::decode_length_delimited(&mut bytes).map_err(undecodable)?, budget)?);
    }
    Ok(out)
}

pub(super) fn undecodable(e: prost::DecodeError) -> Error {
    Error::Plan(format!("bytes are not an encoded plan: {e}"))
}
