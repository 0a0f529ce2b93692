//! The embedded default's data directory: a database, the secrets created at the first start, and
//! a lock.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rand::{Rng, distr::Alphanumeric};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use waitingroom_domain::{push::VapidKey, secret::Secret};

use super::{InvalidSettings, Settings, check::check_secret_rules};

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
    /// The directory of these settings, created for its owner alone if it is missing: for a server
    /// that is about to start.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(settings: &Settings) -> Result<Self> {
        let path = settings.data_dir.clone();
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);

        builder
            .create(&path)
            .with_context(|| format!("data_dir: cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    /// The directory of these settings, with the data of a server: for tools. They create nothing,
    /// since work on an empty store would look like success.
    ///
    /// # Errors
    /// There is none, or a server has never started in it.
    pub fn existing(settings: &Settings) -> Result<Self> {
        let directory = Self(settings.data_dir.clone());
        let database = directory.database();
        if !database.exists() {
            bail!(
                "there is no data of Stanchion in {}: {} does not exist. Name the server's folder with --data-dir, \
                 or its PostgreSQL with --database-url",
                directory.absolute().display(),
                database.display()
            );
        }
        Ok(directory)
    }

    /// The database's file.
    pub fn database(&self) -> PathBuf {
        self.0.join("stanchion.db")
    }

    /// The whole path, for messages.
    pub fn absolute(&self) -> PathBuf {
        std::path::absolute(&self.0).unwrap_or_else(|_| self.0.clone())
    }

    /// Keeps other processes off.
    ///
    /// # Errors
    /// Another process works here.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.0.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let file = owner_only(&mut options)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;

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

    /// The settings with the secrets of this directory, unless secrets are given. At the first start
    /// they are created.
    ///
    /// # Errors
    /// The secrets cannot be read or written, or break a rule.
    pub fn secrets(&self, mut settings: Settings) -> Result<Settings> {
        if settings.push_contact.is_some() && settings.push_key.is_none() {
            let secret = read_or_create(&self.0.join("push.toml"), || PushSecret {
                push_key: random_push_key().expose().to_owned(),
            })?;
            settings.push_key = Some(Secret::from(secret.push_key));
        }

        let secrets = read_or_create(&self.secrets_file(), || Secrets {
            jwt_secret: random(),
            pass_secret: random(),
        })?;
        secrets.complete(settings)
    }

    /// The same for tools: with secrets that a server has created.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub fn existing_secrets(settings: Settings) -> Result<Settings> {
        let directory = Self(settings.data_dir.clone());
        let path = directory.secrets_file();
        if !path.exists() {
            bail!(
                "{} does not exist: no server has started there. Name the folder of the server with --data-dir, \
                 or the secret with --jwt-secret (STANCHION_JWT_SECRET)",
                directory.absolute().join("secrets.toml").display()
            );
        }
        read::<Secrets>(&path)?.complete(settings)
    }

    fn secrets_file(&self) -> PathBuf {
        self.0.join("secrets.toml")
    }
}

impl Secrets {
    /// These, unless others are given.
    fn complete(self, mut settings: Settings) -> Result<Settings> {
        settings
            .jwt_secret
            .get_or_insert_with(|| Secret::from(self.jwt_secret));
        settings
            .pass_secret
            .get_or_insert_with(|| Secret::from(self.pass_secret));

        let refused = check_secret_rules(&settings);
        InvalidSettings::unless_none(refused.iter().map(ToString::to_string))?;
        Ok(settings)
    }
}

/// A file that is created is for its owner alone.
fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
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
    let mut file = owner_only(&mut options)
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
