//! Plans and answers of cluster-sql, over tables in memory.

mod cases;
mod common;
mod explain;
mod front_end;
mod parameters;
