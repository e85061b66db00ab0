//! Secrets are made once, kept with mode 0600, and refused when others could read them (F5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use patchbay_control::store::secret::{SecretError, read, read_or_create};
use store_support::directory;

#[test]
fn a_secret_is_made_once_and_stays_private() {
    let data = directory("store_secret");
    let path = data.join("api-token");
    assert!(matches!(read(&path), Err(SecretError::Missing(_))));
    let secret = read_or_create(&path).unwrap();
    assert_eq!(secret.len(), 64);
    assert_eq!(read_or_create(&path).unwrap(), secret);
    assert_eq!(read(&path).unwrap(), secret);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        std::fs::read_dir(&data).unwrap().count(),
        1,
        "nothing is left behind"
    );

    let other = read_or_create(&data.join("other")).unwrap();
    assert_ne!(other, secret);

    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = read_or_create(&path).unwrap_err();
    assert!(matches!(error, SecretError::Exposed { mode: 0o640, .. }));
    assert!(error.to_string().contains("chmod 600"), "{error}");

    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    for wrong in ["", "short", "two words are no secret at all\n"] {
        std::fs::write(&path, wrong).unwrap();
        assert!(
            matches!(read(&path), Err(SecretError::Malformed(_))),
            "{wrong:?}"
        );
    }
    std::fs::write(
        &path,
        "my own secret with no spaces".replace(' ', "-") + "\n",
    )
    .unwrap();
    assert_eq!(read(&path).unwrap(), "my-own-secret-with-no-spaces");
}
