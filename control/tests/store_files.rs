//! The files are private, one process has them, and what is wrong with them is said plainly (F5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use patchbay_control::store::{DATABASE_FILE, Store, StoreError};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use store_support::{directory, typed};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn files_are_private_and_belong_to_one_process() {
    let data = directory("store_files_private").join("deeper");
    let store = Store::open(&data).await.unwrap();
    store.append_events(&[typed(1, 1)]).await.unwrap();
    assert_eq!(mode(&data), 0o700);
    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let second = Store::open(&data).await.unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    assert!(second.to_string().contains("--data"));
    drop(store);

    let database = data.join(DATABASE_FILE);
    std::fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    let _store = Store::open(&data).await.unwrap();
    assert_eq!(mode(&database), 0o600);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let data = directory("store_files_damaged");
    std::fs::create_dir_all(&data).unwrap();
    let text = "this is a shopping list, not a database. ".repeat(100);
    std::fs::write(data.join(DATABASE_FILE), &text).unwrap();
    let error = Store::open(&data).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("restore a backup"));
    assert_eq!(
        std::fs::read_to_string(data.join(DATABASE_FILE)).unwrap(),
        text
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let data = directory("store_files_newer");
    let store = Store::open(&data).await.unwrap();
    store.close().await;
    drop(store);
    let options = SqliteConnectOptions::new().filename(data.join(DATABASE_FILE));
    let mut connection = options.connect().await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let error = Store::open(&data).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 9999, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("newer Patchbay"));
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let data = directory("store_files_unusable");
    std::fs::create_dir_all(&data).unwrap();
    let file = data.join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
    assert!(error.to_string().contains(file.to_str().unwrap()));
}
