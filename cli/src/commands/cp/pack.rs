//! Local files as an archive, made while it is sent.

use bytes::Bytes;
use std::io::{self, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;

/// Bytes of a piece.
const PIECE_BYTES: usize = 32 * 1024;

/// Packs a file or folder under `name` and sends the archive in pieces. Fails where something cannot be read, or nobody
/// takes the pieces.
pub fn pack(source: &Path, name: &str, pieces: mpsc::Sender<Bytes>) -> io::Result<()> {
    let out = io::BufWriter::with_capacity(PIECE_BYTES, Pieces(pieces));
    let mut archive = Builder::new(out);
    archive.follow_symlinks(false);
    add(&mut archive, source, Path::new(name))?;
    archive.into_inner()?.flush()
}

fn add(archive: &mut Builder<impl Write>, source: &Path, name: &Path) -> io::Result<()> {
    let metadata = source.symlink_metadata()?;
    if metadata.is_dir() {
        archive.append_dir(name, source)?;
        let mut entries = std::fs::read_dir(source)?.collect::<io::Result<Vec<_>>>()?;
        // The same folder makes the same archive.
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            add(archive, &entry.path(), &name.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if metadata.is_symlink() {
        let mut header = Header::new_gnu();
        header.set_metadata(&metadata);
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        return archive.append_link(&mut header, name, std::fs::read_link(source)?);
    }
    if !metadata.is_file() {
        // Sockets and the like have no content.
        return Ok(());
    }
    archive.append_path_with_name(source, name)
}

struct Pieces(mpsc::Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(data);
        self.0.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
