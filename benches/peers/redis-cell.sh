#!/bin/sh
# Builds redis-cell 0.2.2 from crates.io, only for comparison, and prints the path of its shared library. The
# argument is the folder for the library. The script leaves no other files behind.
set -eu

version=0.2.2
keep=${1:?usage: redis-cell.sh FOLDER}
library=$keep/libredis_cell-$version.so

if [ -f "$library" ]; then
    echo "$library"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The crate builds no library that Rust can link, so it can be neither installed nor used as a dependency. A package
# that is never compiled depends on it, and cargo unpacks its source.
mkdir -p "$work/fetch/src" "$keep"
cat > "$work/fetch/Cargo.toml" <<EOF
[package]
name = "fetch"
edition = "2021"
[dependencies]
redis-cell = "=$version"
[workspace]
EOF
echo 'fn main() {}' > "$work/fetch/src/main.rs"
(cd "$work/fetch" && cargo vendor --quiet "$work/vendor" >&2)

cp -r "$work/vendor/redis-cell" "$work/redis-cell"
printf '\n[workspace]\n' >> "$work/redis-cell/Cargo.toml"
(cd "$work/redis-cell" &&
    RUSTFLAGS='--cap-lints=allow' cargo rustc --quiet --release --lib --crate-type cdylib \
        --target-dir "$work/target" >&2)
cp "$work/target/release/libredis_cell.so" "$library"
echo "$library"
