//! Loads redis-cell if it can be built.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{Outcome, host::Server};

/// Builds redis-cell or uses the path in `REDIS_CELL`, and loads it into the server.
///
/// # Errors
/// `REDIS_CELL` is `no`, the build fails (for example without network), or the server rejects the module.
pub fn load_cell(server: &Server) -> Outcome<()> {
    let library = match env::var("REDIS_CELL").as_deref() {
        Ok("no") => return Err("REDIS_CELL is `no`".into()),
        Ok(path) => PathBuf::from(path),
        Err(_) => build_cell()?,
    };
    server.load(&library)
}

fn build_cell() -> Outcome<PathBuf> {
    eprintln!("building redis-cell");
    let root = env!("CARGO_MANIFEST_DIR");
    let output = Command::new(format!("{root}/benches/peers/redis-cell.sh"))
        .arg(format!("{root}/target/peers"))
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("not built, see above".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().into())
}
