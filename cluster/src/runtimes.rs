//! The two Tokio runtimes of a node (E-15): *edge* answers HTTP, plans, reduces and encodes at normal priority; *bulk* runs
//! what may take long (DataFusion above the leaves, builds, downloads) at nice 15, so that it never stands in front of a
//! small query. Shards have threads of their own.

use std::io;
use tokio::runtime::{Builder, Handle, Runtime};

/// Nice value of bulk threads (E-15).
const BULK_NICE: i32 = 15;

#[derive(Debug)]
pub struct Runtimes {
    edge: Runtime,
    bulk: Runtime,
}

impl Runtimes {
    /// `cores` is what the process may use.
    pub fn start(cores: usize) -> io::Result<Runtimes> {
        let edge = Builder::new_multi_thread()
            .worker_threads(cores.clamp(1, 4))
            .max_blocking_threads(16)
            .thread_name("edge")
            .enable_all()
            .build()?;
        let bulk = Builder::new_multi_thread()
            .worker_threads(cores.max(1))
            .max_blocking_threads(cores.max(2) * 2)
            .thread_name("bulk")
            .on_thread_start(lower_priority)
            .enable_all()
            .build()?;
        Ok(Runtimes { edge, bulk })
    }

    pub fn edge(&self) -> &Handle {
        self.edge.handle()
    }

    pub fn bulk(&self) -> &Handle {
        self.bulk.handle()
    }

    /// Ends both; what still runs after `grace` is left behind.
    pub fn shutdown(self, grace: std::time::Duration) {
        self.edge.shutdown_timeout(grace);
        self.bulk.shutdown_timeout(grace);
    }
}

fn lower_priority() {
    if let Err(error) = shard::yield_to_edge(BULK_NICE) {
        tracing::warn!(%error, "bulk threads keep normal priority, so that long queries can delay short ones");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_threads_are_nice_and_edge_threads_are_not() {
        let runtimes = Runtimes::start(2).unwrap();
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let here = nice();
        let bulk = runtimes.edge().block_on(async {
            let bulk = runtimes.bulk().spawn(async move { nice() }).await.unwrap();
            let blocking = runtimes.bulk().spawn_blocking(nice).await.unwrap();
            (bulk, blocking)
        });
        let edge = runtimes.edge().block_on(async { tokio::spawn(async move { nice() }).await.unwrap() });
        assert_eq!(bulk, (BULK_NICE, BULK_NICE));
        assert_eq!(edge, here);
        runtimes.shutdown(std::time::Duration::from_secs(1));
    }
}
