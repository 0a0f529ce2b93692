//! A small disk in memory, which can be filled.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

const BLOCK: [u8; 4096] = [0; 4096];

/// See the module's documentation. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    /// Where it is.
    pub path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of this size.
    ///
    /// # Errors
    /// Who is not root cannot.
    pub fn mount(path: &Path, mib: u32) -> Result<Self> {
        fs::create_dir_all(path)?;
        let options = format!("size={mib}m,mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(path)
            .status()?;

        if !mounted.success() {
            bail!("a small disk could not be mounted: that needs root");
        }

        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// Another failure than a full disk.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.path.join("ballast"))?;
        loop {
            match file.write(&BLOCK) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// It was not filled.
    pub fn clear(&self) -> Result<()> {
        Ok(fs::remove_file(self.path.join("ballast"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status(); // in memory: nothing stays
    }
}
