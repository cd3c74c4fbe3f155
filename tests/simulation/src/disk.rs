//! A disk in memory that forgets at a crash what was not synced, fails on request, and can be full.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outpour_server::log::{Storage, StorageFile};

/// What a disk writes or forgets as a whole, in bytes.
const SECTOR: usize = 64;

/// The disk. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    /// What a crash can't undo.
    durable_names: BTreeMap<String, usize>,
    /// What was done to the names since.
    name_changes: Vec<NameChange>,
    boot: u8,
    /// How many changes have been made.
    steps: u64,
    /// The change at which the process dies: it is half done, and nothing works any more.
    dies_at: Option<u64>,
    /// How many bytes all files may have together.
    room: Option<usize>,
    syncs_fail: bool,
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

/// Where randomness comes from.
pub type Random<'a> = &'a mut dyn FnMut(usize) -> usize;

impl SimulatedDisk {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many changes have been made.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Has the process die with this change, or with none.
    pub fn die_at(&self, step: Option<u64>) {
        self.lock().dies_at = step;
    }

    /// Whether the process has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        let disk = self.lock();
        disk.dies_at.is_some_and(|step| disk.steps > step)
    }

    /// From now on nothing works: the process is dead, whatever it may still try.
    pub fn die(&self) {
        let mut disk = self.lock();
        disk.dies_at = Some(disk.steps);
    }

    /// The process is gone, and another may begin.
    pub fn restart_process(&self) {
        self.die_at(None);
    }

    /// The machine crashes and starts again. What was not synced may be there or not, each part by itself.
    pub fn restart_machine(&self, random: Random<'_>) {
        let mut disk = self.lock();
        disk.dies_at = None;
        disk.boot += 1;
        let mut names = disk.durable_names.clone();
        let in_order = random(2) == 0;
        let kept = random(disk.name_changes.len() + 1);
        for (index, change) in std::mem::take(&mut disk.name_changes).into_iter().enumerate() {
            if if in_order { index < kept } else { random(2) == 0 } {
                change.apply(&mut names);
            }
        }
        disk.durable_names = names.clone();
        disk.names = names;
        for file in &mut disk.files {
            file.crash(random);
        }
    }

    /// How many bytes all files may have together.
    pub fn limit_room(&self, room: Option<usize>) {
        self.lock().room = room;
    }

    /// Has syncs fail.
    pub fn fail_syncs(&self, fail: bool) {
        self.lock().syncs_fail = fail;
    }

    /// The names of the files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    /// How many bytes all files have together.
    #[must_use]
    pub fn size(&self) -> usize {
        self.lock().size()
    }

    /// Changes a file behind the back of whoever wrote it.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.lock();
        let file = disk.names[name];
        change(&mut disk.files[file].now);
        let now = disk.files[file].now.clone();
        disk.files[file].durable = now;
    }

    /// A disk with the same content, that goes its own way.
    #[must_use]
    pub fn copy(&self) -> Self {
        let disk = self.lock();
        let files = disk.files.iter().map(|file| Content { now: file.now.clone(), durable: file.durable.clone() });
        Self(Arc::new(Mutex::new(Disk {
            files: files.collect(),
            names: disk.names.clone(),
            durable_names: disk.durable_names.clone(),
            name_changes: disk.name_changes.clone(),
            boot: disk.boot,
            ..Disk::default()
        })))
    }
}

impl Disk {
    fn size(&self) -> usize {
        self.names.values().map(|file| self.files[*file].now.len()).sum()
    }

    /// Counts a change. `true` if the process dies with it.
    fn step(&mut self) -> io::Result<bool> {
        self.steps += 1;
        match self.dies_at {
            Some(step) if self.steps > step + 1 => Err(io::Error::other("the process is dead")),
            dies_at => Ok(dies_at.is_some_and(|step| self.steps == step + 1)),
        }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl Content {
    fn crash(&mut self, random: Random<'_>) {
        if self.now == self.durable {
            return;
        }
        let longest = self.now.len().max(self.durable.len());
        let least = self.now.len().min(self.durable.len());
        let length = least + random(longest - least + 1);
        let mut left = Vec::with_capacity(length);
        while left.len() < length {
            let range = left.len()..(left.len() + SECTOR).min(length);
            let from = if random(2) == 0 { &self.now } else { &self.durable };
            for index in range {
                left.push(from.get(index).copied().unwrap_or(0));
            }
        }
        self.now = left.clone();
        self.durable = left;
    }
}

fn dead() -> io::Error {
    io::Error::other("the process dies")
}

impl Storage for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.lock().names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.lock();
        let dies = disk.step()?;
        let file = disk.files.len();
        disk.files.push(Content::default());
        disk.change_names(NameChange::Create(name.to_owned(), file));
        if dies { Err(dead()) } else { Ok(Arc::new(SimulatedFile { disk: self.clone(), file })) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.lock();
        let dies = disk.step()?;
        disk.change_names(NameChange::Rename(from.to_owned(), to.to_owned()));
        if dies { Err(dead()) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.lock();
        let dies = disk.step()?;
        disk.change_names(NameChange::Remove(name.to_owned()));
        if dies { Err(dead()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.lock();
        if disk.step()? || disk.syncs_fail {
            return Err(dead());
        }
        disk.durable_names = disk.names.clone();
        disk.name_changes.clear();
        Ok(())
    }

    fn boot(&self) -> Option<[u8; 16]> {
        Some([self.lock().boot; 16])
    }
}

impl StorageFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].now.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.disk.lock();
        let left = disk.files[self.file].now.get(offset as usize..).unwrap_or_default();
        // Less than was asked for, as may happen.
        let count = left.len().min(buffer.len()).min(1000);
        buffer[..count].copy_from_slice(&left[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.lock();
        let dies = disk.step()?;
        let offset = offset as usize;
        let room = disk.room.map_or(usize::MAX, |room| room.saturating_sub(disk.size()));
        let file = &mut disk.files[self.file].now;
        assert!(offset <= file.len(), "a hole is written");
        let fits = bytes.len().min(room.saturating_add(file.len() - offset));
        let count = if dies { fits / 2 } else { fits };
        file.resize(file.len().max(offset + count), 0);
        file[offset..offset + count].copy_from_slice(&bytes[..count]);
        if dies {
            Err(dead())
        } else if count < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.step()? {
            return Err(dead());
        }
        disk.files[self.file].now.truncate(length as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.step()? || disk.syncs_fail {
            return Err(dead());
        }
        let file = &mut disk.files[self.file];
        file.durable = file.now.clone();
        Ok(())
    }
}
