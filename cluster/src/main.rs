//! The one binary, `gamay`.

use std::process::ExitCode;

/// Counts what every query allocates (E-17).
#[global_allocator]
static ALLOCATOR: shard::memory::GamayAllocator = shard::memory::GamayAllocator;

fn main() -> ExitCode {
    cluster::cli::main()
}
