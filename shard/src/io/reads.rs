//! Who reads: a queue that a shard hands requests to and that calls back when the bytes are there.

use crate::io::direct::DataFile;
use crate::io::memory::Block;
use std::sync::Arc;

/// A read of whole sectors.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    pub file: Arc<DataFile>,
    pub offset: u64,
    pub len: usize,
}

/// Called once, from any thread.
pub type ReadDone = Box<dyn FnOnce(std::io::Result<Block>) + Send>;

/// A shard's way to the disk. Never blocks.
pub trait ReadQueue {
    fn read(&self, request: ReadRequest, done: ReadDone);
}

/// A few threads that read with `pread`, for shards that are plain threads.
#[derive(Clone, Debug)]
pub(crate) struct PreadPool {
    queue: flume::Sender<(ReadRequest, Done)>,
}

struct Done(ReadDone);

impl PreadPool {
    /// The threads end when the last clone is dropped.
    pub(crate) fn start(threads: usize) -> Result<PreadPool, String> {
        let (queue, requests) = flume::unbounded::<(ReadRequest, Done)>();
        for n in 0..threads {
            let requests = requests.clone();
            std::thread::Builder::new()
                .name(format!("pread-{n}"))
                .spawn(move || {
                    while let Ok((request, done)) = requests.recv() {
                        (done.0)(request.file.read(request.offset, request.len));
                    }
                })
                .map_err(|e| format!("no thread for reads: {e}"))?;
        }
        Ok(PreadPool { queue })
    }
}

impl ReadQueue for PreadPool {
    fn read(&self, request: ReadRequest, done: ReadDone) {
        if let Err(flume::SendError((_, done))) = self.queue.send((request, Done(done))) {
            (done.0)(Err(std::io::Error::other("the read pool has stopped")));
        }
    }
}
