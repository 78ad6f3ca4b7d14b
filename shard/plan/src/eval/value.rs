//! Between Arrow arrays and single values: typed views of kernel arguments, one value out of an array, one value for all
//! rows.

use crate::error::{Error, Result};
use crate::function::Datum;
use crate::scalar::Scalar;
use crate::types::Type;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayAccessor, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array,
    LargeBinaryArray, ListArray, StringArray, TimestampMillisecondArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, Field};
use segfmt::DataType;
use std::sync::Arc;

/// One argument of a kernel, column or constant, as values of one Arrow type.
#[derive(Debug, Clone)]
pub struct View<A> {
    array: A,
    /// 0 for a constant, whose one value stands for all rows.
    stride: usize,
}

pub type Ints = View<Int32Array>;
pub type Longs = View<Int64Array>;
pub type Floats = View<Float32Array>;
pub type Doubles = View<Float64Array>;
pub type Bools = View<BooleanArray>;
pub type Strings = View<StringArray>;
pub type Binaries = View<BinaryArray>;
pub type Decimals = View<LargeBinaryArray>;
pub type Lists = View<ListArray>;

impl<A: Array + Clone + 'static> View<A> {
    /// # Errors
    /// When the argument is of another Arrow type.
    pub fn of(datum: &Datum) -> Result<View<A>> {
        let (array, stride) = match datum {
            Datum::Array(array) => (array.clone(), 1),
            Datum::Scalar(scalar) => (repeat(scalar, 1)?, 0),
        };
        match array.as_any().downcast_ref::<A>() {
            Some(typed) => Ok(View { array: typed.clone(), stride }),
            None => Err(Error::Plan(format!("a function got an argument of Arrow type {}", array.data_type()))),
        }
    }

    /// The value of a row, `None` for NULL.
    #[inline]
    pub fn get<'a>(&'a self, row: usize) -> Option<<&'a A as ArrayAccessor>::Item>
    where
        &'a A: ArrayAccessor,
    {
        let at = row * self.stride;
        let array = &self.array;
        if array.is_valid(at) { Some(array.value(at)) } else { None }
    }

    pub fn is_constant(&self) -> bool {
        self.stride == 0
    }

    pub fn array(&self) -> &A {
        &self.array
    }
}

/// Instants in UTC milliseconds, from TIMESTAMP or LONG.
#[derive(Debug, Clone)]
pub struct Millis {
    values: Longs,
}

impl Millis {
    /// # Errors
    /// When the argument is neither TIMESTAMP nor LONG.
    pub fn of(datum: &Datum) -> Result<Millis> {
        Ok(Millis { values: Longs::of(&as_longs(datum)?)? })
    }

    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        self.values.get(row)
    }

    pub fn array(&self) -> &Int64Array {
        self.values.array()
    }

    pub fn is_constant(&self) -> bool {
        self.values.is_constant()
    }
}

/// TIMESTAMP seen as its LONG of milliseconds, without copying.
pub fn as_longs(datum: &Datum) -> Result<Datum> {
    Ok(match datum {
        Datum::Array(array) => match array.as_any().downcast_ref::<TimestampMillisecondArray>() {
            Some(times) => Datum::Array(Arc::new(Int64Array::new(times.values().clone(), times.nulls().cloned()))),
            None => datum.clone(),
        },
        Datum::Scalar(Scalar::Timestamp(ms)) => Datum::Scalar(Scalar::Long(*ms)),
        Datum::Scalar(Scalar::Null(ty)) if *ty == Type::TIMESTAMP => Datum::Scalar(Scalar::Null(Type::LONG)),
        Datum::Scalar(_) => datum.clone(),
    })
}

/// LONG of milliseconds seen as TIMESTAMP.
pub fn as_timestamps(longs: Int64Array) -> ArrayRef {
    let (_, values, nulls) = longs.into_parts();
    Arc::new(TimestampMillisecondArray::new(values, nulls))
}

/// `rows` NULLs of a type.
pub fn nulls(ty: Type, rows: usize) -> ArrayRef {
    new_null_array(&ty.arrow(), rows)
}

/// One value as a column of `rows` rows.
pub fn repeat(scalar: &Scalar, rows: usize) -> Result<ArrayRef> {
    Ok(match scalar {
        Scalar::Null(ty) => nulls(*ty, rows),
        Scalar::Int(v) => Arc::new(Int32Array::from_value(*v, rows)),
        Scalar::Long(v) => Arc::new(Int64Array::from_value(*v, rows)),
        Scalar::Float(v) => Arc::new(Float32Array::from_value(*v, rows)),
        Scalar::Double(v) => Arc::new(Float64Array::from_value(*v, rows)),
        Scalar::Timestamp(v) => Arc::new(TimestampMillisecondArray::from_value(*v, rows)),
        Scalar::Boolean(v) => Arc::new(BooleanArray::from(vec![*v; rows])),
        Scalar::String(v) | Scalar::Json(v) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(v, rows))),
        Scalar::Bytes(v) => Arc::new(BinaryArray::from_iter_values(std::iter::repeat_n(v, rows))),
        Scalar::BigDecimal(v) => Arc::new(LargeBinaryArray::from_iter_values(std::iter::repeat_n(v, rows))),
        Scalar::List(data, values) => {
            let element = Type::single(*data);
            let one = from_scalars(element, values)?;
            let all = if rows == 1 {
                one
            } else {
                let at: Vec<(usize, usize)> = (0..rows).flat_map(|_| (0..values.len()).map(|i| (0, i))).collect();
                arrow_select::interleave::interleave(&[one.as_ref()], &at).map_err(|e| Error::Plan(e.to_string()))?
            };
            let lengths = std::iter::repeat_n(values.len(), rows);
            list_of(element, OffsetBuffer::from_lengths(lengths), all, None)?
        }
    })
}

