//! An archive of a container as local files. Nothing in it may write outside of its destination.

use bytes::{Buf, Bytes};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use tar::{Archive, EntryType};
use tokio::sync::mpsc;

/// Unpacks what comes in pieces: members below `prefix` go below `to`. Gives warnings about what was left out.
pub fn unpack(pieces: mpsc::Receiver<Bytes>, prefix: &str, to: &Path) -> io::Result<Vec<String>> {
    let mut archive = Archive::new(Pieces { queue: pieces, rest: Bytes::new() });
    let mut warnings = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        let Some(target) = place(&name, prefix, to) else {
            warnings.push(format!("warning: file {:?} is outside target destination, skipping", name.display()));
            continue;
        };
        match entry.header().entry_type() {
            EntryType::Directory => std::fs::create_dir_all(&target)?,
            EntryType::Symlink | EntryType::Link => {
                let link = entry.link_name()?.unwrap_or_default().into_owned();
                warnings.push(format!("warning: skipping symlink: {:?} -> {:?}", target.display(), link.display()));
            }
            EntryType::Regular | EntryType::Continuous => {
                if let Some(folder) = target.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                // A link that stands where the file goes would lead the content elsewhere.
                if target.is_symlink() {
                    std::fs::remove_file(&target)?;
                }
                let mut file = std::fs::File::create(&target)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", target.display())))?;
                io::copy(&mut entry, &mut file)?;
            }
            _ => {}
        }
    }
    Ok(warnings)
}

/// Where a member goes; `None` for one that would go elsewhere.
fn place(name: &Path, prefix: &str, to: &Path) -> Option<PathBuf> {
    let clean = |path: &Path| {
        let mut parts = Vec::new();
        for part in path.components() {
            match part {
                Component::Normal(part) => parts.push(part.to_owned()),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => return None,
            }
        }
        Some(parts)
    };
    let parts = clean(name)?;
    // A prefix may lead upwards, as `../x`: tar leaves that out.
    let prefix: Vec<_> = Path::new(prefix)
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_owned()),
            _ => None,
        })
        .collect();
    let rest = parts.strip_prefix(prefix.as_slice())?;
    let mut target = to.to_owned();
    target.extend(rest);
    Some(target)
}

/// Pieces as a reader, for a thread of its own.
struct Pieces {
    queue: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.queue.blocking_recv() {
                Some(piece) => self.rest = piece,
                None => return Ok(0),
            }
        }
        let length = self.rest.len().min(into.len());
        self.rest.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::pack;
    use super::*;

    #[test]
    fn nothing_leaves_its_destination() {
        for (name, prefix, expected) in [
            ("tmp/x", "tmp/x", Some("/to")),
            ("tmp/x/a/b", "tmp/x", Some("/to/a/b")),
            ("./x/a", "x", Some("/to/a")),
            ("x/a", "../x", Some("/to/a")),
            ("tmp/y", "tmp/x", None),
            ("tmp/x/../../etc/passwd", "tmp/x", None),
            ("tmp/xy", "tmp/x", None),
        ] {
            let got = place(Path::new(name), prefix, Path::new("/to"));
            assert_eq!(got.as_deref(), expected.map(Path::new), "{name}");
        }
    }

    /// What is packed is unpacked, links aside.
    #[test]
    fn files_come_back() {
        let folder = tempfile::tempdir().expect("folder");
        let source = folder.path().join("source");
        std::fs::create_dir_all(source.join("deep/empty")).expect("folders");
        let large: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
        std::fs::write(source.join("deep/large"), &large).expect("file");
        std::fs::write(source.join("small"), "x").expect("file");
        std::os::unix::fs::symlink("/etc/passwd", source.join("link")).expect("link");
        let target = folder.path().join("target");
        // A link that an earlier copy, or an enemy, has left.
        std::fs::create_dir_all(target.join("deep")).expect("folders");
        std::os::unix::fs::symlink(folder.path().join("stolen"), target.join("deep/large")).expect("link");
        let (sender, receiver) = mpsc::channel(4);
        let packing = std::thread::spawn(move || pack(&source, "name", sender));
        let warnings = unpack(receiver, "name", &target).expect("unpacked");
        packing.join().expect("a thread").expect("packed");
        assert_eq!(std::fs::read(target.join("deep/large")).expect("file"), large);
        assert_eq!(std::fs::read_to_string(target.join("small")).expect("file"), "x");
        assert!(target.join("deep/empty").is_dir() && !target.join("link").exists());
        assert!(!folder.path().join("stolen").exists());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("-> \"/etc/passwd\""), "{warnings:?}");
    }
}
