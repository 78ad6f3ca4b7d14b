//! The values of one column in one block, read in place.

use crate::data_type::{DataType, Physical};
use crate::encoding::chunks::VarPage;
use crate::encoding::floats::FloatPage;
use crate::encoding::ids::IdPage;
use crate::encoding::ints::IntPage;
use crate::encoding::lists::ListPage;
use crate::encoding::{self, Encoding};
use crate::error::{Error, Result};
use crate::reader::Column;

/// One page over borrowed bytes.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    encoding: Encoding,
    rows: u32,
    lists: Option<ListPage<'a>>,
    values: PageValues<'a>,
}

/// Values of a page, by storage class. For multi-value columns these are the values of all lists
/// one after the other.
#[derive(Debug, Clone, Copy)]
pub enum PageValues<'a> {
    /// Dictionary ids.
    Ids(IdPage<'a>),
    /// INT, LONG, TIMESTAMP, BOOLEAN.
    Ints(IntPage<'a>),
    /// FLOAT, DOUBLE.
    Floats(FloatPage<'a>),
    /// STRING, JSON, BYTES, BIG_DECIMAL.
    Var(VarPage<'a>),
}

impl<'a> Page<'a> {
    /// Parses the bytes of a column's page, as named by [`Column::page`]. They must start on a
    /// 64-byte boundary; their checksum is the caller's, once per arrival
    /// ([`crate::verify_crc`]).
    ///
    /// # Errors
    /// [`Error::Misaligned`], [`Error::Corrupt`], [`Error::Truncated`].
    ///
    /// # Panics
    /// When `block >= blocks`.
    pub fn parse(column: &Column, block: u32, bytes: &'a [u8]) -> Result<Self> {
        let entry = column.entry(block);
        Self::parse_with(
            column.data_type(),
            column.has_dictionary(),
            column.multi_value(),
            column.block_rows(block),
            entry.values,
            entry.encoding,
            bytes,
        )
        .map_err(|e| e.in_column(column.name()).in_region("pages").in_block(block))
    }

    pub(crate) fn parse_with(
        data_type: DataType,
        dictionary: bool,
        multi_value: bool,
        rows: u32,
        values: u32,
        code: u8,
        bytes: &'a [u8],
    ) -> Result<Self> {
        let (header, sections) = encoding::split_page(bytes)?;
        if header.rows != rows || header.values != values || header.encoding as u8 != code {
            return Err(Error::corrupt(format!(
                "the page holds {} values of {} rows as {}, the block directory says {values}, {rows}, encoding {code}",
                header.values,
                header.rows,
                header.encoding.name()
            )));
        }
        let lists = ListPage::parse(header.lists, header.list_param, rows, values, sections[0])?;
        if lists.is_some() != multi_value || (!multi_value && values != rows) {
            return Err(Error::corrupt("the page's lists do not fit the column"));
        }
        let values = if dictionary {
            PageValues::Ids(IdPage::parse(&header, sections)?)
        } else {
            match data_type.physical() {
                Physical::Int => PageValues::Ints(IntPage::parse(&header, sections)?),
                Physical::Float => {
                    PageValues::Floats(FloatPage::parse(&header, sections, data_type == DataType::Float)?)
                }
                Physical::Var => PageValues::Var(VarPage::parse(&header, sections)?),
            }
        };
        Ok(Self { encoding: header.encoding, rows, lists, values })
    }

    /// Encoding of the values.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Rows of the block.
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    /// Lists of a multi-value column, `None` for a single-value one.
    pub const fn lists(&self) -> Option<&ListPage<'a>> {
        self.lists.as_ref()
    }

    /// The values.
    pub const fn values(&self) -> &PageValues<'a> {
        &self.values
    }

    /// The ids of a dictionary column.
    pub const fn ids(&self) -> Option<&IdPage<'a>> {
        if let PageValues::Ids(p) = &self.values { Some(p) } else { None }
    }

    /// The integers of a raw INT, LONG, TIMESTAMP or BOOLEAN column.
    pub const fn ints(&self) -> Option<&IntPage<'a>> {
        if let PageValues::Ints(p) = &self.values { Some(p) } else { None }
    }

    /// The numbers of a raw FLOAT or DOUBLE column.
    pub const fn floats(&self) -> Option<&FloatPage<'a>> {
        if let PageValues::Floats(p) = &self.values { Some(p) } else { None }
    }

    /// The byte strings of a raw STRING, JSON, BYTES or BIG_DECIMAL column.
    pub const fn var(&self) -> Option<&VarPage<'a>> {
        if let PageValues::Var(p) = &self.values { Some(p) } else { None }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match &self.values {
            PageValues::Ids(p) => p.len(),
            PageValues::Ints(p) => p.len(),
            PageValues::Floats(p) => p.len(),
            PageValues::Var(p) => p.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks what parsing leaves unchecked, value by value: ids below the cardinality, values
    /// within their type, texts UTF-8, padding zero. A page that passed its checksum and came
    /// from this crate's writer fulfils it; run it on pages of unknown origin.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn check(&self, column: &Column) -> Result<()> {
        if self.lists.is_some_and(|l| !l.padding_is_zero()) {
            return Err(Error::corrupt("padding of packed list ends is not zero"));
        }
        match &self.values {
            PageValues::Ids(p) => p.check(column.cardinality().unwrap_or(0)),
            PageValues::Ints(p) => match column.data_type() {
                DataType::Int => p.check(i64::from(i32::MIN), i64::from(i32::MAX)),
                DataType::Boolean => p.check(0, 1),
                _ => p.check(i64::MIN, i64::MAX),
            },
            PageValues::Floats(p) => p.check(column.data_type() == DataType::Float),
            PageValues::Var(p) => {
                let data_type = column.data_type();
                let mut bad = None;
                p.for_each(0..p.len(), |i, v| {
                    let ok = match data_type {
                        DataType::String | DataType::Json => std::str::from_utf8(v).is_ok(),
                        DataType::BigDecimal => crate::decimal::check(v).is_ok(),
                        _ => true,
                    };
                    if !ok {
                        bad.get_or_insert(i);
                    }
                })?;
                bad.map_or(Ok(()), |i| Err(Error::corrupt(format!("value {i} is no stored {data_type}"))))
            }
        }
    }
}
