//! The paths of the server and the module under test.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Returns `SERVER`, a path or a program's name, or else `redis-server`.
pub fn server_binary() -> PathBuf {
    let name = std::env::var_os("SERVER").unwrap_or_else(|| "redis-server".into());
    let path = PathBuf::from(&name);
    // The server runs in its own directory, so a relative path would not work. Do not resolve links: a program
    // may depend on the name by which it is called (Debian's `redis-server` is such a link).
    if path.components().count() > 1 { std::path::absolute(&path).unwrap_or(path) } else { path }
}

/// Returns `RATELOG_MODULE`, or else the release build. The first call builds it.
pub fn module() -> &'static PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE.get_or_init(|| {
        std::env::var_os("RATELOG_MODULE").map_or_else(build, |path| {
            PathBuf::from(path).canonicalize().expect("RATELOG_MODULE names a file that exists")
        })
    })
}

fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--release", "--locked", "--lib", "-p", "ratelog"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(std::process::Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "the module does not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message.get("filenames")?.as_array().cloned())
        .flatten()
        .filter_map(|name| name.as_str().map(PathBuf::from))
        .find(|path| path.file_name().is_some_and(|name| name == "libratelog.so"))
        .expect("cargo names the module it built")
}
