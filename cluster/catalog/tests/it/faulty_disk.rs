//! A disk in memory that remembers every operation, so that a test can ask what would be there after a crash at any point.
//!
//! What was synced is there. Of what was not, a crash keeps any part: a write whole, not at all, or torn at 512-byte sectors in
//! any combination; a size or not; a name or not.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use cluster_catalog::log::{Disk, DiskFile};

#[derive(Debug, Clone, PartialEq)]
enum Op {
    Create { name: String, inode: usize },
    Rename { from: String, to: String },
    Remove { name: String },
    SyncDir,
    Write { inode: usize, at: u64, bytes: Vec<u8> },
    SetSize { inode: usize, size: u64 },
    Sync { inode: usize },
}

#[derive(Default)]
struct Inner {
    names: BTreeMap<String, usize>,
    inodes: Vec<Vec<u8>>,
    ops: Vec<Op>,
    /// Files and names before the first operation, which a crash leaves alone.
    base_names: BTreeMap<String, usize>,
    base_inodes: Vec<Vec<u8>>,
    /// Operations that still succeed; then every write and sync fails.
    failing_after: Option<usize>,
    sync_fails: bool,
}

#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<Inner>>);

/// A small generator: the same seed, the same crash.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const SECTOR: usize = 512;

impl FaultyDisk {
    pub fn new() -> FaultyDisk {
        FaultyDisk::default()
    }

    /// Operations so far.
    pub fn ops(&self) -> usize {
        self.0.lock().unwrap().ops.len()
    }

    /// From now on `count` more operations succeed, then writes and syncs fail.
    pub fn fail_after(&self, count: usize) {
        let mut inner = self.0.lock().unwrap();
        inner.failing_after = Some(inner.ops.len() + count);
    }

    pub fn heal(&self) {
        self.0.lock().unwrap().failing_after = None;
    }

    /// Every sync fails, writes succeed.
    pub fn fail_syncs(&self, fail: bool) {
        self.0.lock().unwrap().sync_fails = fail;
    }

    /// The disk as it is now, with nothing left to lose.
    pub fn settled(&self) -> FaultyDisk {
        let inner = self.0.lock().unwrap();
        FaultyDisk::of(inner.names.clone(), inner.inodes.clone())
    }

    fn of(names: BTreeMap<String, usize>, inodes: Vec<Vec<u8>>) -> FaultyDisk {
        let inner = Inner { base_names: names.clone(), base_inodes: inodes.clone(), names, inodes, ..Inner::default() };
        FaultyDisk(Arc::new(Mutex::new(inner)))
    }

    /// The disk after a crash that comes when `count` operations have been asked for.
    pub fn crashed(&self, count: usize, dice: &mut Dice) -> FaultyDisk {
        let inner = self.0.lock().unwrap();
        let ops = &inner.ops[..count];
        let last_dir_sync = ops.iter().rposition(|op| *op == Op::SyncDir);
        let mut names = inner.base_names.clone();
        let mut inodes = inner.base_inodes.clone();
        for (i, op) in ops.iter().enumerate() {
            let dir_lasts = last_dir_sync.is_some_and(|sync| i < sync);
            match op {
                Op::Create { name, inode } => {
                    inodes.resize(inodes.len().max(inode + 1), Vec::new());
                    if dir_lasts || dice.roll(2) == 0 {
                        names.insert(name.clone(), *inode);
                    }
                }
                Op::Rename { from, to } => {
                    if (dir_lasts || dice.roll(2) == 0)
                        && let Some(inode) = names.remove(from)
                    {
                        names.insert(to.clone(), inode);
                    }
                }
                Op::Remove { name } => {
                    if dir_lasts || dice.roll(2) == 0 {
                        names.remove(name);
                    }
                }
                Op::SyncDir | Op::Sync { .. } => {}
                Op::Write { inode, at, bytes } => {
                    let lasts = ops[i..].contains(&Op::Sync { inode: *inode });
                    write_part(&mut inodes[*inode], *at as usize, bytes, lasts, dice);
                }
                Op::SetSize { inode, size } => {
                    if ops[i..].contains(&Op::Sync { inode: *inode }) || dice.roll(2) == 0 {
                        inodes[*inode].resize(*size as usize, 0);
                    }
                }
            }
        }
        FaultyDisk::of(names, inodes)
    }

    /// Names and contents of all files.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.0.lock().unwrap();
        inner.names.iter().map(|(name, inode)| (name.clone(), inner.inodes[*inode].clone())).collect()
    }

    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.0.lock().unwrap();
        let inode = inner.names[name];
        change(&mut inner.inodes[inode]);
    }

    pub fn delete(&self, name: &str) {
        self.0.lock().unwrap().names.remove(name).unwrap();
    }
}

/// Writes what a crash left of a write: all of it when it was synced, else any of its sectors.
fn write_part(file: &mut Vec<u8>, at: usize, bytes: &[u8], lasts: bool, dice: &mut Dice) {
    let mode = if lasts { 0 } else { dice.roll(4) };
    let mut from = 0;
    while from < bytes.len() {
        let to = (from + SECTOR - (at + from) % SECTOR).min(bytes.len());
        let keep = match mode {
            0 => true,
            1 => false,
            _ => dice.roll(2) == 0,
        };
        if keep {
            if file.len() < at + to {
                file.resize(at + to, 0);
            }
            file[at + from..at + to].copy_from_slice(&bytes[from..to]);
        }
        from = to;
    }
}

impl Inner {
    fn record(&mut self, op: Op) -> io::Result<()> {
        let failing = self.failing_after.is_some_and(|limit| self.ops.len() >= limit);
        if failing || (self.sync_fails && matches!(op, Op::Sync { .. })) {
            return Err(io::Error::other("the disk is broken"));
        }
        self.ops.push(op);
        Ok(())
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.0.lock().unwrap();
        let inode = match inner.names.get(name) {
            Some(inode) => *inode,
            None if create => {
                let inode = inner.inodes.len();
                inner.record(Op::Create { name: name.to_owned(), inode })?;
                inner.inodes.push(Vec::new());
                inner.names.insert(name.to_owned(), inode);
                inode
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Box::new(OpenFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.record(Op::Rename { from: from.to_owned(), to: to.to_owned() })?;
        let inode = inner.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.record(Op::Remove { name: name.to_owned() })?;
        inner.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.0.lock().unwrap().record(Op::SyncDir)
    }
}

struct OpenFile {
    disk: FaultyDisk,
    inode: usize,
}

impl DiskFile for OpenFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().unwrap().inodes[self.inode].len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let inner = self.disk.0.lock().unwrap();
        let file = &inner.inodes[self.inode];
        let start = usize::try_from(offset).unwrap();
        let bytes = file.get(start..start + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.0.lock().unwrap();
        inner.record(Op::Write { inode: self.inode, at: offset, bytes: bytes.to_vec() })?;
        write_part(&mut inner.inodes[self.inode], offset as usize, bytes, true, &mut Dice::new(0));
        Ok(())
    }

    fn set_size(&mut self, size: u64) -> io::Result<()> {
        let mut inner = self.disk.0.lock().unwrap();
        inner.record(Op::SetSize { inode: self.inode, size })?;
        inner.inodes[self.inode].resize(size as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.0.lock().unwrap().record(Op::Sync { inode: self.inode })
    }
}
