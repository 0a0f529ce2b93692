//! The embedded default's data directory: a database, the secrets created at the first start, and
//! a lock.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rand::{Rng, distr::Alphanumeric};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use waitingroom_domain::{push::VapidKey, secret::Secret};

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

/// In a file of its own, made when pushes are turned on: an earlier release refuses to start on
/// secrets that it does not know.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PushSecret {
    push_key: String,
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
        let secrets = read_or_create(&self.0.join("secrets.toml"), || Secrets {
            jwt_secret: random(),
            pass_secret: random(),
        })?;

        settings
            .jwt_secret
            .get_or_insert_with(|| Secret::from(secrets.jwt_secret));
        settings
            .pass_secret
            .get_or_insert_with(|| Secret::from(secrets.pass_secret));
        if settings.push_contact.is_some() && settings.push_key.is_none() {
            let secret = read_or_create(&self.0.join("push.toml"), || PushSecret {
                push_key: random_push_key().expose().to_owned(),
            })?;
            settings.push_key = Some(Secret::from(secret.push_key));
        }
        check(&settings)?;

        Ok(settings)
    }
}

/// A key pair's private half, from which the public one follows.
pub fn random_push_key() -> Secret {
    loop {
        if let Some(secret) = VapidKey::secret_from(&rand::random()) {
            return secret;
        }
    }
}

fn read_or_create<T: Serialize + DeserializeOwned>(
    path: &Path,
    new: impl FnOnce() -> T,
) -> Result<T> {
    if path.exists() {
        read(path)
    } else {
        create(path, new())
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
}

fn create<T: Serialize>(path: &Path, secrets: T) -> Result<T> {
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
