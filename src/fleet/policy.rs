//! What may leave this device.
//!
//! ```json
//! { "never": ["person*", "https://schema.org/Person*"], "least": 10 }
//! ```

use std::path::Path;

use glob::Pattern;
use serde::Deserialize;

use crate::bundle::{Bundle, Content, Label};
use crate::error::{Context, Result};
use crate::store::read_limited;

/// Longest file of rules, in bytes.
const MAX_RULES: u64 = 1 << 20;
/// People, by name and by what catalogues call them.
const PEOPLE: [&str; 4] =
    ["person*", "face*", "http*://schema.org/Person*", "http*://www.wikidata.org/entity/Q5"];

/// Rules for what may leave.
#[derive(Clone, Debug)]
pub struct Policy {
    never: Vec<Pattern>,
    least: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    never: Option<Vec<String>>,
    least: Option<u64>,
}

impl Default for Policy {
    /// No people, and no class of fewer than ten images: the mean of a few is nearly an image.
    fn default() -> Self {
        Self { never: PEOPLE.iter().filter_map(|text| Pattern::new(text).ok()).collect(), least: 10 }
    }
}

impl Policy {
    /// Rules from a JSON file: `never`, patterns of names and URIs of classes that stay, and `least`, the fewest images of a class. What is not said stays as
    /// in [`Policy::default`].
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound), [`Parse`](crate::ErrorKind::Parse) for a file that holds no such rules.
    pub fn read(path: &Path) -> Result<Self> {
        let place = || path.display().to_string();
        let rules: Rules = serde_json::from_slice(&read_limited(path, MAX_RULES)?)
            .map_err(|e| {
                crate::err!(Parse, "no rules; write {{\"never\": [PATTERN..], \"least\": IMAGES}}")
                    .caused_by(e)
            })
            .at(place)?;
        let mut policy = Self::default();
        if let Some(never) = rules.never {
            let pattern = |text: &String| {
                Pattern::new(text)
                    .map_err(|e| crate::err!(Parse, "{text:?} is no pattern").caused_by(e).at(place()))
            };
            policy.never = never.iter().map(pattern).collect::<Result<_>>()?;
        }
        policy.least = rules.least.unwrap_or(policy.least);
        Ok(policy)
    }

    /// Whether `bundle` may leave.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) with the class and the rule.
    pub fn allows(&self, bundle: &Bundle) -> Result<()> {
        let content = bundle.content();
        for label in &content.labels {
            let texts = [Some(&label.name), label.uri.as_ref()];
            let rule = self.never.iter().find(|rule| texts.iter().flatten().any(|text| rule.matches(text)));
            if let Some(rule) = rule {
                crate::bail!(
                    Refused,
                    "class {:?} stays on this device: {rule} is never sent; give rules of your own to change that (--policy)",
                    label.name
                );
            }
        }
        match fewest(content)? {
            Some((images, label)) if images < self.least => Err(crate::err!(
                Refused,
                "class {:?} was learned from {images} images, and what fewer than {} teach is too much like one of them to be sent; show it \
                 more, or give rules of your own (--policy)",
                label.name,
                self.least
            )),
            _ => Ok(()),
        }
    }
}

/// The class that was learned from the fewest images, and how many they are.
fn fewest(content: &Content) -> Result<Option<(u64, &Label)>> {
    let lesson = content.lesson()?;
    let Some(centres) = lesson.statistics().centres() else {
        let mean = content.images / content.labels.len().max(1) as u64;
        return Ok(content.labels.first().map(|label| (mean, label)));
    };
    // An image may be several rows, its crops.
    let rows = centres.counts.iter().sum::<u64>().max(1);
    let images = |class: usize| {
        let own = centres.classes.iter().zip(&centres.counts).filter(|(owner, _)| **owner == class);
        let own: u64 = own.map(|(_, count)| count).sum();
        (u128::from(own) * u128::from(content.images) / u128::from(rows)) as u64
    };
    Ok(content.labels.iter().enumerate().map(|(class, label)| (images(class), label)).min_by_key(|(n, _)| *n))
}
