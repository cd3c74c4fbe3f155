//! The file by which other programs find a running gateway: its process id, under a lock that lasts as long as it runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest content that is looked at, in bytes.
const MAX_BYTES: u64 = 32;

/// The file of this process. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl PidFile {
    /// Writes the file, unless another gateway has it.
    pub(crate) fn create(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("the pid file {} can't be written: {error}", path.display());
        loop {
            let mut options = OpenOptions::new();
            let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(format!(
                        "another gateway runs with the pid file {}: stop it (outpour drain --pid-file), or name another",
                        path.display()
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // The one that had it before may have removed it in between.
            let is_there = fs::metadata(path).is_ok_and(|there| {
                file.metadata().is_ok_and(|held| (there.dev(), there.ino()) == (held.dev(), held.ino()))
            });
            if is_there {
                file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
                // A request to a gateway that is gone is not for this one.
                let _absent = fs::remove_file(request_path(path));
                return Ok(Self { path: path.to_owned(), _file: file });
            }
        }
    }

    /// How long the drain may take that has been asked for beside the file, if it says so. The request is used up.
    pub(crate) fn take_request(&self) -> Option<Duration> {
        let path = request_path(&self.path);
        let text = read(&path).ok()?;
        let _gone = fs::remove_file(&path);
        text.trim().parse().ok().map(Duration::from_millis)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

/// The process that a pid file names, if it runs.
pub(crate) fn running(path: &Path) -> Result<i32, String> {
    let absent = || format!("no gateway runs with the pid file {}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
        Err(error) => return Err(format!("the pid file {} can't be read: {error}", path.display())),
    };
    match file.try_lock_shared() {
        Ok(()) => return Err(absent()),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(format!("{} can't be locked: {error}", path.display())),
    }
    let text = read(path).map_err(|error| format!("the pid file {} can't be read: {error}", path.display()))?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 0);
    pid.ok_or_else(|| format!("{} is no pid file", path.display()))
}

/// Leaves word of how long a drain may take, for the gateway to find when it is signalled.
pub(crate) fn request(path: &Path, within: Duration) -> Result<(), String> {
    let request = request_path(path);
    fs::write(&request, format!("{}\n", within.as_millis()))
        .map_err(|error| format!("{} can't be written, which says how long it may take: {error}", request.display()))
}

fn request_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".drain");
    name.into()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_gateways() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("outpour.pid");
        assert!(running(&path).expect_err("none yet").starts_with("no gateway runs"));
        let file = PidFile::create(&path).expect("created");
        assert_eq!(running(&path), Ok(std::process::id() as i32));
        assert!(PidFile::create(&path).expect_err("taken").starts_with("another gateway runs"));
        drop(file);
        assert!(!path.exists());
        // What a gateway that was killed has left behind.
        fs::write(&path, "1\n").expect("written");
        request(&path, Duration::from_secs(9)).expect("written");
        assert!(running(&path).expect_err("stale").starts_with("no gateway runs"));
        let file = PidFile::create(&path).expect("created again");
        assert_eq!(file.take_request(), None, "what is stale is no request");
        request(&path, Duration::from_millis(1_500)).expect("written");
        assert_eq!((file.take_request(), file.take_request()), (Some(Duration::from_millis(1_500)), None));
    }
}
