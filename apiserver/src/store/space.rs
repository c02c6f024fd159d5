//! Free space under the store. Writes are refused while there is still enough left for what Raft itself must write
//! (votes, purges), since sled can do nothing more, ever, once the system has refused it a write.

use std::path::{Path, PathBuf};

/// Free space below which writes are refused, in bytes; on a small disk an eighth of it.
const RESERVE_BYTES: u64 = 32 << 20;
/// Share of a small disk that is kept free.
const RESERVE_SHARE: u64 = 8;

/// Watches the file system that holds one folder.
#[derive(Clone, Debug)]
pub struct Space {
    folder: PathBuf,
}

impl Space {
    /// Of the file system that holds `folder`.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Why writes should be refused, `None` if there is space. A file system that cannot be asked has space.
    pub fn full(&self) -> Option<String> {
        let (free, total) = self.bytes()?;
        let reserve = RESERVE_BYTES.min(total / RESERVE_SHARE);
        (free < reserve).then(|| {
            let (free, reserve) = (free >> 20, reserve >> 20);
            format!("{free} MiB left on the disk of {}, {reserve} MiB are needed", self.folder.display())
        })
    }

    /// Whether even Raft's own writes should wait: a half of the reserve is gone.
    pub fn exhausted(&self) -> bool {
        self.bytes().is_some_and(|(free, total)| free < RESERVE_BYTES.min(total / RESERVE_SHARE) / 2)
    }

    fn bytes(&self) -> Option<(u64, u64)> {
        let status = nix::sys::statvfs::statvfs(&self.folder).ok()?;
        let unit = status.fragment_size();
        Some((unit * status.blocks_available(), unit * status.blocks()))
    }
}