/// A list column of a type's Arrow form.
pub fn list_of(
    element: Type,
    offsets: OffsetBuffer<i32>,
    values: ArrayRef,
    nulls: Option<arrow_buffer::NullBuffer>,
) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("item", element.arrow(), true));
    ListArray::try_new(field, offsets, values, nulls)
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|e| Error::Plan(format!("a list column is inconsistent: {e}")))
}

/// A column of the given values, all of type `ty` or NULL.
pub fn from_scalars(ty: Type, values: &[Scalar]) -> Result<ArrayRef> {
    let wrong = |v: &Scalar| Error::Plan(format!("a list of {ty} holds a {}", v.ty()));
    macro_rules! collect {
        ($array:ty, $($variant:pat => $value:expr),+) => {{
            let mut out = Vec::with_capacity(values.len());
            for v in values {
                out.push(match v {
                    $($variant => Some($value),)+
                    Scalar::Null(_) => None,
                    other => return Err(wrong(other)),
                });
            }
            Arc::new(out.into_iter().collect::<$array>()) as ArrayRef
        }};
    }
    if ty.multi {
        return Err(Error::Plan("a list of lists is not a type".to_owned()));
    }
    Ok(match ty.data {
        DataType::Int => collect!(Int32Array, Scalar::Int(x) => *x),
        DataType::Long => collect!(Int64Array, Scalar::Long(x) => *x),
        DataType::Float => collect!(Float32Array, Scalar::Float(x) => *x),
        DataType::Double => collect!(Float64Array, Scalar::Double(x) => *x),
        DataType::Boolean => collect!(BooleanArray, Scalar::Boolean(x) => *x),
        DataType::Timestamp => collect!(TimestampMillisecondArray, Scalar::Timestamp(x) => *x),
        DataType::String | DataType::Json => {
            collect!(StringArray, Scalar::String(x) => x.as_ref(), Scalar::Json(x) => x.as_ref())
        }
        DataType::Bytes => collect!(BinaryArray, Scalar::Bytes(x) => x.as_ref()),
        DataType::BigDecimal => collect!(LargeBinaryArray, Scalar::BigDecimal(x) => x.as_ref()),
    })
}

/// The value of one row of a column of type `ty`.
///
/// # Errors
/// When the array does not have the Arrow form of `ty`, or the row is out of range.
pub fn scalar_at(array: &dyn Array, ty: Type, row: usize) -> Result<Scalar> {
    if row >= array.len() {
        return Err(Error::Plan(format!("row {row} of a column of {} rows", array.len())));
    }
    check_type(array, ty)?;
    if array.is_null(row) {
        return Ok(Scalar::Null(ty));
    }
    if ty.multi {
        let list = array.as_list::<i32>().value(row);
        let element = ty.element();
        let values: Result<Vec<Scalar>> = (0..list.len()).map(|i| scalar_at(list.as_ref(), element, i)).collect();
        return Ok(Scalar::List(ty.data, values?.into()));
    }
    Ok(match ty.data {
        DataType::Int => Scalar::Int(array.as_primitive::<Int32Type>().value(row)),
        DataType::Long => Scalar::Long(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float => Scalar::Float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Double => Scalar::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp => Scalar::Timestamp(array.as_primitive::<TimestampMillisecondType>().value(row)),
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(row)),
        DataType::String => Scalar::String(array.as_string::<i32>().value(row).into()),
        DataType::Json => Scalar::Json(array.as_string::<i32>().value(row).into()),
        DataType::Bytes => Scalar::Bytes(array.as_binary::<i32>().value(row).into()),
        DataType::BigDecimal => Scalar::BigDecimal(array.as_binary::<i64>().value(row).into()),
    })
}

/// Whether an array has the Arrow form of a type. List field names and nullability do not matter.
pub fn check_type(array: &dyn Array, ty: Type) -> Result<()> {
    let want = ty.element().arrow();
    let fits = match array.data_type() {
        ArrowType::List(field) => ty.multi && *field.data_type() == want,
        single => !ty.multi && *single == want,
    };
    if fits { Ok(()) } else { Err(Error::Plan(format!("a column of type {ty} came as Arrow {}", array.data_type()))) }
}

/// A datum as a column.
pub fn into_array(datum: Datum, rows: usize) -> Result<ArrayRef> {
    match datum {
        Datum::Array(array) => Ok(array),
        Datum::Scalar(scalar) => repeat(&scalar, rows),
    }
}
