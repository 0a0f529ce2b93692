//! Lets the crate build before the web client was built: the folder that is embedded then holds
//! nothing.

use std::{env, fs, path::Path};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets the manifest's folder");
    let dist = Path::new(&root).join("../web-client/dist");
    fs::create_dir_all(&dist).expect("the web client's folder is writable");
    println!("cargo:rerun-if-changed={}", dist.display());
}
