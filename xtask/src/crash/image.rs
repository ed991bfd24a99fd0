//! File systems in files, mounted as long as somebody needs them. Needs root, loop devices, and
//! the programs that make file systems, which are installed if they are missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::clients::need;
use crate::shell::{finish, must, say};

/// Nobody uses the files of a process that has ended after this.
const FREE_TIME_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// A mounted file system; it goes with its image.
#[derive(Debug)]
pub(super) struct Mounted {
    pub(super) at: PathBuf,
    image: PathBuf,
}

/// Makes a file system of a type (`ext4`, `xfs`) in a file and mounts it; the reason if this
/// machine does not let us.
pub(super) fn make(image: &Path, kind: &str, bytes: u64, at: &Path) -> Result<Result<Mounted, String>> {
    let program = format!("mkfs.{kind}");
    let package = if kind == "ext4" { "e2fsprogs" } else { "xfsprogs" };
    let found = ["/sbin", "/usr/sbin"].iter().any(|place| Path::new(place).join(&program).is_file());
    if !found && let Err(missing) = need(&program, package) {
        return Ok(Err(format!("{missing:#}")));
    }
    File::create(image)?.set_len(bytes)?;
    let force = if kind == "ext4" { "-F" } else { "-f" };
    must(&program, Command::new(&program).args(["-q", force]).arg(image))?;
    mount(image, at)
}

/// Mounts an image; the reason if this machine does not let us.
pub(super) fn mount(image: &Path, at: &Path) -> Result<Result<Mounted, String>> {
    fs::create_dir_all(at)?;
    let ended = finish("mount", Command::new("mount").args(["-o", "loop"]).arg(image).arg(at)).context("mount")?;
    if ended.status.success() {
        return Ok(Ok(Mounted { at: at.to_path_buf(), image: image.to_path_buf() }));
    }
    Ok(Err(format!("mounting is refused: {}", ended.output.lines().next().unwrap_or_default())))
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What a process had in the kernel's hands when it was killed keeps its files for a moment longer.
        let deadline = Instant::now() + FREE_TIME_MAX;
        let unmount =
            || finish("umount", Command::new("umount").arg(&self.at)).is_ok_and(|ended| ended.status.success());
        while !unmount() {
            if Instant::now() > deadline {
                say(&format!("    {} stays mounted", self.at.display()));
                break;
            }
            std::thread::sleep(PAUSE);
        }
        // It may be on a file system that is gone by now.
        drop(fs::remove_file(&self.image));
    }
}
