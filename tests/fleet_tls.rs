//! Certificates on both ends: who has none of the fleet's gets no session.
#![cfg(feature = "fleet")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use perennial::fleet::{Network, Reach, Transport};
use perennial::learner::Digest;

const BACKBONE: Digest = Digest([3; 32]);

fn openssl(folder: &Path, arguments: &str) {
    let done =
        Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A certificate authority, and certificates for `names` by it.
fn authority(folder: &Path, names: &[&str]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req -x509 {new} -keyout ca.key -out ca.pem -days 2 -subj /CN=fleet"));
    for name in names {
        openssl(folder, &format!("req {new} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        let sign = format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
        );
        openssl(folder, &sign);
    }
}

/// A configuration in which `name` proves who it is with a certificate of `from`, and believes those of `authority`.
fn configuration(folder: &Path, authority: &Path, from: &Path, name: &str) -> PathBuf {
    let (ca, own) = (authority.join("ca.pem"), from.join(name));
    let (ca, own) = (ca.display(), own.display());
    let path = folder.join(format!("{name}.json5"));
    let text = format!(
        "{{ scouting: {{ multicast: {{ enabled: false }} }}, connect: {{ timeout_ms: 2000 }}, transport: {{ link: {{ tls: {{
            root_ca_certificate: \"{ca}\", enable_mtls: true,
            listen_certificate: \"{own}.pem\", listen_private_key: \"{own}.key\",
            connect_certificate: \"{own}.pem\", connect_private_key: \"{own}.key\" }} }} }} }}"
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn only_who_has_a_certificate_of_the_fleet_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let (fleet, others) = (folder.path().join("fleet"), folder.path().join("others"));
    authority(&fleet, &["router", "robot"]);
    authority(&others, &["stranger"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = vec![format!("tls/localhost:{port}")];
    let patience = Duration::from_secs(2);
    let open = |config: PathBuf, connect: Vec<String>, listen: Vec<String>, site: &str| {
        let reach = Reach { config: Some(config), connect, listen, multicast: false, patience };
        Network::open(&reach, site.parse().unwrap(), BACKBONE)
    };
    let listens = configuration(folder.path(), &fleet, &fleet, "router");
    let mut router = open(listens, Vec::new(), endpoint.clone(), "router").unwrap();
    let sites = |network: &mut Network| -> Vec<String> {
        let mut sites: Vec<String> =
            network.peers().unwrap().iter().map(|peer| peer.site.to_string()).collect();
        sites.sort();
        sites
    };

    let robot = configuration(folder.path(), &fleet, &fleet, "robot");
    let mut robot = open(robot, endpoint.clone(), Vec::new(), "hall").unwrap();
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen = sites(&mut robot);
        if seen.len() == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(seen, ["hall", "router"]);
    assert_eq!(sites(&mut router), ["hall", "router"]);

    // It believes the router, and shows a certificate of somebody else; or none at all.
    let stranger = configuration(folder.path(), &fleet, &others, "stranger");
    let nobody = folder.path().join("nobody.json5");
    let ca = fleet.join("ca.pem");
    let text = format!(
        "{{ connect: {{ timeout_ms: 2000 }}, transport: {{ link: {{ tls: {{ root_ca_certificate: {ca:?} }} }} }} }}"
    );
    std::fs::write(&nobody, text).unwrap();
    for config in [stranger, nobody] {
        let name = config.display().to_string();
        if let Ok(mut network) = open(config, endpoint.clone(), Vec::new(), "outside") {
            assert_eq!(sites(&mut network), ["outside"], "{name} sees others");
            assert_eq!(sites(&mut router), ["hall", "router"], "{name} is seen");
        }
    }
}

#[test]
fn the_configurations_in_targets_are_read_by_zenoh() {
    for name in ["device", "router"] {
        zenoh::Config::from_file(format!("targets/zenoh/{name}.json5")).unwrap();
    }
}
