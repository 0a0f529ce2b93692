//! The mode of SQLite's files.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
};

use booking::store::{SharedStore, sqlite::SqliteStore};

use super::{
    databases::{Files, sqlite_file},
    fixtures::stored_event,
};

/// Of the database, its write-ahead log and the log's index: all exist while a store is open.
fn modes(file: &Files) -> [u32; 3] {
    ["", "-wal", "-shm"].map(|ending| {
        let file = format!("{}{ending}", file.path().display());
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    })
}

#[tokio::test]
async fn new_files_are_readable_by_owner_only() {
    let (store, file) = sqlite_file().await;
    stored_event(&store, &[10]).await;
    assert_eq!(modes(&file), [0o600; 3]);
}

#[tokio::test]
async fn existing_file_keeps_mode() {
    let file = Files::new();
    File::create_new(file.path()).unwrap();
    fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();

    let store: SharedStore = std::sync::Arc::new(SqliteStore::open(file.path()).await.unwrap());
    stored_event(&store, &[10]).await;
    assert_eq!(modes(&file), [0o640; 3]);
}

#[tokio::test]
async fn link_without_target_gets_target() {
    let file = Files::new();
    let target = format!("{}-target.db", file.path().display());
    std::os::unix::fs::symlink(&target, file.path()).unwrap();

    let store: SharedStore = std::sync::Arc::new(SqliteStore::open(file.path()).await.unwrap());
    stored_event(&store, &[10]).await;
    let mode = fs::metadata(&target).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    drop(store);
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{target}{ending}"));
    }
}
