//! How the others are reached.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;
use crate::fleet::{Folder, Network, Reach, Site, Transport};
use crate::learner::Digest;

/// Options of commands that talk to others.
#[derive(clap::Args, Clone, Debug)]
pub struct Way {
    /// Where this device stands: devices of one site fetch from each other first
    #[arg(long, default_value = "site")]
    site: Site,
    /// A folder instead of a network: a stick, a share
    #[arg(long, value_name = "DIR", conflicts_with_all = ["connect", "listen", "config"])]
    via: Option<PathBuf>,
    /// Endpoint to connect to, such as tcp/192.168.1.7:7447 or tls/router.example:7447; may be given more than once
    #[arg(long, value_name = "ENDPOINT")]
    connect: Vec<String>,
    /// Endpoint to listen at; may be given more than once [default: a free TCP port]
    #[arg(long, value_name = "ENDPOINT")]
    listen: Vec<String>,
    /// Configuration of Zenoh (JSON5): certificates, access rules; docs/FLEET.md has one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not look for others on the LAN
    #[arg(long)]
    no_multicast: bool,
    /// How long one answer may take
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    patience: Duration,
}

impl Way {
    /// Reaches the devices of `backbone`.
    pub fn open(&self, backbone: Digest) -> Result<Box<dyn Transport>> {
        if let Some(folder) = &self.via {
            return Ok(Box::new(Folder::open(folder, self.site.clone(), backbone)?));
        }
        let reach = Reach {
            config: self.config.clone(),
            connect: self.connect.clone(),
            listen: self.listen.clone(),
            multicast: !self.no_multicast,
            patience: self.patience,
        };
        Ok(Box::new(Network::open(&reach, self.site.clone(), backbone)?))
    }
}
