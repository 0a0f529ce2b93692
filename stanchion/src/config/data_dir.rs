//! The embedded default's data directory: a database, the secrets created at the first start, and
//! a lock.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rand::{Rng, distr::Alphanumeric};
use serde::{Deserialize, Serialize};
use waitingroom_domain::secret::Secret;

use super::{Settings, check};

/// Length of a generated secret: 48 letters and digits carry 285 bits.
const SECRET_LENGTH: usize = 48;

/// See the module's documentation.
#[derive(Debug, Clone)]
pub struct DataDirectory(PathBuf);

/// Held while a process works on the data directory.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    jwt_secret: String,
    pass_secret: String,
}

impl DataDirectory {
    /// The directory of these settings, created if it is missing.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn open(settings: &Settings) -> Result<Self> {
        let path = settings.data_dir.clone();
        fs::create_dir_all(&path)
            .with_context(|| format!("data_dir: cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.0.join("stanchion.db")
    }

    /// Keeps other processes off.
    ///
    /// # Errors
    /// Another process works here.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.0.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;

        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another stanchion is running on {}; stop it first, or choose another --data-dir",
                    self.0.display()
                )
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the data directory"),
        }
    }

    /// The settings with the secrets of this directory, unless secrets are given.
    ///
    /// # Errors
    /// The secrets cannot be read or written.
    pub fn secrets(&self, mut settings: Settings) -> Result<Settings> {
        let path = self.0.join("secrets.toml");
        let secrets = if path.exists() {
            read(&path)?
        } else {
            create(&path)?
        };

        settings
            .jwt_secret
            .get_or_insert_with(|| Secret::from(secrets.jwt_secret));
        settings
            .pass_secret
            .get_or_insert_with(|| Secret::from(secrets.pass_secret));
        check(&settings)?;

        Ok(settings)
    }
}

fn read(path: &Path) -> Result<Secrets> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

fn create(path: &Path) -> Result<Secrets> {
    let secrets = Secrets {
        jwt_secret: random(),
        pass_secret: random(),
    };
    let mut options = OpenOptions::new();

    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);

    let mut file = options
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(toml::to_string(&secrets)?.as_bytes())?;
    Ok(secrets)
}

fn random() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(SECRET_LENGTH)
        .map(char::from)
        .collect()
}
