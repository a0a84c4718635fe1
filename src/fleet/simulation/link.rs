//! One direction of a link: what a message costs on it.
//!
//! A message of `n` bytes holds the link for `8 n / (bits_per_s (1 - loss))` seconds and is there `latency_s (1 + 2 loss / (1 - loss))`
//! seconds later: every loss sends it once more, after one more round trip, and a message is lost `loss / (1 - loss)` times
//! on average. Losses are charged at this mean, not drawn, so that a time can be computed by hand.

use serde::{Deserialize, Serialize};

use crate::bail;
use crate::error::Result;

/// Bandwidth, latency and loss of each direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Bit a second.
    pub bits_per_s: f64,
    /// Seconds, one way.
    pub latency_s: f64,
    /// Share of the messages that are lost, at least 0 and less than 1.
    pub loss: f64,
}

impl Link {
    /// Bytes sent until `bytes` have come.
    pub fn sent(&self, bytes: f64) -> f64 {
        bytes / (1.0 - self.loss)
    }

    /// Seconds for which a message of `bytes` holds the link.
    pub fn service(&self, bytes: f64) -> f64 {
        self.sent(bytes) * 8.0 / self.bits_per_s
    }

    /// Seconds from the end of the service until the message is there.
    pub fn delay(&self) -> f64 {
        self.latency_s * (1.0 + 2.0 * self.loss / (1.0 - self.loss))
    }

    pub(super) fn check(&self, name: &str) -> Result<()> {
        let fast = self.bits_per_s > 0.0 && self.bits_per_s.is_finite();
        if !fast || !(0.0..=1e6).contains(&self.latency_s) || !(0.0..1.0).contains(&self.loss) {
            bail!(
                InvalidArgument,
                "{name} has {} bit/s, {} s and a loss of {}; give a positive bandwidth, a latency, and a loss from 0 to below 1",
                self.bits_per_s,
                self.latency_s,
                self.loss
            );
        }
        Ok(())
    }
}
