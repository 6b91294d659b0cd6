//! The samples are what people copy: they must parse, and what is wrong must be named.

use std::path::Path;

use serde::de::DeserializeOwned;
use twinrail::config::{Check, ConfigError, DirectorConfig, ServerConfig, VhbaSettings, load};

fn load_text<T: DeserializeOwned + Check>(text: &str) -> Result<T, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    load(file.path())
}

fn sample() -> String {
    std::fs::read_to_string("samples/director.toml").unwrap()
}

#[test]
fn the_samples_parse() {
    let director: DirectorConfig = load(Path::new("samples/director.toml")).unwrap();
    assert_eq!(director.own().unwrap().id, 1);
    let server: ServerConfig = load(Path::new("samples/server.toml")).unwrap();
    assert_eq!(server.vhba, VhbaSettings::default(), "the sample says what the defaults are");
}

#[test]
fn mistakes_of_a_server_are_named() {
    let sample = std::fs::read_to_string("samples/server.toml").unwrap();
    for (from, to, expected) in [
        ("run_dir = \"/run", "run_dir = \"run", "vhba.run_dir: \"run/twinrail\" is not an absolute path"),
        ("io_timeout_s = 60", "io_timeout_s = 0", "vhba.io_timeout_s: must be 1 to 86400"),
        ("\"0600\"", "\"0900\"", "\"0900\" is no mode of a file"),
        ("\"0600\"", "\"4755\"", "\"4755\" is no mode of a file"),
        ("socket_mode", "socket_modes", "unknown field `socket_modes`"),
    ] {
        let text = sample.replacen(from, to, 1);
        assert_ne!(text, sample, "{from:?} is not in the sample");
        let error = load_text::<ServerConfig>(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{from:?} → {to:?}: {error}");
    }
}

#[test]
fn the_defaults_are_what_the_sample_says() {
    let written: DirectorConfig = load(Path::new("samples/director.toml")).unwrap();
    let start = sample().find("[timing]").unwrap();
    let end = sample().find("[telemetry]").unwrap();
    let without: DirectorConfig = load_text(&format!("{}{}", &sample()[..start], &sample()[end..])).unwrap();
    assert_eq!(format!("{:?}", written.timing), format!("{:?}", without.timing));
}

#[test]
fn mistakes_are_named() {
    for (from, to, expected) in [
        ("data_dir", "datadir", "unknown field `datadir`"),
        ("name = \"d1\"  ", "name = \"d9\"  ", "name: d9 is none of the listed directors"),
        ("id = 2", "id = 1", "directors.id: 1 (d2) is zero or used by another director too"),
        ("name = \"d2\"", "name = \"d1\"", "directors.name: d1 is listed twice"),
        ("rail_b = \"10.72.1.2\"", "rail_b = \"10.72.1.1\"", "directors.rail_b: 10.72.1.1 (d2) is listed twice"),
        ("a = \"10.71.1.1\"\nb", "a = \"10.71.1.9\"\nb", "rails: differ from those listed for d1"),
        ("role = \"witness\"", "role = \"wittness\"", "unknown variant `wittness`"),
        ("name = \"d3\"", "name = \"D3\"", "the name \"D3\" has 'D' at position 0"),
        ("lease_ms = 1500", "lease_ms = 500", "timing.lease_ms: must be at least ten times"),
        ("director_lost_after_ms = 80", "director_lost_after_ms = 20", "timing.director_lost_after_ms"),
        ("cluster = \"dc1\"", "cluster = \"\"", "cluster: a name must not be empty"),
    ] {
        let text = sample().replacen(from, to, 1);
        assert_ne!(text, sample(), "{from:?} is not in the sample");
        let error = load_text::<DirectorConfig>(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{from:?} → {to:?}: {error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = load::<DirectorConfig>(Path::new("/nonexistent.toml")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent.toml"), "{error}");
}
