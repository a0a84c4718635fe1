//! Under which key something is found.
//!
//! ```text
//! perennial/SITE/BACKBONE/index/DEVICE     what a device has: the ids of its bundles and of the withdrawals that it heard of
//! perennial/SITE/BACKBONE/BUNDLE           a notice
//! perennial/SITE/BACKBONE/BUNDLE/N         chunk N of the bundle's file
//! perennial/SITE/BACKBONE/gone/STATEMENT   a withdrawal
//! ```
//!
//! `BACKBONE`, `BUNDLE` and `STATEMENT` are SHA-256 in hexadecimal, `DEVICE` is what the transport calls a device. The site is the one where the answer comes from, not where the task was learned: whoever
//! has a bundle offers it to those near.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::learner::Digest;

const ROOT: &str = "perennial";
const GONE: &str = "gone";
const INDEX: &str = "index";
/// Longest name of a site, in bytes.
const MAX_SITE: usize = 32;

/// Where devices stand together: 1 to 32 lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Site(String);

/// What is found under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The notice of the bundle with this id.
    Notice(Digest),
    /// A chunk of the file of the bundle with this id.
    Chunk(Digest, u32),
    /// The withdrawal with this SHA-256.
    Withdrawal(Digest),
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// Where the answer comes from.
    pub site: Site,
    /// The backbone that everything is about.
    pub backbone: Digest,
    /// What it is.
    pub what: What,
}

impl FromStr for Site {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        match (1..=MAX_SITE).contains(&name.len()) && name.chars().all(allowed) {
            true => Ok(Self(name.into())),
            false => Err(crate::err!(
                InvalidArgument,
                "{name:?} names no site; write 1 to {MAX_SITE} lower-case letters, digits, - or _"
            )),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/{}/{}/", self.site, self.backbone)?;
        match self.what {
            What::Notice(bundle) => write!(f, "{bundle}"),
            What::Chunk(bundle, index) => write!(f, "{bundle}/{index}"),
            What::Withdrawal(statement) => write!(f, "{GONE}/{statement}"),
        }
    }
}

impl FromStr for Topic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| crate::err!(Parse, "{text:?} is no key of a fleet"))
    }
}

impl Topic {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (root, site, backbone) = (parts.next()?, parts.next()?, parts.next()?);
        let what = match (parts.next()?, parts.next(), parts.next()) {
            (GONE, Some(statement), None) => What::Withdrawal(digest(statement)?),
            (bundle, None, None) => What::Notice(digest(bundle)?),
            (bundle, Some(index), None) => What::Chunk(digest(bundle)?, number(index)?),
            _ => return None,
        };
        let topic = Self { site: site.parse().ok()?, backbone: digest(backbone)?, what };
        (root == ROOT).then_some(topic)
    }
}

/// Keys of one kind at every site, with `*` for one part.
pub(super) fn everywhere(backbone: Digest, kind: &str) -> String {
    format!("{ROOT}/*/{backbone}/{kind}")
}

/// Keys of one kind at one site.
pub(super) fn at(site: &Site, backbone: Digest, kind: &str) -> String {
    format!("{ROOT}/{site}/{backbone}/{kind}")
}

/// The kinds, as the end of a key.
pub(super) const NOTICES: &str = "*";
pub(super) const WITHDRAWALS: &str = "gone/*";
pub(super) const INDEXES: &str = "index/*";

/// Site and device of an index's key.
pub(super) fn of_index(text: &str) -> Option<(Site, &str)> {
    let mut parts = text.splitn(5, '/');
    let (root, site, _, index, device) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (root == ROOT && index == INDEX).then(|| Some((site.parse().ok()?, device))).flatten()
}

/// One way to write a number, so that a value has one key.
fn number(text: &str) -> Option<u32> {
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// One way to write a digest: lower case.
pub(super) fn digest(text: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    let digest = Digest(bytes);
    (digest.to_string() == text).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() -> Result<()> {
        let (backbone, id) = (Digest([7; 32]), Digest([0xab; 32]));
        for what in [What::Notice(id), What::Chunk(id, 0), What::Chunk(id, u32::MAX), What::Withdrawal(id)] {
            let topic = Topic { site: "hall-2".parse()?, backbone, what };
            assert_eq!(topic.to_string().parse::<Topic>()?, topic);
        }
        Ok(())
    }

    #[test]
    fn nothing_else_is_a_key() {
        let (backbone, id) = (Digest([7; 32]), Digest([0xab; 32]));
        let good = format!("perennial/a/{backbone}/{id}");
        let bad = [
            String::new(),
            format!("{good}/"),
            format!("{good}/-1"),
            format!("{good}/+1"),
            format!("{good}/01"),
            format!("{good}/1/2"),
            format!("{good}/4294967296"),
            format!("/{good}"),
            good.to_uppercase(),
            good.replace("/a/", "/../"),
            good.replace("/a/", "/*/"),
            good.replace("/a/", "//"),
            good.replace("perennial", "other"),
            good.replace("ab", "AB"),
            format!("perennial/a/{backbone}/gone"),
            format!("perennial/{}/{backbone}/{id}", "x".repeat(33)),
        ];
        for text in &bad {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
        assert!(good.parse::<Topic>().is_ok());
    }
}
