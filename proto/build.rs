//! Compiles every `.proto` under `proto/proto` with protox (no `protoc` needed), and writes the descriptor set of the
//! public package for gRPC reflection and for JSON.

use std::error::Error;
use std::path::{Path, PathBuf};

use prost::Message;
use protox::prost_reflect::prost_types::FileDescriptorSet;

const ROOT: &str = "proto";
/// What directors and agents say to each other: compiled, but shown to no client.
const PRIVATE_PACKAGE: &str = "twinrail.internal";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ROOT}");
    if std::env::var_os("CARGO_FEATURE_GRPC").is_none() {
        return Ok(());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(Path::new(ROOT))?)?;
    let all = compiler.file_descriptor_set();

    std::fs::write(out.join("twinrail_descriptor.bin"), public(&all).encode_to_vec())?;
    let mut prost = tonic_prost_build::Config::new();
    prost.enable_type_names();
    tonic_prost_build::configure().btree_map(".").include_file("twinrail.rs").compile_fds_with_config(all, prost)?;
    Ok(())
}

/// All `.proto` files below `folder`, in a fixed order.
fn proto_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn public(all: &FileDescriptorSet) -> FileDescriptorSet {
    let file = all.file.iter().filter(|file| !file.package().starts_with(PRIVATE_PACKAGE)).cloned().collect();
    FileDescriptorSet { file }
}
