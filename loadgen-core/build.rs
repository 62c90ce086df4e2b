//! Takes the script that draws the report's charts out of the package that carries it.
//!
//! Only behind the feature `page`; there is nothing else to be made before the library is.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "page")]
    charts::write();
}

#[cfg(feature = "page")]
mod charts {
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::{env, fs};

    use data_encoding::BASE64;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use serde_json::Value;

    /// Carries Apache ECharts, to draw charts without a browser.
    const PACKAGE: &str = "charming";

    /// Writes the script into the folder of what is generated, deflated and in base64, as a page has it.
    pub(super) fn write() {
        let (script, version) = script(&folder());
        println!("cargo::rerun-if-changed={}", script.display());
        println!("cargo::rustc-env=ECHARTS_VERSION={version}");
        let text = fs::read(&script).expect("the script can be read");
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(&text).expect("memory takes everything");
        let deflated = deflated.finish().expect("memory takes everything");
        let generated = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
        fs::write(generated.join("echarts.txt"), BASE64.encode(&deflated))
            .expect("the folder of what is generated can be written to");
    }

    /// Where the package lies. That is for cargo to say: it may be the registry's, a vendored or a replaced one.
    fn folder() -> PathBuf {
        let said = Command::new(env::var_os("CARGO").expect("cargo says which it is"))
            .args(["metadata", "--format-version=1", "--filter-platform"])
            .arg(env::var_os("HOST").expect("cargo says for what it builds"))
            .current_dir(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where this is"))
            .output()
            .expect("cargo can be run");
        assert!(
            said.status.success(),
            "failed to find the package `{PACKAGE}`, which the feature `page` needs; try `cargo fetch`: {}",
            String::from_utf8_lossy(&said.stderr)
        );
        let said: Value = serde_json::from_slice(&said.stdout).expect("cargo speaks JSON");
        let packages = said["packages"].as_array().into_iter().flatten();
        let manifest = packages
            .filter(|it| it["name"] == PACKAGE)
            .find_map(|it| it["manifest_path"].as_str())
            .expect("cargo knows what it builds for");
        Path::new(manifest)
            .parent()
            .expect("a file is in a folder")
            .to_owned()
    }

    /// The script of the package, and its version.
    fn script(package: &Path) -> (PathBuf, String) {
        let assets = package.join("src/asset");
        let files = fs::read_dir(&assets).expect("the package has a folder of assets");
        let found = files.flatten().find_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let version = name.strip_prefix("echarts-")?.strip_suffix(".min.js")?;
            Some((file.path(), version.to_owned()))
        });
        found.unwrap_or_else(|| panic!("there is no ECharts in {}", assets.display()))
    }
}
