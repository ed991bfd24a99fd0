//! What the kernel knows of a process: its processor time and memory.

use std::fs;
use std::io;
use std::time::Duration;

/// The kernel counts processor time in hundredths of a second towards its users.
const TICKS_PER_SECOND: u64 = 100;

/// What a process has used, or uses now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// In user and kernel mode, of all threads.
    pub processor_time: Duration,
    /// Resident memory.
    pub memory_bytes: u64,
    pub threads: u64,
}

impl Usage {
    /// Looks at the process with this id.
    ///
    /// # Errors
    /// If there is no such process, or it is hidden.
    pub fn of(pid: u32) -> io::Result<Self> {
        Self::read(&format!("/proc/{pid}"))
    }

    /// Looks at this process.
    ///
    /// # Errors
    /// If /proc is not there.
    pub fn own() -> io::Result<Self> {
        Self::read("/proc/self")
    }

    fn read(directory: &str) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("{directory}/stat"))?;
        let status = fs::read_to_string(format!("{directory}/status"))?;
        let ticks = ticks(&stat).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self {
            processor_time: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            memory_bytes: field(&status, "VmRSS:").unwrap_or(0) * 1024,
            threads: field(&status, "Threads:").unwrap_or(0),
        })
    }
}

/// The files that this process has open.
///
/// # Errors
/// If /proc is not there.
pub fn open_files() -> io::Result<u64> {
    Ok(fs::read_dir("/proc/self/fd")?.count() as u64)
}

/// The most files that this process may have open.
///
/// # Errors
/// If /proc is not there, or there is no limit.
pub fn open_files_max() -> io::Result<u64> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// User and kernel time, the 14th and 15th field; the second may hold blanks but ends with
/// the last bracket.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        let usage = Usage::own().unwrap();
        assert!(usage.memory_bytes > 0 && usage.threads > 0);
        assert!(Usage::of(std::process::id()).unwrap().memory_bytes > 0);
        assert!(open_files().unwrap() < open_files_max().unwrap());
    }

    #[test]
    fn name_with_blanks_and_brackets_is_no_trouble() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 0 1 2 3 4 250 50 0 0 20 0 4";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 a"), None);
    }
}
