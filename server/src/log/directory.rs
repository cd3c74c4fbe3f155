//! A directory of the file system as the storage of a log.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::storage::{Storage, StorageFile};

/// The file that is locked as long as a process uses the directory.
const LOCK: &str = "lock";
/// Where Linux says which life of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A directory that this process has for itself until this is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Locked by the operating system, which lets go of it however the process ends.
    _lock: File,
}

impl Directory {
    /// Takes a directory, and makes it if there is none.
    ///
    /// # Errors
    /// If another process has it (the message says which), or it can't be made or written.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        // What is in it is for nobody else on the machine.
        let create = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        create.map_err(|error| within(&path, "the directory can't be made", &error))?;
        let name = path.join(LOCK);
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name);
        let mut lock = lock.map_err(|error| within(&path, "the directory can't be written", &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(&path, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(within(&path, "the directory can't be locked", &error)),
        }
        // Who has the lock is said for people: it is no fault if the disk has no room for it.
        let _unsaid = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        Ok(Self { path, _lock: lock })
    }
}

fn within(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {what}: {error}", path.display()))
}

fn taken(path: &Path, lock: &mut File) -> io::Error {
    let mut holder = String::new();
    let _unknown = lock.take(20).read_to_string(&mut holder);
    let holder = match holder.trim().parse::<u32>() {
        Ok(id) => format!("the process {id}"),
        Err(_) => "another process".into(),
    };
    let problem = format!(
        "{}: {holder} is using this directory, and only one may: stop it first, or choose another directory",
        path.display(),
    );
    io::Error::new(io::ErrorKind::ResourceBusy, problem)
}

impl Storage for Directory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // A name that is not UTF-8 is none of a log's files.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path.join(name))?;
        Ok(Arc::new(file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path.join(name))?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn boot(&self) -> Option<[u8; 16]> {
        let text = fs::read_to_string(BOOT_ID).ok()?;
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
    }
}

impl StorageFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match FileExt::read_at(self, buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
