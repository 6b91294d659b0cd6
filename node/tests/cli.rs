//! The client commands as a program: what can be said of them without a cluster.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use prost::Message;
use prost_types::FileDescriptorSet;
use twinrail_proto::grpc::FILE_DESCRIPTOR_SET;

fn twinrail(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_twinrail"));
    command.args(arguments).env_remove("TWINRAIL_ENDPOINT").output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An address of this machine where nobody listens: bound once, then let go.
fn deaf_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[test]
fn a_wrong_command_line_is_refused_before_anything_is_sent() {
    for arguments in [
        &["profile", "deploy", "web-1"][..],
        &["lan", "create", "prod", "--uplink", "lan0"],
        &["pool", "create", "macs", "--mac-range", "02:00:5e:00:00:00"],
        &["template", "create", "web", "--vnic", "eth0,lan=prod,vlna=10"],
        &["vnic", "create", "web-1/eth0", "--mac", "02:00:00:00:00:01", "--mac-pool", "macs"],
        &["server", "list", "--timeout", "soon"],
        &["server", "create", "s1", "--max-adapters", "0"],
        &["vnic", "update", "web-1/eth0", "--mtu", "0"],
        &["template", "create", "web", "--vnic", "eth0,lan=prod,mac-pool=macs,mtu=0"],
        &["template", "create", "web", "--vnic", "eth0,lan=a,mac-pool=macs", "--vnic", "eth0,lan=b,mac-pool=macs"],
        &["template", "update", "web", "--vnic", "eth0,lan=a,mac-pool=macs", "--remove-vnic", "eth0"],
        &["profile", "create", "web-1", "--vhba", "hba0,san=a,wwn-pool=wwns", "--vhba", "hba0,san=b,wwn-pool=wwns"],
        &["lan", "create", "prod", "--uplink", "d1=lan0", "--uplink", "d1=lan1"],
        &["lan", "update", "prod", "--uplink", "d1=lan0", "--remove-uplink", "d1"],
        &["lan", "create", "prod", "--if-match", "7"],
        &["cluster", "rebalance", "--if-match", "7"],
        &["director", "transfer-leadership", "--if-match", "7"],
        &["--if-match", "7", "lan", "delete", "prod"],
        &["nonsense"],
    ] {
        let output = twinrail(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn every_endpoint_is_tried_and_told() {
    let (first, second) = (deaf_endpoint(), deaf_endpoint());
    let output = twinrail(&["--endpoint", &format!("{first},{second}"), "lan", "list"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&first) && said.contains(&second) && said.contains("refused"), "{said}");
    assert!(output.stdout.is_empty());
}

/// A change that hung may have been made; a read is simply asked for again.
#[test]
fn a_hung_endpoint_is_left_and_only_a_change_is_told_how_to_be_repeated() {
    let hung = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoints = format!("http://{},{}", hung.local_addr().expect("an address"), deaf_endpoint());
    let ask = |verb: &[&str]| {
        let output = twinrail(&[&["--endpoint", &endpoints, "--timeout", "600ms"], verb].concat());
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let said = ask(&["lan", "list"]);
    assert!(said.contains("no answer within") && said.contains("refused") && !said.contains("request-id"), "{said}");
    let said = ask(&["lan", "delete", "prod", "--request-id", "4711"]);
    assert!(said.contains("no answer within") && said.contains("--request-id 4711"), "{said}");
    let said = ask(&["lan", "delete", "prod", "--dry-run"]);
    assert!(!said.contains("request-id"), "{said}");
}

#[test]
fn who_gives_an_etag_where_there_is_none_is_told_why_not() {
    let said = text(&twinrail(&["cluster", "rebalance", "--if-match", "7"]).stderr);
    assert!(said.contains("an etag belongs to a resource that is there"), "{said}");
    let deaf = deaf_endpoint();
    let output = twinrail(&["--endpoint", &deaf, "lan", "delete", "prod", "--if-match", "7"]);
    assert_eq!(output.status.code(), Some(1), "it was understood: {}", text(&output.stderr));
}

#[test]
fn completions_know_the_nouns() {
    for shell in ["bash", "zsh", "fish"] {
        let output = twinrail(&["completion", shell]);
        assert!(output.status.success(), "{shell}: {}", text(&output.stderr));
        let script = text(&output.stdout);
        for noun in ["director", "server", "profile", "vnic", "failover"] {
            assert!(script.contains(noun), "{shell}: {noun}");
        }
    }
}

/// Every method of the public API is called by some command.
#[test]
fn every_method_has_a_command() {
    let mut sources = String::new();
    read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"), &mut sources);
    let words: std::collections::BTreeSet<&str> =
        sources.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("our own descriptors");
    let methods = descriptors.file.iter().flat_map(|file| &file.service).flat_map(|service| &service.method);
    let names: Vec<String> = methods.map(|method| snake(method.name())).collect();
    assert!(names.len() > 60, "all services are there: {}", names.len());
    let missing: Vec<&String> = names.iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "no command calls {missing:?}");
}

fn read_sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// `ListQosPolicies` as tonic calls it: `list_qos_policies`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
