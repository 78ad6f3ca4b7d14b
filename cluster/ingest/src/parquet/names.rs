//! Which places of a Parquet schema the wanted columns are.

use std::collections::HashMap;

use arrow_schema::{DataType as Arrow, Fields};

use crate::batch::Wanted;
use crate::error::{Error, Place, Result};

/// A column's place: the root field and then the children of structs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<usize>);

/// Finds each wanted column. A field whose own name is wanted is taken whole; else a struct is searched for names that go on
/// behind a dot. Fields that nobody wants are an error unless unknown ones may be ignored.
pub(super) fn resolve(fields: &Fields, wanted: &Wanted, file: &str) -> Result<Vec<Option<Path>>> {
    let mut found: HashMap<usize, Path> = HashMap::new();
    for (i, field) in fields.iter().enumerate() {
        visit(field.name(), field.data_type(), &mut vec![i], wanted, file, &mut found)?;
    }
    Ok((0..wanted.names().len()).map(|i| found.get(&i).cloned()).collect())
}

fn visit(
    name: &str,
    data_type: &Arrow,
    path: &mut Vec<usize>,
    wanted: &Wanted,
    file: &str,
    found: &mut HashMap<usize, Path>,
) -> Result<()> {
    if let Some(&target) = wanted.index.get(name) {
        if found.insert(target, Path(path.clone())).is_some() {
            return Err(Error::data(Place::file(file).column(name), "the file has two columns of this name"));
        }
        return Ok(());
    }
    if let Arrow::Struct(children) = data_type {
        let prefix = format!("{name}.");
        if wanted.names().iter().any(|w| w.starts_with(&prefix)) {
            for (i, child) in children.iter().enumerate() {
                path.push(i);
                visit(&format!("{prefix}{}", child.name()), child.data_type(), path, wanted, file, found)?;
                path.pop();
            }
            return Ok(());
        }
    }
    if wanted.ignore_unknown { Ok(()) } else { Err(wanted.unknown(Place::file(file), name)) }
}
