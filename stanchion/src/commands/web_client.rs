//! Writes the web client of this binary to a folder that a proxy serves.
//!
//! A page that was opened before an update asks for parts of its build afterwards: a chunk that is
//! loaded at the payment, or everything if the page came just before. So the folder keeps the parts of
//! builds that were replaced a short time ago. Files are replaced at once, and the pages are written
//! after their parts: no page in the folder names a part that is not there.

mod builds;

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gateway::{WebClientFile, web_client_files};
use waitingroom_domain::clock::{Clock, Timestamp};

use self::builds::Builds;
use crate::{cli::Export, output::print_line};

/// Marks a folder as one of exports, and lists the parts of each build.
const BUILDS: &str = ".builds.json";
/// Locked while an export works on the folder.
const LOCK: &str = ".lock";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Runs `web-client export`.
pub fn export(export: &Export) -> Result<()> {
    let files = web_client_files();
    if files.is_empty() {
        bail!("this binary was built without the web client; run `make build`");
    }

    let keep = DAY * u32::try_from(export.keep_days)?;
    let written = write(&export.folder, &files, Clock::System.now(), keep)?;
    print_line(&format!(
        "{} files are in {}; {} parts of earlier builds stay, {} were removed",
        files.len(),
        export.folder.display(),
        written.kept,
        written.removed
    ))
}

/// What an export did to the parts of earlier builds.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    kept: usize,
    removed: usize,
}

fn write(
    folder: &Path,
    files: &[WebClientFile],
    now: Timestamp,
    keep: Duration,
) -> Result<Written> {
    let _lock = open(folder)?;
    let mut builds = read_builds(folder)?;

    let (assets, pages): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.is_asset());
    for file in &assets {
        replace(folder, &file.path, &file.content)?;
    }

    // The list is written before the first page of this build: what it does not name is never removed.
    let names = assets.iter().map(|file| file.path.clone()).collect();
    let outdated = builds.add(names, now, keep);
    let list = serde_json::to_vec_pretty(&builds)?;
    replace(folder, BUILDS, &list)?;

    for file in pages {
        replace(folder, &file.path, &file.content)?;
    }
    for path in &outdated {
        remove(&folder.join(path))?;
    }

    Ok(Written {
        kept: builds.earlier_assets(),
        removed: outdated.len(),
    })
}

/// Makes the folder if it is missing. Refuses one with files of others: an export overwrites and
/// removes by name.
fn open(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let builds = folder.join(BUILDS);
    if !builds.exists() && has_other_files(folder)? {
        bail!(
            "{} holds other files; name an empty folder, or one of an earlier export",
            folder.display()
        );
    }

    let lock = folder.join(LOCK);
    let file = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", lock.display()))?;

    // Before anything else, so that an export that was interrupted can be repeated.
    if !builds.exists() {
        fs::write(&builds, "[]").with_context(|| format!("cannot write {}", builds.display()))?;
    }
    Ok(file)
}

fn has_other_files(folder: &Path) -> Result<bool> {
    let mut entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    // A volume may have a folder of its file system.
    let is_other = |name: &std::ffi::OsStr| name != LOCK && name != "lost+found";
    Ok(entries.any(|entry| entry.is_ok_and(|entry| is_other(&entry.file_name()))))
}

fn read_builds(folder: &Path) -> Result<Builds> {
    let path = folder.join(BUILDS);
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// A reader of the folder finds the former content or the new one, never a part of it.
fn replace(folder: &Path, path: &str, content: &[u8]) -> Result<()> {
    let path = folder.join(path);
    let context = || format!("cannot write {}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(context)?;
    }

    let mut unfinished = path.clone().into_os_string();
    unfinished.push(".new");
    fs::write(&unfinished, content).with_context(context)?;
    fs::rename(&unfinished, &path).with_context(context)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, path::PathBuf};

    use super::*;

    fn build(name: &'static str) -> Vec<WebClientFile> {
        let file = |path: String| WebClientFile {
            path,
            content: Cow::Borrowed(name.as_bytes()),
        };
        vec![
            file("index.html".into()),
            file(format!("assets/index-{name}.js")),
            file("assets/shared.css".into()),
        ]
    }

    /// A folder of this test's own, empty.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("stanchion-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn at(days: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).plus(DAY * u32::try_from(days).unwrap())
    }

    #[test]
    fn keeps_parts_of_replaced_builds_for_days() {
        let folder = folder("export");
        let has = |path: &str| folder.join(path).exists();
        let export = |name, days| write(&folder, &build(name), at(days), DAY * 7).unwrap();

        export("one", 0);
        // Long after its export, this build is in use until the moment of the next.
        assert_eq!(
            export("two", 30),
            Written {
                kept: 1,
                removed: 0
            }
        );
        assert!(has("assets/index-one.js") && has("assets/index-two.js"));
        assert_eq!(fs::read(folder.join("index.html")).unwrap(), b"two");

        assert_eq!(
            export("two", 36),
            Written {
                kept: 1,
                removed: 0
            }
        );
        assert_eq!(
            export("three", 38),
            Written {
                kept: 1,
                removed: 1
            }
        );
        assert!(!has("assets/index-one.js") && has("assets/index-two.js"));
        assert!(has("assets/shared.css"), "it belongs to a build that stays");

        // Back to the former build: its parts are there again for good.
        export("two", 39);
        assert_eq!(
            export("two", 60),
            Written {
                kept: 0,
                removed: 1
            }
        );
        assert!(has("assets/index-two.js") && !has("assets/index-three.js"));
        assert!(!has("index.html.new"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn refuses_folder_with_other_files() {
        let folder = folder("foreign");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("index.html"), "a shop").unwrap();

        let error = write(&folder, &build("one"), at(0), DAY).unwrap_err();
        assert!(error.to_string().contains("other files"), "{error}");
        assert_eq!(fs::read(folder.join("index.html")).unwrap(), b"a shop");
        fs::remove_dir_all(folder).unwrap();
    }
}
