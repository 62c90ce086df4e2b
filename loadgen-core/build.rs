//! Takes the script that draws the report's charts out of the package that carries it.
//!
//! Only behind the feature `page`; there is nothing else to be made before the library is.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "page")]
    if let Err(why) = charts::write() {
        // One line, or it would not be taken for one message.
        println!("cargo::error={}", why.replace('\n', " "));
    }
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
    pub(super) fn write() -> Result<(), String> {
        let (script, version) = script(&folder()?)?;
        println!("cargo::rerun-if-changed={}", script.display());
        println!("cargo::rustc-env=ECHARTS_VERSION={version}");
        let text = fs::read(&script)
            .map_err(|error| format!("failed to read {}: {error}", script.display()))?;
        let generated = Path::new(&variable("OUT_DIR")?).join("echarts.txt");
        deflated(&text)
            .and_then(|text| fs::write(&generated, text))
            .map_err(|error| format!("failed to write {}: {error}", generated.display()))
    }

    fn deflated(text: &[u8]) -> std::io::Result<String> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text)?;
        Ok(BASE64.encode(&encoder.finish()?))
    }

    /// What cargo tells a build script.
    fn variable(name: &str) -> Result<String, String> {
        env::var(name)
            .map_err(|error| format!("failed to read the variable {name} of cargo: {error}"))
    }

    /// Where the package lies that this one is built with. That is for cargo to say: it may be the registry's, a
    /// vendored or a replaced one, and others may be built with another version of it.
    fn folder() -> Result<PathBuf, String> {
        let own = variable("CARGO_MANIFEST_DIR")?;
        // What is built has been fetched already; that cargo knows it without a network is not said.
        let said = metadata(&own, &["--offline"]).or_else(|_| metadata(&own, &[]));
        let missing = |why: &str| {
            format!(
                "failed to find the package `{PACKAGE}`, which the feature `page` needs, with `cargo metadata` \
                 in {own}; try `cargo fetch` there: {why}"
            )
        };
        let said = said.map_err(|why| missing(why.trim()))?;
        let manifest = manifest(&said, &own);
        let folder = manifest.and_then(|it| Path::new(it).parent());
        let folder = folder.ok_or_else(|| missing("it is none of the packages that are built"))?;
        Ok(folder.to_owned())
    }

    /// What cargo says of the packages in a folder, and of what they are built with.
    fn metadata(folder: &str, flags: &[&str]) -> Result<Value, String> {
        let said = Command::new(variable("CARGO")?)
            .args(["metadata", "--format-version=1", "--features=page"])
            .arg(format!("--filter-platform={}", variable("TARGET")?))
            .args(flags)
            .current_dir(folder)
            .output()
            .map_err(|error| format!("cargo cannot be run: {error}"))?;
        if !said.status.success() {
            return Err(String::from_utf8_lossy(&said.stderr).into_owned());
        }
        serde_json::from_slice(&said.stdout)
            .map_err(|error| format!("cargo speaks no JSON: {error}"))
    }

    /// The manifest of the package that the one in this folder is built with.
    fn manifest<'a>(said: &'a Value, own: &str) -> Option<&'a str> {
        let list = |it: &'a Value| it.as_array().into_iter().flatten();
        let ours = Path::new(own).join("Cargo.toml");
        let is_ours = |it: &&Value| it["manifest_path"].as_str().map(Path::new) == Some(&*ours);
        let ours = list(&said["packages"]).find(is_ours)?;
        let node = list(&said["resolve"]["nodes"]).find(|it| it["id"] == ours["id"])?;
        let id = &list(&node["deps"]).find(|it| it["name"] == PACKAGE)?["pkg"];
        let found = list(&said["packages"]).find(|it| it["id"] == *id)?;
        found["manifest_path"].as_str()
    }

    /// The script of the package, and its version.
    fn script(package: &Path) -> Result<(PathBuf, String), String> {
        let assets = package.join("src/asset");
        let files = fs::read_dir(&assets).map_err(|error| {
            format!(
                "failed to look for ECharts in {}: {error}",
                assets.display()
            )
        })?;
        let found = files.flatten().find_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let version = name.strip_prefix("echarts-")?.strip_suffix(".min.js")?;
            Some((file.path(), version.to_owned()))
        });
        found.ok_or_else(|| {
            format!(
                "failed to find ECharts (`echarts-VERSION.min.js`) in {}",
                assets.display()
            )
        })
    }
}
