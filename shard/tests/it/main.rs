//! The shards against a model that works row by row, and what must hold when things go wrong.

mod equality;
mod figures;
mod model;
mod plans;
mod robustness;
mod table;

#[global_allocator]
static ALLOCATOR: shard::memory::GamayAllocator = shard::memory::GamayAllocator;

use shard::{Executor, ShardOptions, Shards};
use shard_plan::Registry;
use std::sync::Arc;
use std::time::Duration;

pub fn registry() -> Arc<Registry> {
    let mut registry = Registry::empty();
    shard_plan::scalar_functions::register_all(&mut registry);
    shard_plan::aggregate::register_all(&mut registry);
    Arc::new(registry)
}

/// Shards that do everything themselves.
pub fn shards(count: usize, executor: Executor) -> Shards {
    shards_and_caller(count, executor, Duration::ZERO)
}

pub fn shards_and_caller(count: usize, executor: Executor, caller_time: Duration) -> Shards {
    let pool_bytes = 256 << 10;
    let options = ShardOptions { shards: count, executor, pool_bytes, caller_time, ..ShardOptions::default() };
    Shards::start(options, registry()).unwrap()
}
